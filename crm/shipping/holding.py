"""A parcel that is late or in trouble puts its customer on hold until it arrives: bad news first."""

from collections.abc import Iterable
from datetime import datetime, time, timedelta

from django.db.models import Max, Q
from django.utils import timezone

from crm.messaging import holds
from crm.messaging.models import Hold
from crm.stores.models import Store

from .models import Shipment, Status

TROUBLE = {Status.ATTEMPT_FAILED, Status.EXCEPTION, Status.LOST, Status.DELAYED}
OVER = {Status.DELIVERED, Status.RETURNED}
# Many carriers never say that a parcel arrived. After so long without news it counts as arrived or settled.
PATIENCE = timedelta(days=30)


def refresh(store: Store, at: datetime, shipment_ids: Iterable[int] | None = None) -> None:
    """Hold the customers of parcels that are late or in trouble at `at`, and lift what is solved; of all parcels or of these."""
    shipments = Shipment.objects.for_store(store)
    opened = Hold.objects.for_store(store).filter(kind=holds.Kind.PARCEL, lifted_at=None)
    if shipment_ids is not None:
        shipments = shipments.filter(pk__in=shipment_ids)
        opened = opened.filter(reason__in=[_reason(pk) for pk in shipment_ids])
    problems = {
        problem.reason: problem
        for shipment in _troubled(shipments, store, at)
        if (problem := _problem(shipment, store, at))
    }
    dismissed = holds.dismissed(store, problems)
    holds.place(store, holds.Kind.PARCEL, [problems[reason] for reason in problems.keys() - dismissed])
    holds.lift(store, [reason for reason in opened.values_list("reason", flat=True) if reason not in problems], at)


def refresh_all() -> None:
    """By the clock: a day that passes makes a parcel late, and no event tells of it."""
    at = timezone.now()
    for store in Store.objects.all():
        refresh(store, at)


def _troubled(shipments, store, at):
    today = at.astimezone(store.zone).date()
    late = Q(expected_until__lt=today, expected_until__gte=today - PATIENCE)
    failed = Q(status__in=TROUBLE, last_news_at__gt=at - PATIENCE)
    return (
        shipments.existing()
        .exclude(status__in=OVER)
        .exclude(order__customer=None)
        .annotate(last_news_at=Max("events__occurred_at"))
        .filter(late | failed)
        .select_related("order__customer")
    )


def _problem(shipment, store, at) -> holds.Problem | None:
    began = []
    if shipment.expected_until:
        began.append(datetime.combine(shipment.expected_until + timedelta(days=1), time(), store.zone))
    if shipment.status in TROUBLE and shipment.last_news_at:
        began.append(shipment.last_news_at)
    began = [moment for moment in began if at - PATIENCE < moment <= at]
    if not began:
        return None
    customer = shipment.order.customer
    return holds.Problem(customer.person_id, _reason(shipment.pk), min(began), ends_at=max(began) + PATIENCE)


def _reason(pk):
    return f"shipment:{pk}"
