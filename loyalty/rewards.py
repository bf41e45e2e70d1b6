"""What points buy: the catalogue as a customer sees it."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from babel.numbers import get_currency_precision
from django.db.models import BigIntegerField, Count, DecimalField, Q, Sum
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, TruncMonth
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from crm.stores.formats import money, number
from crm.stores.models import Store

from . import coupon_limits
from .models import Account, Redemption, Reward, Tier

State = Redemption.State
NEAREST = ("ready", "missing", "tier", "limit", "sold_out")


@dataclass
class Offer:
    """A reward beside somebody's balance.

    `state` is `ready`, `missing` (so many points), `sold_out`, `limit` (had as many as one may) or `tier` (for members of a higher one).
    """

    reward: Reward
    state: str
    missing: int = 0
    # Where the customer chooses: the most points that can be spent on it now.
    most: int = 0

    @property
    def conditions(self) -> list[str]:
        return conditions(self.reward.terms) + limits(self.reward)


class BadChoice(Exception):
    """So many points can't be spent on it; the message says which can."""


def agreed(reward: Reward, points: int | None = None) -> dict:
    """The terms that a redemption is made at. Where the customer chooses the points, it is money off of so much. Raises BadChoice."""
    terms = {name: value for name, value in reward.terms.items() if name not in ("fewest", "most", "step")}
    if reward.kind != Reward.Kind.EXCHANGE:
        if points not in (None, reward.points):
            raise BadChoice(_("This reward costs %(points)s points.") % {"points": number(reward.points)})
        return terms
    step, fewest, most = reward.steps, reward.cheapest, reward.most
    if points is None or points < fewest or points > (most or points) or (points - fewest) % step:
        said = {"fewest": number(fewest), "step": number(step)}
        if most:
            text = _("Choose between %(fewest)s and %(most)s points, in steps of %(step)s.")
            raise BadChoice(text % (said | {"most": number(most)}))
        raise BadChoice(_("Choose %(fewest)s points or more, in steps of %(step)s.") % said)
    smallest = Decimal(1).scaleb(-get_currency_precision(reward.store.currency))
    amount = (Decimal(reward.amount or 0) * points / reward.points).quantize(smallest, "ROUND_DOWN")
    return terms | {"kind": Reward.Kind.MONEY, "amount": f"{amount.normalize():f}", "points": points}


def words(terms: dict) -> str:
    """`₹500.00 off`, from a reward's terms."""
    if name := terms.get("names", {}).get(get_language()) or terms.get("name"):
        return name
    if terms["kind"] in ("credit", Reward.Kind.STORE_CREDIT):
        return _("Store credit: %(money)s") % {"money": money(terms["amount"], terms["currency"])}
    if terms["kind"] == Reward.Kind.GIFT_CARD:
        return _("Gift card: %(money)s") % {"money": money(terms["amount"], terms["currency"])}
    if terms["kind"] == Reward.Kind.PRODUCT:
        return _("%(product)s for free") % {"product": terms["product_name"]}
    if terms["kind"] == Reward.Kind.SHIPPING:
        return _("Free shipping")
    if terms["kind"] == Reward.Kind.PERCENT:
        return _("%(percent)s%% off") % {"percent": terms["amount"]}
    if terms["kind"] == Reward.Kind.EXCHANGE:
        return _("%(money)s off for each %(points)s points") % {
            "money": money(terms["amount"], terms["currency"]),
            "points": number(terms["points"]),
        }
    return _("%(money)s off") % {"money": money(terms["amount"], terms["currency"])}


def conditions(terms: dict) -> list[str]:
    """What else is to know of a code, in sentences."""
    said = []
    if terms["kind"] == "credit":
        return [
            _("What an order does not use of it comes back to your credit, and so does a code that expires unused.")
        ]
    if terms["kind"] == Reward.Kind.STORE_CREDIT:
        return [
            _("It is there at once and does not expire."),
            _("You can hand it back while none of it is spent."),
        ]
    if terms["kind"] == Reward.Kind.DONATION:
        return [_("You give the points away: they do not come back.")]
    if terms["kind"] == Reward.Kind.ACCESS:
        if terms["valid_days"]:
            said.append(_("It lasts %(days)s days.") % {"days": number(terms["valid_days"])})
        return said
    if terms["kind"] == Reward.Kind.GIFT_CARD:
        said.append(
            _("The code works once: what an order does not use of it comes back as a new code.")
            if terms.get("keeps_rest")
            else _("The code works once: what an order does not use of it is lost.")
        )
    said += coupon_limits.sentences(terms)
    if terms["individual_use"]:
        said.append(_("Not together with other codes."))
    if terms["valid_days"]:
        said.append(_("The code is valid for %(days)s days.") % {"days": number(terms["valid_days"])})
        if terms.get("returns_expired"):
            said.append(_("If it expires unused, your points come back."))
    return said


def on_refund(terms: dict) -> str:
    """What comes back when an order that a code was used in is refunded, in a sentence; empty where there is nothing to say."""
    if terms["kind"] in ("credit", *Reward.CODELESS):
        return ""
    if not terms.get("returns_refunded"):
        return _("If an order is refunded that was paid with it, nothing comes back.")
    if terms["kind"] == Reward.Kind.GIFT_CARD:
        return _("If an order is refunded that was paid with it, that part comes back as a new code.")
    if terms["kind"] == Reward.Kind.SHIPPING:
        return _("If all of an order is refunded that was paid with it, your points come back.")
    return _(
        "If goods that it made cheaper are refunded, that part of your points comes back; with the whole order, all of them."
    )


def limits(reward: Reward) -> list[str]:
    """How often it can be had, in sentences. Not of what was taken already."""
    said = []
    if many := reward.per_customer:
        said.append(
            ngettext("Once for each customer.", "Up to %(count)s times for each customer.", many)
            % {"count": number(many)}
        )
    if many := reward.per_year:
        said.append(ngettext("Once a year.", "Up to %(count)s times a year.", many) % {"count": number(many)})
    if many := reward.stock:
        said.append(ngettext("Only %(count)s left.", "Only %(count)s left.", many) % {"count": number(many)})
    return said


def version(reward: Reward) -> str:
    """Changes with the price and with whatever one gets for it."""
    return hashlib.sha256(json.dumps(reward.terms, sort_keys=True).encode()).hexdigest()[:16]


def offers(store: Store, account: Account | None, at: datetime) -> list[Offer]:
    """The rewards of today as they stand to this account, in the shop's order. Two queries, and a third if tiers matter."""
    rewards = list(
        Reward.objects.for_store(store)
        .offered(at)
        .select_related("tier", "product__parent")
        .order_by("position", "points", "pk")
    )
    had = taken(account) if account else []
    reached = _threshold(store, account) if account and any(reward.tier for reward in rewards) else -1
    balance = account.balance if account else 0
    offers = []
    for reward in rewards:
        reward.store = store  # spares a query for each
        offers.append(_offer(reward, balance, reached, is_used_up(reward, had, at)))
    return offers


def by_reach(offers: Iterable[Offer]) -> list[Offer]:
    """What can be had now first, then what points are missing for; among these in the shop's order."""
    return sorted(offers, key=lambda offer: NEAREST.index(offer.state))


def nearest(offers: Iterable[Offer]) -> Offer | None:
    """What the fewest points are missing for."""
    return min((offer for offer in offers if offer.state == "missing"), key=lambda offer: offer.missing, default=None)


def taken(account: Account) -> list[tuple[int, datetime]]:
    """What counts towards a limit, as (reward's key, when): also what was taken as a guest; not what came to nothing."""
    theirs = Q(account__customer=account.customer_id) | Q(account__customer__joined_to=account.customer_id)
    rows = Redemption.objects.filter(theirs, store=account.store_id)
    return list(rows.exclude(state__in=[State.FAILED, State.RETURNED]).values_list("reward", "created_at"))


def is_used_up(reward: Reward, had: list[tuple[int, datetime]], at: datetime) -> bool:
    """Whether somebody who took this has had the reward as often as one may, in all or in this year of the store's calendar."""
    zone = reward.store.zone
    years = [when.astimezone(zone).year for reward_id, when in had if reward_id == reward.pk]
    this_year = years.count(at.astimezone(zone).year)
    return bool(
        reward.per_customer and len(years) >= reward.per_customer or reward.per_year and this_year >= reward.per_year
    )


def monthly(reward: Reward, months: int = 24) -> list[tuple[datetime, int, int, Decimal]]:
    """What was taken of it by month of the store's calendar, the newest first: how often, for how many points, and worth how much money."""
    rows = reward.redemptions.exclude(state__in=[State.FAILED, State.RETURNED])
    amount = Cast(KeyTextTransform("amount", "terms"), DecimalField(max_digits=20, decimal_places=4))
    by_month = (
        rows.annotate(month=TruncMonth("created_at", tzinfo=reward.store.zone)).values("month").order_by("-month")
    )
    points = Cast(KeyTextTransform("points", "terms"), BigIntegerField())
    sums = by_month.annotate(count=Count("pk"), spent=Sum(points), worth=Sum(amount))
    return [(row["month"], row["count"], row["spent"], row["worth"] or Decimal()) for row in sums[:months]]


def reaches(account: Account, tier: Tier) -> bool:
    """Whether the account's tier is this one or a higher one."""
    higher = Tier.objects.filter(program=tier.program_id, threshold__gte=tier.threshold)
    return bool(account.tier) and higher.filter(key=account.tier).exists()


def _threshold(store, account):
    """Of the tier that the account is in; below all of them for none."""
    found = Tier.objects.for_store(store).filter(key=account.tier).values_list("threshold", flat=True).first()
    return -1 if found is None else found


def _offer(reward, balance, reached, is_used_up):
    if reward.stock == 0:
        return Offer(reward, "sold_out")
    if reward.tier and reached < reward.tier.threshold:
        return Offer(reward, "tier")
    if is_used_up:
        return Offer(reward, "limit")
    if balance < reward.cheapest:
        return Offer(reward, "missing", reward.cheapest - balance)
    steps = (min(balance, reward.most or balance) - reward.cheapest) // reward.steps
    return Offer(reward, "ready", most=reward.cheapest + steps * reward.steps)
