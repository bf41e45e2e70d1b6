"""What members have reached within a year: the figures that tiers are decided by, and how far it is to the next. Only reading."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from crm.orders.models import Customer, Order
from crm.stores import formats

from . import members
from .days import midnight, years_later
from .models import Account, LedgerEntry, Program, Tier, TierChange, TierStanding
from .reckoning import VOID

Measure, Window = Program.Measure, Program.Window


@dataclass
class Progress:
    """Where a person stands: the tier, the next one and what is missing, and what is missing to keep the tier until when."""

    tier: Tier | None
    next: Tier | None
    figure: Decimal
    missing: Decimal
    percent: int
    keep_missing: Decimal
    ends_on: date | None
    drops_on: date | None


def figures(program: Program, start: datetime, end: datetime, customers: Iterable[int] | None = None) -> QuerySet:
    """`(customer's key, figure)` of what each has spent, earned or ordered from `start` until before `end`; one statement.

    What is refunded is taken off where it was counted. A joined guest's counts for the customer.
    """
    return (
        _of_points(program, start, end, customers)
        if program.tier_measure == Measure.POINTS
        else _of_orders(program, start, end, customers)
    )


def _of_orders(program, start, end, customers):
    orders = Order.objects.for_store(program.store).existing().exclude(customer=None).exclude(status__in=VOID)
    # A threshold in rupees says nothing about dollars.
    orders = orders.filter(is_paid=True, currency=program.store.currency, total__gt=F("refunded_total"))
    if customers is not None:
        orders = orders.filter(Q(customer__in=customers) | Q(customer__joined_to__in=customers))
    figure = Count("pk") if program.tier_measure == Measure.ORDERS else Sum(F("total") - F("refunded_total"))
    orders = orders.annotate(
        at=Coalesce("date_paid_gmt", "date_created_gmt"), owner=Coalesce("customer__joined_to_id", "customer_id")
    ).filter(at__gte=start, at__lt=end)
    return orders.order_by().values_list("owner").annotate(figure=figure)


def _of_points(program, start, end, customers):
    entries = LedgerEntry.objects.for_store(program.store).filter(account__unit=Account.Unit.POINTS)
    entries = entries.filter(kind__in=[LedgerEntry.Kind.EARN, LedgerEntry.Kind.REVERSE])
    if customers is not None:
        entries = entries.filter(Q(account__customer__in=customers) | Q(account__customer__joined_to__in=customers))
    entries = entries.annotate(
        at=Coalesce("order__date_paid_gmt", "created_at"),
        owner=Coalesce("account__customer__joined_to_id", "account__customer_id"),
    ).filter(at__gte=start, at__lt=end)
    return entries.order_by().values_list("owner").annotate(figure=Sum(F("points") + F("pending")))


def year_of(program: Program, at: datetime) -> tuple[datetime, datetime]:
    """The year in which a tier can be reached at this moment."""
    zone = program.store.zone
    today = at.astimezone(zone).date()
    if program.tier_window == Window.CALENDAR:
        return midnight(program.store, date(today.year, 1, 1)), midnight(program.store, date(today.year + 1, 1, 1))
    return midnight(program.store, years_later(today, -1)), at + timedelta(microseconds=1)


def year_end(program, at) -> date:
    """The first day after the year for which a tier is safe that is reached now."""
    today = at.astimezone(program.store.zone).date()
    return date(today.year + 1, 1, 1) if program.tier_window == Window.CALENDAR else years_later(today, 1)


def reached(tiers: list[Tier], figure: Decimal | int | None) -> Tier | None:
    """The highest of these tiers (the lowest comes first) that a figure reaches."""
    return next((tier for tier in reversed(tiers) if figure is not None and figure >= tier.threshold), None)


def changes_since(customers: Iterable[int], at: datetime) -> dict[int, list[TierChange]]:
    """The changes of tier of each customer after a moment, the oldest first."""
    changes: dict[int, list[TierChange]] = {}
    for change in TierChange.objects.filter(customer__in=customers, at__gt=at).order_by("at", "pk"):
        changes.setdefault(change.customer_id, []).append(change)
    return changes


def tier_then(account: Account, changes: Mapping[int, list[TierChange]], at: datetime) -> str:
    """The key of the tier that an account's customer was in at a moment: what the first change since has left, else what it is now."""
    since = (change.was_key for change in changes.get(account.customer_id, ()) if change.at > at)
    return next(since, account.tier)


def progress(program: Program, customers: Iterable[int], at: datetime) -> Progress | None:
    """Where the person of these customer rows stands; None where there are no tiers. A constant number of queries."""
    tiers = list(program.tiers.order_by("threshold"))
    if not tiers:
        return None
    customers = list(customers)
    found = dict(figures(program, *year_of(program, at), customers))
    figure = max([Decimal(value) for value in found.values()], default=Decimal(0))
    rows = TierStanding.objects.filter(store=program.store, customer__in=customers).select_related("tier")
    standing = rows.order_by("-tier__threshold").first()
    tier = standing.tier if standing else None
    above = next((t for t in tiers if t.threshold > max(figure, tier.threshold if tier else Decimal(-1))), None)
    keep = Decimal(0)
    if standing:
        year = midnight(program.store, years_later(standing.ends_on, -1)), midnight(program.store, standing.ends_on)
        in_year = dict(figures(program, *year, [standing.customer_id])).get(standing.customer_id, Decimal(0))
        keep = max(standing.tier.threshold - in_year, Decimal(0))
    return Progress(
        tier=tier,
        next=above,
        figure=figure,
        missing=above.threshold - figure if above else Decimal(0),
        percent=int(100 * figure / above.threshold) if above else 100,
        keep_missing=keep,
        ends_on=standing.ends_on if standing else None,
        drops_on=standing.ends_on + timedelta(days=program.tier_grace_days) if standing else None,
    )


def amount(program: Program, value: Decimal) -> str:
    """`₹1,200.00`, or `1,200` of points or orders."""
    value = Decimal(value)
    return (
        formats.money(value, program.store.currency) if program.tier_measure == Measure.SPEND else formats.number(value)
    )


def preview(program: Program, thresholds: list[Decimal], at: datetime) -> list[int]:
    """How many members would be in none of the tiers with these thresholds (ascending), and in each, by what `program` says now."""
    found = figures(program, *year_of(program, at)).filter(figure__gte=thresholds[0] if thresholds else 0)
    theirs = Customer.objects.for_store(program.store).filter(members.taking_part(program), joined_to=None)
    counts: Counter[int] = Counter()
    for _owner, figure in found.filter(owner__in=theirs.values("pk")).iterator(chunk_size=5000):
        counts[sum(figure >= threshold for threshold in thresholds)] += 1
    everyone = Account.objects.for_store(program.store).points().filter(customer__in=theirs).count()
    above = sum(counts[place] for place in range(1, len(thresholds) + 1))
    return [max(everyone - above, 0), *(counts[place] for place in range(1, len(thresholds) + 1))]
