"""What the admin's first page shows of one store: what is on fire, then a few figures and charts.

Figures are the shop's own; nothing here claims what other shops see.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import TruncDate, TruncWeek
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.orders.models import Order
from crm.stores import formats
from crm.stores.models import Membership, Store
from crm.stores.staff import has_role
from crm.woocommerce.models import Incident, Push
from loyalty.models import Account, Adjustment, Referral
from support.models import Ticket

WEEKS = 12
DAYS = 30
PRIMARY, SECOND = "#0f766e", "#94a3b8"


@dataclass
class Chart:
    """A chart and, for people who would rather read, its table."""

    title: str
    note: str
    headers: list[str]
    rows: list[list[str]]
    kind: str
    data: str
    empty: bool = False


@dataclass
class Figure:
    label: str
    value: str
    note: str = ""
    href: str = ""
    alarm: bool = False


@dataclass
class Dashboard:
    store: Store
    stores: list[Store]
    figures: list[Figure] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)


def context(request, context):
    """unfold's hook: add the dashboard of the chosen store (`?store=slug`), or of the first one may see."""
    stores = list(Store.objects.for_user(request.user)[:50])
    wanted = request.GET.get("store")
    store = next((store for store in stores if store.slug == wanted), stores[0] if stores else None)
    context["title"] = _("Today")
    if store:
        context["dashboard"] = draw(store, stores, timezone.now())
        if has_role(request.user, {Membership.Role.OWNER}, store.pk):
            context["dashboard"].figures[:0] = [
                *shop_trouble(store),
                *push_figures(store),
                *decision_figures(store),
            ]
    return context


def draw(store: Store, stores: list[Store], at: datetime) -> Dashboard:
    return Dashboard(
        store,
        stores,
        [*desk_figures(store, at), *sales_figures(store, at), *loyalty_figures(store)],
        [revenue_by_week(store, at), first_answers(store, at), orders_by_day(store, at)],
    )


def shop_trouble(store: Store) -> list[Figure]:
    """What is wrong between the store and its shop, first of all."""
    page = reverse("admin:woocommerce_connection_change", args=[store.pk])
    return [
        Figure(_("The shop"), incident.get_kind_display(), incident.message, page, alarm=True)
        for incident in Incident.objects.for_store(store).open().order_by("kind")
    ]


def desk_figures(store: Store, at: datetime) -> list[Figure]:
    """Who waits, and how fast the first answer came in the last 30 days."""
    found = Ticket.objects.for_store(store).figures(at - timedelta(days=DAYS), at)
    queue = reverse("admin:support_ticket_changelist")
    median = found["median_first_response"]
    return [
        Figure(
            _("Customers waiting for an answer"),
            formats.number(found["owed"]),
            ngettext("%(count)s is late", "%(count)s are late", found["late"])
            % {"count": formats.number(found["late"])},
            f"{queue}?view=late" if found["late"] else queue,
            alarm=bool(found["late"]),
        ),
        Figure(
            _("First answer, median of 30 days"),
            formats.duration(median) if median is not None else "—",
            ngettext("%(count)s ticket answered", "%(count)s tickets answered", found["answered"])
            % {"count": formats.number(found["answered"])},
        ),
    ]


def push_figures(store: Store) -> list[Figure]:
    """What the shop refused or could not be told."""
    note = _("Refused or given up: try again or withdraw")
    refused = Push.objects.for_store(store).parked()
    return waiting(
        store, _("Not written into the shop"), refused, note, "woocommerce_push", "state__exact=parked", alarm=True
    )


def decision_figures(store: Store) -> list[Figure]:
    """What customers wait for until an owner says yes or no."""
    asked = Adjustment.objects.for_store(store).filter(state=Adjustment.State.WAITING)
    needs = _("Points or store credit that wait for an owner")
    odd = Referral.objects.for_store(store).undecided()
    looks = _("Something looks odd: nobody is rewarded before you have looked")
    return [
        *waiting(store, _("Adjustments to decide on"), asked, needs, "loyalty_adjustment", "state__exact=waiting"),
        *waiting(store, _("Invited friends to decide on"), odd, looks, "loyalty_referral", "decide=yes"),
    ]


def waiting(store: Store, label, rows: QuerySet, note, page: str, wanted: str, *, alarm: bool = False) -> list[Figure]:
    """How many rows wait for somebody, with the list of just these; nothing where there is none."""
    if not (count := rows.count()):
        return []
    link = f"{reverse(f'admin:{page}_changelist')}?{wanted}&store__id__exact={store.pk}"
    return [Figure(label, formats.number(count), note, link, alarm=alarm)]


def loyalty_figures(store: Store) -> list[Figure]:
    balance = (
        Account.objects.for_store(store)
        .points()
        .aggregate(points=Sum("balance", default=0), members=Count("pk", filter=Q(balance__gt=0)))
    )
    return [
        Figure(
            _("Points with customers"),
            formats.number(balance["points"]),
            ngettext("%(count)s customer has points", "%(count)s customers have points", balance["members"])
            % {"count": formats.number(balance["members"])},
            reverse("admin:loyalty_account_changelist"),
        )
    ]


def first_answers(store: Store, at: datetime) -> Chart:
    """How long customers waited for the first answer, of tickets opened in the last 30 days."""
    buckets = Ticket.objects.for_store(store).first_response_buckets(at - timedelta(days=DAYS))
    return Chart(
        _("First answers: how long customers waited"),
        _("Tickets opened in the last 30 days."),
        [_("Answered within"), _("Tickets")],
        [[str(label), formats.number(count)] for label, count in buckets],
        "bar",
        json.dumps(
            {
                "labels": [str(label) for label, _count in buckets],
                "datasets": [
                    {"label": _("Tickets"), "data": [count for _label, count in buckets], "backgroundColor": PRIMARY}
                ],
            }
        ),
        empty=not any(count for _label, count in buckets),
    )


def paid_orders(store: Store, since: datetime):
    return Order.objects.for_store(store).existing().filter(is_paid=True, date_created_gmt__gte=since)


NET = Sum(F("total") - F("refunded_total"), default=Decimal(0))


def sales_figures(store: Store, at: datetime) -> list[Figure]:
    month, before = at - timedelta(days=DAYS), at - timedelta(days=2 * DAYS)
    now = paid_orders(store, month).aggregate(net=NET, orders=Count("pk"))
    then = paid_orders(store, before).filter(date_created_gmt__lt=month).aggregate(net=NET)
    change = f"{(now['net'] - then['net']) / then['net']:+.0%}" if then["net"] else "—"
    customers = paid_orders(store, month).exclude(customer=None).values("customer").distinct()
    earlier = Order.objects.filter(customer=OuterRef("customer"), is_paid=True, date_created_gmt__lt=month)
    total, returning = customers.count(), customers.filter(Exists(earlier)).count()
    return [
        Figure(_("Paid, less refunds, 30 days"), formats.money(round(now["net"], 2), store.currency), _("%(change)s on the 30 days before") % {"change": change}),
        Figure(_("Paid orders, 30 days"), formats.number(now["orders"])),
        Figure(
            _("Customers who had bought before"),
            f"{returning / total:.0%}" if total else "—",
            _("%(returning)s of %(total)s in 30 days") % {"returning": formats.number(returning), "total": formats.number(total)},
        ),
    ]  # fmt: skip


def revenue_by_week(store: Store, at: datetime) -> Chart:
    """Net revenue of each of the last 12 weeks, in the store's time zone, of new and of returning customers."""
    this_week = (at.astimezone(store.zone) - timedelta(days=at.astimezone(store.zone).weekday())).date()
    weeks = [this_week - timedelta(weeks=n) for n in reversed(range(WEEKS))]
    since = datetime.combine(weeks[0], datetime.min.time(), store.zone)
    earlier = Order.objects.filter(
        customer=OuterRef("customer"), is_paid=True, date_created_gmt__lt=OuterRef("date_created_gmt")
    )
    sums = {
        (row["week"].date(), row["returning"]): row["net"]
        for row in paid_orders(store, since)
        .annotate(week=TruncWeek("date_created_gmt", tzinfo=store.zone), returning=Exists(earlier))
        .values("week", "returning")
        .annotate(net=NET)
    }
    new = [sums.get((week, False), Decimal(0)) for week in weeks]
    returning = [sums.get((week, True), Decimal(0)) for week in weeks]
    return Chart(
        _("Revenue by week: new and returning customers"),
        _("Paid orders less refunds, by the week they were placed."),
        [_("Week from"), _("New"), _("Returning")],
        [
            [formats.day(week), formats.money(round(a, 2), store.currency), formats.money(round(b, 2), store.currency)]
            for week, a, b in zip(weeks, new, returning, strict=True)
        ],
        "bar",
        json.dumps(
            {
                "labels": [formats.short_day(week) for week in weeks],
                "datasets": [
                    {
                        "label": _("Returning"),
                        "data": [float(b) for b in returning],
                        "backgroundColor": PRIMARY,
                        "stack": "all",
                    },
                    {"label": _("New"), "data": [float(a) for a in new], "backgroundColor": SECOND, "stack": "all"},
                ],
            }
        ),
        empty=not sums,
    )


def orders_by_day(store: Store, at: datetime) -> Chart:
    """Paid orders of each of the last 30 days, in the store's time zone."""
    today = at.astimezone(store.zone).date()
    days = [today - timedelta(days=n) for n in reversed(range(DAYS))]
    since = datetime.combine(days[0], datetime.min.time(), store.zone)
    counts = dict(
        paid_orders(store, since)
        .annotate(day=TruncDate("date_created_gmt", tzinfo=store.zone))
        .values_list("day")
        .annotate(count=Count("pk"))
    )
    return Chart(
        _("Paid orders by day"),
        _("By the day they were placed, in the shop's time zone."),
        [_("Day"), _("Orders")],
        [[formats.day(day), formats.number(counts.get(day, 0))] for day in days],
        "bar",
        json.dumps(
            {
                "labels": [formats.short_day(day) for day in days],
                "datasets": [
                    {"label": _("Orders"), "data": [counts.get(day, 0) for day in days], "backgroundColor": PRIMARY}
                ],
            }
        ),
        empty=not counts,
    )
