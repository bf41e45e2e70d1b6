"""What an order is worth in points: exact decimals in, whole points out, no queries.

Points are rounded once for each order, from what is left of it. A refund takes back the difference between what was posted and
what the rest is worth, so that partial refunds of all of an order add up to exactly what it earned.
"""

from dataclasses import asdict, dataclass, fields
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, InvalidOperation, localcontext

ROUNDING = {"down": ROUND_FLOOR, "nearest": ROUND_HALF_UP, "up": ROUND_CEILING}
# Enough for any amount a shop has ever written; the default of 28 digits is not.
PRECISE = Context(prec=100)
# Shares of a refund may be endless fractions; past this they must not lift a rounding up.
SHARE = Decimal("0.000001")


@dataclass(frozen=True)
class Rule:
    """Rate, rounding and what counts. Kept on each entry, so that a later change can't alter the past."""

    program: int
    rate: Decimal
    rounding: str
    shipping: bool = False
    taxes: bool = False
    fees: bool = False

    @classmethod
    def load(cls, kept: dict) -> "Rule":
        """From the snapshot on a ledger entry, which holds more than the rule."""
        return cls(**{field.name: kept[field.name] for field in fields(cls)} | {"rate": Decimal(kept["rate"])})

    def dump(self) -> dict:
        return asdict(self) | {"rate": plain(self.rate)}

    def points(self, base: Decimal) -> int:
        with localcontext(PRECISE):
            return int((base * self.rate).quantize(Decimal(1), ROUNDING[self.rounding]))


@dataclass(frozen=True)
class Refunded:
    """One refund. `goods` and `goods_tax` are what its lines say; `goods` is None if it names no lines."""

    amount: Decimal
    goods: Decimal | None = None
    goods_tax: Decimal = Decimal(0)


@dataclass(frozen=True)
class Amounts:
    """What was charged for an order. Discounts are taken off the goods already."""

    total: Decimal
    total_tax: Decimal = Decimal(0)
    shipping: Decimal = Decimal(0)
    shipping_tax: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    fees_tax: Decimal = Decimal(0)

    @property
    def goods(self) -> Decimal:
        # From the total and not from the lines: store credit, which some plug-ins take off the total only, earns nothing.
        return self.total - self.total_tax - self.shipping - self.fees

    @property
    def goods_tax(self) -> Decimal:
        return self.total_tax - self.shipping_tax - self.fees_tax


def fees_of(fee_lines: list[dict]) -> tuple[Decimal, Decimal]:
    """Sum and tax of the fees proper. A negative fee is how many plug-ins write a discount: it stays with the goods."""
    fees = taxes = Decimal(0)
    for line in fee_lines:
        if (amount := _decimal(line.get("total"))) > 0:
            fees += amount
            taxes += _decimal(line.get("total_tax"))
    return fees, taxes


def _decimal(value) -> Decimal:
    try:
        number = Decimal(str(value or 0))
    except InvalidOperation:
        return Decimal(0)
    return number if number.is_finite() else Decimal(0)


def counted(rule: Rule, amounts: Amounts) -> Decimal:
    """The part of an order that earns points."""
    with localcontext(PRECISE):
        return max(_goods(rule, amounts) + _others(rule, amounts), Decimal(0))


def _goods(rule, amounts):
    return amounts.goods + (amounts.goods_tax if rule.taxes else 0)


def _others(rule, amounts):
    others = Decimal(0)
    if rule.shipping:
        others += amounts.shipping + (amounts.shipping_tax if rule.taxes else 0)
    if rule.fees:
        others += amounts.fees + (amounts.fees_tax if rule.taxes else 0)
    return others


def given_back(rule: Rule, amounts: Amounts, refunds: list[Refunded]) -> Decimal:
    """How much of what counted was refunded, at most all of it.

    Where refunds name lines, these decide; what they pay beyond the lines was for shipping and fees, as far as the order has any, and
    for the goods else. A refund of a mere amount is a share of everything that was charged.
    """
    with localcontext(PRECISE):
        base = counted(rule, amounts)
        if sum(refund.amount for refund in refunds) >= amounts.total:
            return base
        back = beyond = Decimal(0)
        for refund in refunds:
            if refund.goods is None:
                back += base * _share(refund.amount, amounts.total)
                continue
            lines = refund.goods + refund.goods_tax
            # Less money than the lines are worth: the money decides.
            paid = min(_share(refund.amount, lines), Decimal(1)) if lines else Decimal(0)
            back += paid * (refund.goods + (refund.goods_tax if rule.taxes else 0))
            beyond += max(refund.amount - lines, Decimal(0))
        charged_else = amounts.shipping + amounts.shipping_tax + amounts.fees + amounts.fees_tax
        for_else = min(beyond, charged_else)
        back += _others(rule, amounts) * _share(for_else, charged_else)
        back += _goods(rule, amounts) * _share(beyond - for_else, amounts.goods + amounts.goods_tax)
        return min(max(back, Decimal(0)), base).quantize(SHARE)


def _share(part, whole):
    return part / whole if whole else Decimal(0)


def plain(number: Decimal) -> str:
    """`12.5`, never `1.25E+1`, without zeros at the end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
