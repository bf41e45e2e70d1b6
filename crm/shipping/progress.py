"""What happens to parcels: note it, work out where each stands, tell of it. The only code that moves a Shipment's status."""

from collections.abc import Iterable

from django.db import transaction

from crm.events import recording
from crm.events.recording import Fact
from crm.stores.models import Store

from .models import Shipment, Status, TrackingEvent

TOLD: dict[str, str] = {
    Status.SHIPPED: "shipment.shipped",
    Status.IN_TRANSIT: "shipment.in_transit",
    Status.OUT_FOR_DELIVERY: "shipment.out_for_delivery",
    Status.DELIVERED: "shipment.delivered",
    Status.ATTEMPT_FAILED: "shipment.failed",
    Status.EXCEPTION: "shipment.failed",
    Status.LOST: "shipment.failed",
}
BACK = {Status.RETURNING, Status.RETURNED}


@transaction.atomic
def note(event: TrackingEvent) -> Shipment:
    """Add what happened (an unsaved TrackingEvent) and tell of it; returns the shipment as it now stands."""
    store = Store.objects.get(pk=event.shipment.store_id)
    [shipment] = note_many([event])
    if shipment.status == event.status:
        tell(store, [shipment], shipment.status)
    return shipment


@transaction.atomic
def note_many(events: list[TrackingEvent]) -> list[Shipment]:
    """Add events in a constant number of statements, without telling; returns their shipments as they now stand.

    The given events' own `shipment` objects are brought up to date as well.
    """
    if not events:
        return []
    # Locked in one order always; two that note at once see each other's events.
    ids = sorted({event.shipment_id for event in events})
    shipments = list(
        Shipment.objects.select_for_update(of=("self",)).select_related("order").filter(pk__in=ids).order_by("pk")
    )
    TrackingEvent.objects.bulk_create(events, ignore_conflicts=True)
    history: dict[int, list[TrackingEvent]] = {pk: [] for pk in ids}
    for event in TrackingEvent.objects.filter(shipment__in=ids).order_by("occurred_at", "pk"):
        history[event.shipment_id].append(event)
    for shipment in shipments:
        latest = current(history[shipment.pk])
        shipment.status = latest.status
        shipment.delivered_at = latest.occurred_at if latest.status == Status.DELIVERED else shipment.delivered_at
    Shipment.objects.bulk_update(shipments, ["status", "delivered_at"])
    by_pk = {shipment.pk: shipment for shipment in shipments}
    for event in events:
        event.shipment.status = by_pk[event.shipment_id].status
        event.shipment.delivered_at = by_pk[event.shipment_id].delivered_at
    return shipments


def current(events: Iterable[TrackingEvent]) -> TrackingEvent:
    """The event that says where a parcel is: the latest by its own time. Delivered stays so, unless it comes back."""
    latest, *later = sorted(events, key=lambda event: (event.occurred_at, event.pk or 0))
    for event in later:
        if latest.status != Status.DELIVERED or event.status in BACK:
            latest = event
    return latest


def tell(store: Store, shipments: Iterable[Shipment], status: str) -> None:
    """Record that these parcels have come so far; each is told once. They need their `order`."""
    if status not in TOLD:
        return
    recording.record_many(
        store,
        [
            Fact(
                type=TOLD[status],
                key=str(row.pk),
                customer_id=row.order.customer_id,
                order_id=row.order_id,
                data={"carrier": row.carrier_name, "number": row.number},
                occurred_at=row.delivered_at
                if status == Status.DELIVERED
                else row.shipped_at
                if status == Status.SHIPPED
                else None,
            )
            for row in shipments
        ],
    )
