"""Ways to earn points, as customers read them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from crm.stores.formats import moment, money, number, weekday

from . import explaining, occasions
from .models import Campaign, EarningRule, Occasion, Program

# A list that nobody reads to its end tells nobody anything.
MOST = 10
SAID: dict[str, Promise] = {
    Occasion.Kind.SIGN_UP: gettext_lazy("Join"),
    Occasion.Kind.REVIEW: gettext_lazy("Write a review of what you bought"),
    Occasion.Kind.SURVEY: gettext_lazy("Answer our questions about an order"),
    Occasion.Kind.PROFILE: gettext_lazy("Complete your profile"),
    Occasion.Kind.BIRTHDAY: gettext_lazy("Have your birthday"),
    Occasion.Kind.SOCIAL_SHARE: gettext_lazy("Tell others about us"),
}


@dataclass
class Way:
    """What one does, what it gives, and within which limits, if there are any; for a member also where, and how it stands."""

    what: str
    gives: str
    limit: str = ""
    # Where one does it.
    url: str = ""
    # Of what is done, or can't be done for now: in words.
    done: str = ""
    # It takes a minute, no order and no friend.
    is_quick: bool = False


def of(program: Program, at: datetime, tiers: Collection[str] = ()) -> list[Way]:
    """What earns points at a moment for somebody who takes part, in these tiers; nothing while the programme is paused. Three queries."""
    if not program.active:
        return []
    return [*buying(program, at, tiers), *_occasions(program)]


def buying(program: Program, at: datetime, tiers: Collection[str] = ()) -> list[Way]:
    """What orders earn at a moment. Two queries."""
    orders = Way(
        _("Every order"), explaining.rate(program.rate, program.store.currency), _limits(program), program.store.url
    )
    return [orders, *_rules(program), *_campaigns(program, at, tiers)]


def _limits(program) -> str:
    said = []
    if program.minimum_spend:
        said.append(_("from %(money)s") % {"money": money(program.minimum_spend, program.store.currency)})
    if program.excludes_sale:
        said.append(str(explaining.EXCLUDED["sale"]))
    if program.cap_order:
        said.append(_("at most %(points)s points for an order") % {"points": number(program.cap_order)})
    if program.cap_day:
        said.append(_("at most %(points)s points a day") % {"points": number(program.cap_day)})
    if program.cap_month:
        said.append(_("at most %(points)s points a month") % {"points": number(program.cap_month)})
    return "; ".join(said)


def _rules(program) -> list[Way]:
    rules = EarningRule.objects.for_store(program.store_id).filter(active=True, rate__gt=program.rate)
    rules = rules.select_related("product__parent", "category").order_by("-rate", "pk")[:MOST]
    return [
        Way(
            explaining.thing(rule),
            explaining.rate(rule.rate, program.store.currency),
            url=rule.product.page if rule.product else "",
        )
        for rule in rules
    ]


def _campaigns(program, at, tiers) -> list[Way]:
    running = Campaign.objects.for_store(program.store_id).filter(Q(ends_at=None) | Q(ends_at__gt=at), active=True)
    running = running.filter(Q(starts_at=None) | Q(starts_at__lte=at))
    running = running.filter(Q(tiers=[]) | Q(tiers__overlap=list(tiers)))
    return [_campaign(campaign, program) for campaign in running.order_by("-multiplier", "-bonus", "pk")[:MOST]]


def _campaign(campaign, program) -> Way:
    said = []
    if campaign.weekdays:
        days = [weekday(day) for day in sorted(campaign.weekdays)]
        said.append(", ".join(days))
    if campaign.minimum_spend:
        said.append(_("from %(money)s") % {"money": money(campaign.minimum_spend, program.store.currency)})
    if campaign.product_ids or campaign.category_ids:
        said.append(_("for chosen goods"))
    if campaign.ends_at:
        said.append(_("until %(moment)s") % {"moment": moment(campaign.ends_at, program.store.timezone)})
    return Way(campaign.name, explaining.gift(campaign.multiplier, campaign.bonus), "; ".join(said))


def _occasions(program) -> list[Way]:
    return [
        _sign_up(program, occasion)
        if occasion.kind == Occasion.Kind.SIGN_UP
        else Way(str(SAID[occasion.kind]), explaining.points(occasion.points), times(occasion.per_month))
        for occasion in occasions.active(program.store)
        if occasion.kind in SAID
    ]


def _sign_up(program, occasion) -> Way:
    # Where every customer takes part, nobody can join.
    automatic = program.enrolment == Program.Enrolment.AUTOMATIC
    what = _("Your first order") if automatic else str(SAID[occasion.kind])
    return Way(what, explaining.points(occasion.points), _("once, with your first paid order"))


def times(per_month: int | None) -> str:
    if per_month is None:
        return ""
    return ngettext("at most %(times)s time a month", "at most %(times)s times a month", per_month) % {
        "times": number(per_month)
    }
