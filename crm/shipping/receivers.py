"""What shipping hears: orders that changed in the shop, and its own parcels that left."""

from itertools import groupby

from django.db.models import prefetch_related_objects
from django.utils import timezone

from crm.events.subscribing import on
from crm.messaging import outbox

from . import holding, parcels
from .models import Shipment


@on("order.created", "order.updated", "order.completed", "order.restored")
def read_parcels(events):
    """Read the parcels of the orders as they now are, whichever of several changes brought us here."""
    for store, orders in _orders_by_store(events):
        shipments = parcels.read(store, orders)
        parcels.deliver(store, orders, shipments)
        parcels.announce(store, shipments)


@on("shipment.shipped")
def tell_the_customer(events):
    """Owe one mail for each parcel that left."""
    prefetch_related_objects(events, "order__customer")
    shipments = Shipment.objects.existing().in_bulk([int(event.key) for event in events])
    for store, group in _by_store(events):
        outbox.queue_many(
            store,
            "shipped",
            [
                outbox.Draft(key=f"shipment:{event.key}", order=event.order, context={"shipment_id": int(event.key)})
                for event in group
                if event.order is not None and int(event.key) in shipments
            ],
        )


@on("shipment.failed", "shipment.out_for_delivery", "shipment.delivered")
def hold_or_lift(events):
    for store, group in _by_store(events):
        holding.refresh(store, timezone.now(), {int(event.key) for event in group})


def _by_store(events):
    ordered = sorted(events, key=lambda event: event.store_id)
    return groupby(ordered, key=lambda event: event.store)


def _orders_by_store(events):
    for store, group in _by_store(events):
        # Nothing more is said of the parcels of an order that was deleted; when it comes back they are read again.
        orders = {event.order_id: event.order for event in group if event.order is not None}
        yield store, [order for order in orders.values() if order.deleted_at is None]
