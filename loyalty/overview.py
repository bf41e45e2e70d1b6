"""A programme on one page for its owner: what is on, and what customers see of it."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, Sum
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.stores import formats

from . import explaining
from .models import (
    Account,
    Campaign,
    EarningRule,
    Member,
    Occasion,
    Program,
    ReferralTerms,
    Reward,
    Tier,
)


@dataclass
class Fact:
    """A line of the overview: what it is about, what is so, and the page (in admin) where it is changed."""

    label: str
    says: str
    page: str = ""


def facts(program: Program, at: datetime) -> list[Fact]:
    """What is on at `at`, the programme's state first. A constant number of statements."""
    store = program.store
    return [
        Fact(_("State"), _state(program)),
        *_unprotected(program),
        _accounts(program),
        Fact(_("Orders earn"), explaining.rate(program.rate, store.currency)),
        _count(EarningRule.objects.for_store(store).filter(active=True), _("Other rates"), "loyalty_earningrule"),
        _count(_running(store, at), _("Campaigns running"), "loyalty_campaign"),
        _count(Occasion.objects.filter(store=store, active=True), _("Other ways to earn"), "loyalty_occasion"),
        _count(Reward.objects.for_store(store).offered(at), _("Rewards offered"), "loyalty_reward"),
        _terms(program),
    ]


def _state(program) -> str:
    if not program.active:
        return _("Paused: nothing is earned and no rewards are taken. Points stay; refunds still take points back.")
    return _("On: orders paid since %(day)s earn points.") % {
        "day": formats.day(program.starts_at, program.store.timezone)
    }


def _unprotected(program) -> list[Fact]:
    """A line for each protection that is off."""
    facts = []
    if not (program.pending_days or program.negative_balance):
        said = _(
            "Off: points can be spent at once. What was spent by then is not taken back when the order is sent back."
            " Set days until points can be spent, or let balances go below zero."
        )
        facts.append(Fact(_("Protection against returns"), said))
    if program.adjust_limit is None:
        said = _("Off: one owner, or one key, can give any number of points. Above a limit another owner is asked.")
        facts.append(Fact(_("Protection of adjustments"), said))
    return facts


def _accounts(program) -> Fact:
    found = (
        Account.objects.for_store(program.store)
        .points()
        .aggregate(
            points=Sum("balance", filter=Q(balance__gt=0), default=0), holders=Count("pk", filter=Q(balance__gt=0))
        )
    )
    members = Member.objects.for_store(program.store).current().count()
    said = _("Joined: %(members)s; with points to spend: %(holders)s; points: %(points)s") % {
        name: formats.number(value) for name, value in (found | {"members": members}).items()
    }
    return Fact(_("Members"), said, reverse("admin:loyalty_programliability_change", args=[program.pk]))


def _running(store, at):
    begun = Q(starts_at=None) | Q(starts_at__lte=at)
    return Campaign.objects.for_store(store).filter(begun, Q(ends_at=None) | Q(ends_at__gt=at), active=True)


def _count(rows, label, page) -> Fact:
    count = rows.count()
    return Fact(label, formats.number(count) if count else _("none"), reverse(f"admin:{page}_changelist"))


def _terms(program) -> Fact:
    """Who takes part, tiers, invitations and expiry: what the page of the membership has."""
    tiers = Tier.objects.filter(program=program).count()
    said = [program.get_enrolment_display()]
    said.append(ngettext("%(count)s tier", "%(count)s tiers", tiers) % {"count": tiers} if tiers else _("no tiers"))
    invites = ReferralTerms.objects.filter(program=program, active=True).exists()
    said.append(_("friends can be invited") if invites else _("no invitations"))
    said.append(_expiry(program))
    page = reverse("admin:loyalty_membershipterms_change", args=[program.pk])
    return Fact(_("Membership"), "; ".join(said), page)


def _expiry(program) -> str:
    months = ngettext("%(count)s month", "%(count)s months", program.expiry_months) % {"count": program.expiry_months}
    said = {
        Program.Expiry.NEVER: _("points do not expire"),
        Program.Expiry.LOT: _("each earning expires after %(months)s"),
        Program.Expiry.INACTIVITY: _("all points expire after %(months)s without earning or spending"),
    }
    return said[Program.Expiry(program.expiry)] % {"months": months}


def pages(program: Program) -> list[tuple[str, str]]:
    """What customers see: (name, address) of each page."""
    slug = program.store.slug
    return [
        (_("What everybody can read of it"), reverse("loyalty-about", args=[slug])),
        (_("Points in the portal"), reverse("loyalty-points", args=[slug])),
        (_("Rewards in the portal"), reverse("loyalty-rewards", args=[slug])),
    ]
