"""Ways to earn points as they stand to one member: what is open with the page where one does it, and what is done."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext as _

from crm.orders.models import Customer
from crm.reviews import invitations
from crm.stores import formats

from . import birthdays, days, explaining, occasions, profiles, referrals, sharing, sign_ups, ways
from .models import Birthday, LedgerEntry, Occasion, Program
from .ways import Way

Kind = Occasion.Kind
# More than three reminders are a reproach.
MOST_ITEMS = 3
# What is given once, and the key by which `occasions` knows it.
ONCE = {Kind.SIGN_UP: sign_ups.KEY, Kind.PROFILE: profiles.KEY, Kind.SOCIAL_SHARE: sharing.KEY}


@dataclass
class _Person:
    program: Program
    customer: Customer
    customers: list[Customer]
    accounts: list[int]
    at: datetime

    @property
    def page(self) -> str:
        return reverse("loyalty-membership", args=[self.program.store.slug])


def of(
    program: Program,
    customer: Customer,
    customers: Iterable[Customer],
    accounts: list[int],
    tiers: Collection[str],
    at: datetime,
) -> list[Way]:
    """What is open first, then what is done; nothing while the programme is paused. A constant number of queries.

    `customers` and `accounts` are all of the person's, `customer` the one whose profile counts.
    """
    if not program.active:
        return []
    person = _Person(program, customer, list(customers), accounts, at)
    found = [*ways.buying(program, at, tiers), *_friends(person), *_occasions(person)]
    return sorted(found, key=lambda way: bool(way.done))


def nearest(ways: Iterable[Way]) -> Way | None:
    """What one can do at once, and here: an order or a friend takes longer."""
    return next((way for way in ways if way.is_quick and not way.done), None)


def _friends(person) -> Iterator[Way]:
    terms = referrals.terms_of(person.program.store)
    if terms is None:
        return
    most = _("at most %(times)s friends a year") % {"times": formats.number(terms.yearly_cap)}
    way = Way(_("Invite a friend"), explaining.points(terms.member_points), most, f"{person.page}#friends")
    if referrals.rewarded_this_year(terms, person.customers, person.at) >= terms.yearly_cap:
        way.done = _("This year's limit is reached")
    yield way


def _occasions(person) -> Iterator[Way]:
    worth = {occasion.kind: occasion for occasion in occasions.active(person.program.store)}
    had = _had_once(person, worth)
    if worth.keys() & {Kind.REVIEW, Kind.SURVEY}:
        yield from _opinions(person, worth)
    if occasion := worth.get(Kind.PROFILE):
        yield _profile(person, occasion, Kind.PROFILE in had)
    if occasion := worth.get(Kind.BIRTHDAY):
        yield _birthday(person, occasion)
    if occasion := worth.get(Kind.SOCIAL_SHARE):
        done = _("Done") if Kind.SOCIAL_SHARE in had else ""
        yield Way(_said(Kind.SOCIAL_SHARE), explaining.points(occasion.points), "", f"{person.page}#share", done)
    if occasion := worth.get(Kind.SIGN_UP):
        yield from _sign_up(person, occasion, Kind.SIGN_UP in had)


def _sign_up(person, occasion, had) -> Iterator[Way]:
    """Whoever reads this has joined: the points for it come by themselves, or can't come any more."""
    gives = explaining.points(occasion.points)
    if had:
        yield Way(_said(Kind.SIGN_UP), gives, done=_("Done"))
    elif sign_ups.is_to_come(person.program.store, person.customers):
        yield Way(_("Your first order"), gives, _("for joining, once the order is paid"), person.program.store.url)


def _had_once(person, worth) -> set[str]:
    causes = {occasions.cause(kind, key): kind for kind, key in ONCE.items() if kind in worth}
    if not causes:
        return set()
    entries = LedgerEntry.objects.filter(account__in=person.accounts, kind=LedgerEntry.Kind.EARN, cause__in=causes)
    return {causes[cause] for cause in entries.values_list("cause", flat=True)}


def _opinions(person, worth) -> Iterator[Way]:
    """What the person was asked about; in general only if there is nothing of that."""
    open_items = invitations.unanswered(person.program.store, person.customers, person.at)
    for kind in (Kind.REVIEW, Kind.SURVEY):
        if kind not in worth:
            continue
        occasion = worth[kind]
        gives, limit = explaining.points(occasion.points), ways.times(occasion.per_month)
        if occasion.per_month is not None and _this_month(person, kind) >= occasion.per_month:
            yield Way(_said(kind), gives, limit, done=_("This month's limit is reached"))
        elif not open_items:
            yield Way(_said(kind), gives, limit)
        elif kind == Kind.REVIEW:
            for line, path in open_items[:MOST_ITEMS]:
                yield Way(_("Review your %(product)s") % {"product": line.name}, gives, limit, path, is_quick=True)
        else:
            yield Way(_said(kind), gives, limit, open_items[0][1], is_quick=True)


def _this_month(person, kind) -> int:
    """How often it was rewarded in this month of the store's calendar."""
    store = person.program.store
    first = days.midnight(store, person.at.astimezone(store.zone).date().replace(day=1))
    # Nothing is rewarded before it is done.
    entries = LedgerEntry.objects.filter(account__in=person.accounts, kind=LedgerEntry.Kind.EARN, created_at__gte=first)
    entries = entries.filter(cause__startswith=occasions.cause(kind, ""))
    return sum(datetime.fromisoformat(at) >= first for at in entries.values_list("rule__at", flat=True))


def _profile(person, occasion, had) -> Way:
    way = Way(_said(Kind.PROFILE), explaining.points(occasion.points))
    if had:
        way.done = _("Done")
    elif profiles.missing(person.customer, _birthday_of(person)):
        way.url = f"{person.page}#profile"
    else:
        way.done = _("Complete: the points come within a day")
    return way


def _birthday(person, occasion) -> Way:
    row = _birthday_of(person)
    way = Way(_("Enter your birthday"), explaining.points(occasion.points), "", f"{person.page}#birthday")
    if row:
        way.what = _said(Kind.BIRTHDAY)
        day = birthdays.next_gift(row, person.program.store, person.at)
        way.done = _("Your next gift comes on %(day)s") % {"day": formats.day(day)}
    return way


def _birthday_of(person) -> Birthday | None:
    return Birthday.objects.filter(customer__in=person.customers).first()


def _said(kind) -> str:
    return str(ways.SAID[kind])
