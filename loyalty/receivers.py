"""What loyalty does when something happens elsewhere."""

from itertools import groupby

from crm.events.subscribing import on

from . import earning, ledger, programs


def _by_store(events):
    return groupby(sorted(events, key=lambda event: event.store_id), key=lambda event: event.store)


@on("store.connected")
def open_programs(events):
    for store, _events in _by_store(events):
        programs.open_program(store)


@on(
    "order.paid",
    "order.refunded",
    "refund.itemised",
    "refund.deleted",
    "order.cancelled",
    "order.updated",
    "order.deleted",
    "order.restored",
)
def settle_points(events):
    """Whatever happened to an order, its points follow from what it is now."""
    for store, group in _by_store(events):
        earning.settle(store, {event.order_id for event in group if event.order_id})


@on("customer.joined")
def join_points(events):
    for store, group in _by_store(events):
        ledger.join(store, {event.data["guest_id"] for event in group})
