"""Which rule decides for what: the versions of a store's rules, and for any moment the one that wins.

A variation's rule beats its product's, that beats a category's, and that the programme's rate. Of several categories the one nearest to the
product decides, and among those as near the highest rate. Of several multipliers the highest counts.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from zoneinfo import ZoneInfo

from django.db.models import Q

from crm.orders.models import Category
from crm.stores.models import Store

from .models import RuleVersion
from .rules import ONE, ZERO, Bonus, Part, Rate, Rule

VARIATION, PRODUCT, CATEGORY, PROGRAM = "variation", "product", "category", "program"
Of = RuleVersion.Of


@dataclass(frozen=True)
class Sold:
    """What a line was: the product's key (a variation's own) and its parent's, its categories, and whether it earns at all."""

    product: int | None = None
    parent: int | None = None
    categories: tuple[int, ...] = ()
    on_sale: bool = False
    gift_card: bool = False


@dataclass(frozen=True)
class Step:
    """A rule that fits a product, at its place in the order of precedence. `rule` is its version; none for the programme."""

    level: str
    rate: Decimal
    rule: int | None = None
    object_id: int | None = None
    # How many categories above the product's own.
    distance: int = 0


@dataclass(frozen=True)
class Terms:
    """Everything that decides over one order: the programme's rule, a rate for each part, and extra points."""

    rule: Rule
    rates: dict[str, Rate]
    bonuses: list[Bonus]


class Rulebook:
    """A store's rules as they were from `since` on. No queries once it is loaded."""

    def __init__(self, store: Store, versions: Iterable[RuleVersion], parents: Mapping[int, int | None] | None = None):
        self.zone = ZoneInfo(store.timezone)
        self.parents = parents or {}
        self.versions: dict[str, list[RuleVersion]] = {of: [] for of in Of.values}
        for version in versions:
            self.versions[version.of].append(version)

    @classmethod
    def load(cls, store: Store, since: datetime, *, with_tree: bool = False) -> "Rulebook":
        """Two queries, however many orders are asked about. `with_tree`: a draft may be for categories where no rule is yet."""
        wanted = RuleVersion.objects.for_store(store).exclude(of=Of.OCCASION)
        versions = list(wanted.filter(Q(valid_until=None) | Q(valid_until__gt=since)).order_by("valid_from", "pk"))
        parents = _parents(store) if with_tree or any(map(_by_category, versions)) else {}
        return cls(store, versions, parents)

    def with_draft(self, of: str, object_id: int | None, content: dict) -> "Rulebook":
        """The book if this rule, campaign or programme were as `content` says, and always had been.

        A rule takes the place of the one that there is for the same thing.
        """
        book = Rulebook.__new__(Rulebook)
        book.zone, book.parents = self.zone, self.parents
        beginning = datetime.min.replace(tzinfo=ZoneInfo("UTC"))
        # 0 is the key of no version.
        draft = RuleVersion(pk=0, of=of, object_id=object_id or 0, content=content, valid_from=beginning)
        others = [
            version
            for version in self.versions[of]
            if of != Of.PROGRAM
            and version.object_id != object_id
            and not (of == Of.RULE and _thing(version.content) == _thing(content))
        ]
        book.versions = self.versions | {of: [*others, draft]}
        return book

    @cached_property
    def excludes_gift_cards(self) -> bool:
        return any(version.content["excludes_gift_cards"] for version in self.versions[Of.PROGRAM])

    @cached_property
    def needs_categories(self) -> bool:
        return any(_by_category(version) for of in (Of.RULE, Of.CAMPAIGN) for version in self.versions[of])

    @cached_property
    def asks_for_tiers(self) -> bool:
        return any(version.content["tiers"] for version in self.versions[Of.CAMPAIGN])

    def program(self, at: datetime) -> Rule:
        """The programme's terms at a moment; the first it ever had for any before."""
        return _rule(self._program(at))

    def _program(self, at):
        versions = self.versions[Of.PROGRAM]
        return next((version for version in reversed(versions) if version.valid_from <= at), versions[0])

    def valid(self, of: str, at: datetime) -> list[RuleVersion]:
        return [version for version in self.versions[of] if _is_valid(version, at)]

    @cached_property
    def _rules(self) -> dict[tuple[str, int], list[RuleVersion]]:
        """The rules by what they are for: a shop may have thousands."""
        rules: dict[tuple[str, int], list[RuleVersion]] = defaultdict(list)
        for version in self.versions[Of.RULE]:
            for thing in ("product_id", "category_id"):
                if key := version.content[thing]:
                    rules[thing, key].append(version)
        return rules

    def steps(self, sold: Sold, at: datetime) -> list[Step]:
        """Every rule that fits, the winner first; the programme's rate last."""
        above = self.above(sold.categories)
        found = []
        looked_for = [
            *(((VARIATION, 0, ("product_id", sold.product)),) if sold.parent else ()),
            (PRODUCT, 0, ("product_id", sold.parent or sold.product)),
            *((CATEGORY, distance, ("category_id", category)) for category, distance in above.items()),
        ]
        for level, distance, thing in looked_for:
            for version in self._rules.get(thing, ()):
                if _is_valid(version, at):
                    rate = Decimal(version.content["rate"])
                    found.append(Step(level, rate, version.pk, version.object_id, distance))
        order = [VARIATION, PRODUCT, CATEGORY]
        found.sort(key=lambda step: (order.index(step.level), step.distance, -step.rate, step.object_id))
        return [*found, Step(PROGRAM, self.program(at).rate)]

    def category_of(self, rule: int | None) -> int | None:
        """The category that a rule's version is for."""
        return next((v.content["category_id"] for v in self.versions[Of.RULE] if v.pk == rule), None)

    def campaigns(self, placed: datetime, tier: str = "", *, at: datetime | None = None) -> list[RuleVersion]:
        """Those that run at a moment for members of a tier."""
        day = placed.astimezone(self.zone).weekday()
        return [
            version
            for version in self.valid(Of.CAMPAIGN, at or placed)
            if (not version.content["weekdays"] or day in version.content["weekdays"])
            and (not version.content["tiers"] or tier in version.content["tiers"])
            and _runs(version.content, placed)
        ]

    def fits(self, campaign: RuleVersion, sold: Sold | None) -> bool:
        """Whether a campaign is for this; without limits it is for shipping and fees, too."""
        products, categories = campaign.content["product_ids"], campaign.content["category_ids"]
        if not products and not categories:
            return True
        if sold is None:
            return False
        return sold.product in products or sold.parent in products or not self.above(sold.categories).keys().isdisjoint(
            categories
        )  # fmt: skip

    def terms(
        self,
        parts: Sequence[Part],
        sold: Mapping[str, Sold],
        placed: datetime,
        *,
        at: datetime | None = None,
        tier: str = "",
    ) -> Terms:
        """What each part of an order earns by that was placed at a moment, by the rules of that moment or of another (`at`).

        A part that is not in `sold` earns the programme's rate.
        """
        at = at or placed
        rule = self.program(at)
        program = self._program(at).content
        rates = {part.key: self._rate(sold.get(part.key), at, program) for part in parts}
        counts = sum((part.base for part in parts if not rates[part.key].excluded), ZERO)
        running = [
            campaign
            for campaign in self.campaigns(placed, tier, at=at)
            if counts >= Decimal(campaign.content["minimum_spend"])
        ]
        bonuses = []
        for campaign in running:
            of = tuple(key for key, rate in rates.items() if not rate.excluded and self.fits(campaign, sold.get(key)))
            if campaign.content["bonus"] and of:
                bonuses.append(Bonus(campaign.pk, campaign.content["bonus"], of))
        for key, rate in rates.items():
            if not rate.excluded:
                fitting = [campaign for campaign in running if self.fits(campaign, sold.get(key))]
                rates[key] = _multiplied(rate, fitting, program["stacks_multipliers"])
        return Terms(rule, rates, bonuses)

    def _rate(self, sold, at, program) -> Rate:
        if sold is None:
            return Rate(Decimal(program["rate"]))
        winner = self.steps(sold, at)[0]
        why = ""
        if sold.gift_card and program["excludes_gift_cards"]:
            why = "gift_card"
        elif sold.on_sale and program["excludes_sale"]:
            why = "sale"
        elif not winner.rate:
            why = "rule"
        return Rate(winner.rate, rule=winner.rule, excluded=why)

    def above(self, categories: Iterable[int]) -> dict[int, int]:
        """These categories and those above them, with their distance."""
        found: dict[int, int] = {}
        for start in categories:
            category: int | None = start
            distance = 0
            # A shop's tree may be a circle.
            while category is not None and found.get(category, distance + 1) > distance:
                found[category] = distance
                category, distance = self.parents.get(category), distance + 1
        return found


def _is_valid(version: RuleVersion, at: datetime) -> bool:
    return (
        version.valid_from <= at
        and (version.valid_until is None or at < version.valid_until)
        and version.content["active"]
    )


def _multiplied(rate: Rate, campaigns: list[RuleVersion], stacks: bool) -> Rate:
    raising = [c for c in campaigns if Decimal(c.content["multiplier"]) > 1]
    if not raising:
        return rate
    best = max(raising, key=_multiplier)
    multiplier = _multiplier(best)
    if stacks:
        # A tier's and a campaign's; two campaigns never multiply each other.
        for_tier = max((_multiplier(c) for c in raising if c.content["tiers"]), default=ONE)
        for_all = max((_multiplier(c) for c in raising if not c.content["tiers"]), default=ONE)
        multiplier = for_tier * for_all
    return replace(rate, multiplier=multiplier, campaign=best.pk)


def _multiplier(campaign: RuleVersion) -> Decimal:
    return Decimal(campaign.content["multiplier"])


def _runs(content, at) -> bool:
    starts, ends = (content[name] and datetime.fromisoformat(content[name]) for name in ("starts_at", "ends_at"))
    return (starts is None or starts <= at) and (ends is None or at < ends)


def _rule(version: RuleVersion) -> Rule:
    content = version.content
    return Rule(
        program=version.object_id,
        rate=Decimal(content["rate"]),
        rounding=content["rounding"],
        shipping=content["counts_shipping"],
        taxes=content["counts_taxes"],
        fees=content["counts_fees"],
        by_line=content["rounds_lines"],
        minimum=Decimal(content["minimum_spend"]),
        cap=content["cap_order"],
        version=version.pk,
    )


def _thing(content) -> tuple[int | None, int | None]:
    return content["product_id"], content["category_id"]


def _by_category(version) -> bool:
    return bool(version.content.get("category_id") or version.content.get("category_ids"))


def _parents(store) -> dict[int, int | None]:
    """The key of each category's parent."""
    rows = list(Category.objects.for_store(store).values_list("pk", "woo_id", "parent_woo_id"))
    keys = {woo_id: pk for pk, woo_id, _parent in rows}
    return {pk: keys.get(parent) for pk, _woo_id, parent in rows}
