"""What an order is worth in points, part by part: exact decimals in, whole points out, no queries.

An order is divided into parts (its lines of goods, shipping, fees). Each part earns base × rate × multiplier; the order's points are
rounded once and dealt out to its parts, or rounded part by part if the programme says so. A refund takes from its own parts alone:
the others keep theirs, and partial refunds of everything take exactly what was earned.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from decimal import Context, Decimal, InvalidOperation, localcontext
from fractions import Fraction

ROUNDING = ("down", "nearest", "up")
# Enough for any amount a shop has ever written; the default of 28 digits is not.
PRECISE = Context(prec=100)
# Shares of money may be endless fractions: they are kept to this.
SHARE = Decimal("1e-12")
# Less than a millionth of a point is an endless fraction's dust, and must not lift a rounding up.
DUST = 10**6
# The key of goods whose lines are not known, and of what has no line.
GOODS, SHIPPING, FEES = "goods", "shipping", "fees"
ZERO, ONE = Decimal(0), Decimal(1)
# Of a line's points: what is kept even if it is nothing.
REQUIRED = {"points", "earned", "base", "back", "rate"}


@dataclass(frozen=True)
class Rule:
    """The programme's terms for an order. Kept on each entry, so that a later change can't alter the past.

    `minimum` is the money that must count before anything is earned; `cap` the most points that the order may earn.
    """

    program: int
    rate: Decimal
    rounding: str
    shipping: bool = False
    taxes: bool = False
    fees: bool = False
    by_line: bool = False
    minimum: Decimal = ZERO
    cap: int | None = None
    version: int | None = None

    @classmethod
    def load(cls, kept: dict) -> "Rule":
        """From the snapshot on a ledger entry, which holds more than the rule, and less if it is an old one."""
        values = {field.name: kept[field.name] for field in fields(cls) if field.name in kept}
        return cls(**values | {"rate": Decimal(kept["rate"]), "minimum": Decimal(kept.get("minimum", 0))})

    def dump(self) -> dict:
        return asdict(self) | {"rate": plain(self.rate), "minimum": plain(self.minimum)}

    def points(self, base: Decimal) -> int:
        """Of an amount of which nothing is known but that it counts."""
        return rounded(Fraction(base) * Fraction(self.rate), self.rounding)


@dataclass(frozen=True)
class Rate:
    """What a part earns by, and why: the version of the rule and of the campaign that decided, or why it earns nothing."""

    rate: Decimal
    multiplier: Decimal = ONE
    rule: int | None = None
    campaign: int | None = None
    excluded: str = ""


@dataclass(frozen=True)
class Line:
    """A line of goods after discounts, by its number in the shop."""

    key: str
    total: Decimal
    tax: Decimal = ZERO


@dataclass(frozen=True)
class Part:
    """A part of an order and the money of it that counts."""

    key: str
    base: Decimal


@dataclass(frozen=True)
class Bonus:
    """Points that a campaign adds for these parts, whatever they cost."""

    campaign: int
    points: int
    of: tuple[str, ...]

    @property
    def key(self) -> str:
        return f"bonus:{self.campaign}"


@dataclass(frozen=True)
class LinePoints:
    """The points of one part of an order, and all that made them. What the ledger posts, and keeps with the entry.

    `line` is the line's number in the shop; "goods", "shipping" or "fees" for what has none; "bonus:7" for a campaign's extra points.
    `points` is what the part should have now: of the points that it `earned`, those of what is left when `back` is taken off `base`.
    `base` and `back` are money; `rule` and `campaign` are versions; a `bonus` is given for the parts `of`.
    """

    line: str
    points: int
    earned: int
    base: Decimal
    back: Decimal
    rate: Decimal
    rounding: str
    multiplier: Decimal = ONE
    rule: int | None = None
    campaign: int | None = None
    excluded: str = ""
    bonus: int = 0
    of: tuple[str, ...] = ()

    def dump(self) -> dict:
        """As JSON, without what says nothing."""
        numbers = {name: plain(getattr(self, name)) for name in ("base", "back", "rate", "multiplier")}
        kept = asdict(self) | numbers | {"of": list(self.of)}
        return {name: value for name, value in kept.items() if value or name in REQUIRED}

    @classmethod
    def load(cls, kept: dict) -> "LinePoints":
        numbers = {name: Decimal(kept[name]) for name in ("base", "back", "rate", "multiplier")}
        return cls(**kept | numbers | {"of": tuple(kept.get("of", ()))})

    @property
    def as_bonus(self) -> Bonus | None:
        return Bonus(self.campaign or 0, self.bonus, self.of) if self.bonus else None

    @property
    def by(self) -> Rate:
        return Rate(self.rate, self.multiplier, self.rule, self.campaign, self.excluded)


@dataclass(frozen=True)
class Refunded:
    """One refund. `goods` and `goods_tax` are what its lines say; `goods` is None if it names no lines.

    `lines` has (amount, tax) by the line's number in the shop, as far as it is known which lines these were.
    """

    amount: Decimal
    goods: Decimal | None = None
    goods_tax: Decimal = ZERO
    lines: Mapping[str, tuple[Decimal, Decimal]] = field(default_factory=dict)


@dataclass(frozen=True)
class Amounts:
    """What was charged for an order. Discounts are taken off the goods already."""

    total: Decimal
    total_tax: Decimal = ZERO
    shipping: Decimal = ZERO
    shipping_tax: Decimal = ZERO
    fees: Decimal = ZERO
    fees_tax: Decimal = ZERO

    @property
    def goods(self) -> Decimal:
        # From the total and not from the lines: store credit, which some plug-ins take off the total only, earns nothing.
        return self.total - self.total_tax - self.shipping - self.fees

    @property
    def goods_tax(self) -> Decimal:
        return self.total_tax - self.shipping_tax - self.fees_tax


def fees_of(fee_lines: list[dict]) -> tuple[Decimal, Decimal]:
    """Sum and tax of the fees proper. A negative fee is how many plug-ins write a discount: it stays with the goods."""
    fees = taxes = ZERO
    for line in fee_lines:
        if (amount := _decimal(line.get("total"))) > 0:
            fees += amount
            taxes += _decimal(line.get("total_tax"))
    return fees, taxes


def _decimal(value) -> Decimal:
    try:
        number = Decimal(str(value or 0))
    except InvalidOperation:
        return ZERO
    return number if number.is_finite() else ZERO


def counted(rule: Rule, amounts: Amounts) -> Decimal:
    """The part of an order that counts, before exclusions."""
    with localcontext(PRECISE):
        return max(_goods(rule, amounts) + sum(_others(rule, amounts).values()), ZERO)


def _goods(rule, amounts):
    return amounts.goods + (amounts.goods_tax if rule.taxes else 0)


def _others(rule, amounts) -> dict[str, Decimal]:
    others = {}
    if rule.shipping:
        others[SHIPPING] = amounts.shipping + (amounts.shipping_tax if rule.taxes else 0)
    if rule.fees:
        others[FEES] = amounts.fees + (amounts.fees_tax if rule.taxes else 0)
    return {key: base for key, base in others.items() if base > 0}


def divide(rule: Rule, amounts: Amounts, lines: Iterable[Line]) -> list[Part]:
    """The parts of an order. Their bases add up to what counts of it.

    A negative line, and credit that only the total shows, lower every line by its share.
    """
    with localcontext(PRECISE):
        goods, others = _goods(rule, amounts), _others(rule, amounts)
        if goods < 0:
            # More was taken off than the goods cost: the rest of it was taken off shipping and fees.
            left = max(sum(others.values()) + goods, ZERO)
            others = dict(zip(others, _spread(left, list(others.values())), strict=True))
            goods = ZERO
        weights = {line.key: line.total + (line.tax if rule.taxes else 0) for line in lines if line.total > 0}
        if not weights:
            weights = {GOODS: ONE} if goods else {}
        bases = dict(zip(weights, _spread(goods, list(weights.values())), strict=True)) | others
        return [Part(key, base) for key, base in bases.items()]


def _spread(total: Decimal, weights: Sequence[Decimal]) -> list[Decimal]:
    """`total` in shares as the weights are; the weights themselves where they add up to it."""
    whole = sum(weights, ZERO)
    if whole == total or not whole:
        return list(weights)
    shares = [(total * weight / whole).quantize(SHARE) for weight in weights]
    # What rounding left over goes to the greatest, where it is the least of it.
    greatest = max(range(len(shares)), key=shares.__getitem__)
    shares[greatest] += total - sum(shares, ZERO)
    return shares


def worth(
    rule: Rule,
    amounts: Amounts,
    parts: Sequence[Part],
    rates: Mapping[str, Rate],
    refunds: Sequence[Refunded] = (),
    *,
    bonuses: Sequence[Bonus] = (),
    void: bool = False,
) -> list[LinePoints]:
    """The points of each part of an order that was refunded so far, or came to nothing at all (`void`).

    A part that `rates` doesn't name earns the programme's rate. A part that is excluded counts nothing.
    """
    rates = {part.key: rates.get(part.key) or Rate(rule.rate) for part in parts}
    bases = {part.key: ZERO if rates[part.key].excluded else part.base for part in parts}
    if 0 < sum(bases.values()) < rule.minimum:
        rates = {key: Rate(by.rate, excluded=by.excluded or "minimum") for key, by in rates.items()}
        bases = dict.fromkeys(bases, ZERO)
    bonuses = [bonus for bonus in bonuses if any(bases.get(key) for key in bonus.of)]
    back = bases if void else given_back(rule, amounts, parts, bases, refunds)
    lines = [
        LinePoints(key, 0, 0, bases[key], back[key], rounding=rule.rounding, **vars(by)) for key, by in rates.items()
    ]
    for bonus in bonuses:
        base, gone = (sum((of[key] for key in bonus.of if key in of), ZERO) for of in (bases, back))
        lines.append(
            LinePoints(
                bonus.key, 0, 0, base, gone, ZERO, rule.rounding, campaign=bonus.campaign, bonus=bonus.points, of=bonus.of
            )
        )  # fmt: skip
    return reckon(rule, lines)


def reckon(rule: Rule, lines: Sequence[LinePoints]) -> list[LinePoints]:
    """The same lines with the points that follow from all that is kept of them. Anyone can work out again what an entry says."""
    exact = [
        Fraction(line.bonus) if line.bonus else Fraction(line.base) * Fraction(line.rate) * Fraction(line.multiplier)
        for line in lines
    ]
    return [
        replace(line, earned=whole, points=_left(line, whole, number))
        for line, (whole, number) in zip(lines, _dealt(rule, exact), strict=True)
    ]


def rounded(exact: Fraction, rounding: str) -> int:
    """A whole number of points."""
    dust = round(exact * DUST)
    if rounding == "up":
        return -(-dust // DUST)
    return (2 * dust + DUST) // (2 * DUST) if rounding == "nearest" else dust // DUST


def _dealt(rule: Rule, exact: list[Fraction]) -> list[tuple[int, Fraction]]:
    """Whole points for each exact number of them, and that number, which a cap lowers."""
    if rule.by_line:
        points = [rounded(number, rule.rounding) for number in exact]
    else:
        points = deal(rounded(sum(exact, Fraction(0)), rule.rounding), exact)
    if rule.cap is not None and sum(points) > rule.cap:
        exact = [number * rule.cap / sum(exact) for number in exact]
        points = deal(rule.cap, exact)
    return list(zip(points, exact, strict=True))


def deal(total: int, exact: Sequence[Fraction]) -> list[int]:
    """`total` whole points to parts that are worth so much exactly; what is left over goes to the greatest remainders, the first first."""
    points = [number.numerator // number.denominator for number in exact]
    remainders = sorted(range(len(exact)), key=lambda place: points[place] - exact[place])
    for place in remainders[: total - sum(points)]:
        points[place] += 1
    return points


def _left(line: LinePoints, earned: int, exact: Fraction) -> int:
    if line.back >= line.base:
        return 0
    if not line.back:
        return earned
    # Worked out anew and rounded alike, but never more than there was.
    share = 1 - Fraction(line.back) / Fraction(line.base)
    return min(earned, rounded(exact * share, line.rounding))


def given_back(
    rule: Rule, amounts: Amounts, parts: Sequence[Part], bases: Mapping[str, Decimal], refunds: Sequence[Refunded]
) -> dict[str, Decimal]:
    """How much of each part's base was refunded, at most all of it.

    Where refunds name lines, these decide; what they pay beyond the lines was for shipping and fees, as far as the order has any, and
    for the goods else. A refund of a mere amount is a share of everything that was charged.
    """
    with localcontext(PRECISE):
        if refunds and sum(refund.amount for refund in refunds) >= amounts.total:
            return dict(bases)
        back = dict.fromkeys(bases, ZERO)
        goods = [part.key for part in parts if part.key not in (SHIPPING, FEES)]
        others = [key for key in bases if key not in goods]
        beyond = ZERO
        for refund in refunds:
            if refund.goods is None:
                _take(back, bases, bases, _share(refund.amount, amounts.total))
                continue
            # Less money than the lines are worth: the money decides.
            lines = refund.goods + refund.goods_tax
            paid = min(_share(refund.amount, lines), ONE) if lines else ZERO
            unknown = refund.goods + (refund.goods_tax if rule.taxes else 0)
            for key, (total, tax) in refund.lines.items():
                if key in bases:
                    amount = total + (tax if rule.taxes else 0)
                    unknown -= amount
                    back[key] += paid * amount if bases[key] else ZERO
            whole = sum((part.base for part in parts if part.key in goods), ZERO)
            _take(back, bases, goods, _share(paid * max(unknown, ZERO), whole))
            beyond += max(refund.amount - lines, ZERO)
        charged_else = amounts.shipping + amounts.shipping_tax + amounts.fees + amounts.fees_tax
        for_else = min(beyond, charged_else)
        _take(back, bases, others, _share(for_else, charged_else))
        _take(back, bases, goods, _share(beyond - for_else, amounts.goods + amounts.goods_tax))
        return {key: min(max(back[key], ZERO), base).quantize(SHARE) for key, base in bases.items()}


def _take(back, bases, keys, share):
    for key in keys:
        back[key] += bases[key] * share


def _share(part, whole):
    return part / whole if whole else ZERO


def plain(number: Decimal) -> str:
    """`12.5`, never `1.25E+1`, without zeros at the end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
