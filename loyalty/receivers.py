"""What loyalty does when something happens elsewhere."""

from itertools import groupby

from django.db.models import prefetch_related_objects
from django.utils import timezone

from crm.events.subscribing import on

from . import (
    birthdays,
    corrections,
    earning,
    ledger,
    members,
    occasions,
    programs,
    redemptions,
    referrals,
    sign_ups,
    tiers,
    usable,
)
from .occasions import Fact, Kind


def _by_store(events):
    """Events by store. The programme of a shop that is connected is open by then.

    The news of the connection may come later than that of a payment: who was to handle it first may have died.
    """
    for store, group in groupby(sorted(events, key=lambda event: event.store_id), key=lambda event: event.store):
        if store.connected_at:
            programs.open_program(store)
        yield store, group


def _orders(events) -> set[int]:
    return {event.order_id for event in events if event.order_id}


def _customers(events) -> set[int]:
    return {event.customer_id for event in events if event.customer_id}


@on("store.connected")
def open_programs(events):
    for store, _events in _by_store(events):
        programs.open_program(store)


@on("order.paid")
def enrol_buyers(events):
    prefetch_related_objects(events, "customer")
    for store, group in _by_store(events):
        if program := programs.of(store):
            paid = [
                (event.customer.person_id, event.occurred_at)
                for event in group
                if event.customer and event.occurred_at >= program.starts_at
            ]
            members.enrol_buyers(program, paid)


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
        earning.settle(store, _orders(group))


@on("shipment.delivered", "order.completed")
def date_points(events):
    """Its points become usable so many days after an order came."""
    for store, group in _by_store(events):
        usable.set_dates(store, _orders(group))


@on("customer.joined")
def merge_members(events):
    for event in events:
        guest_id, customer_id = event.data["guest_id"], event.data["customer_id"]
        members.merge(event.store, guest_id, customer_id)
        birthdays.merge(guest_id, customer_id)
        referrals.merge(guest_id, customer_id)
        tiers.merge(event.store, guest_id, customer_id, timezone.now())


@on("order.paid", "order.updated", "order.restored", "refund.deleted", "points.earned", "member.joined")
def lift_tiers(events):
    """Spend may rise without new points: goods that earn nothing, limits that are reached."""
    for store, group in _by_store(events):
        tiers.check(store, _customers(group), timezone.now())


@on("member.left")
def leave_tiers(events):
    for store, group in _by_store(events):
        tiers.leave(store, _customers(group), timezone.now())


@on(
    "order.paid",
    "order.completed",
    "order.updated",
    "order.cancelled",
    "order.refunded",
    "order.deleted",
    "order.restored",
    "shipment.delivered",
)
def follow_friends(events):
    for store, group in _by_store(events):
        referrals.follow(store, _orders(group), timezone.now())


@on("customer.joined")
def join_points(events):
    for store, group in _by_store(events):
        ledger.join(store, {event.data["guest_id"] for event in group})


@on(
    "coupon.used",
    "order.cancelled",
    "order.updated",
    "order.refunded",
    "refund.itemised",
    "refund.deleted",
    "order.deleted",
    "order.restored",
)
def follow_codes(events):
    for store, group in _by_store(events):
        redemptions.follow(store, _orders(group))


@on("points.reversed", "points.adjusted")
def tell_of_points_taken(events):
    for store, group in _by_store(events):
        corrections.tell(store, [int(event.key) for event in group])


@on("coupon.deleted")
def miss_codes(events):
    for store, group in _by_store(events):
        redemptions.deleted(store, [(event.data["code"], event.data["usage_count"]) for event in group])


@on("member.joined", "order.paid")
def reward_joining(events):
    for store, group in _by_store(events):
        joined: dict = {}
        paid: dict = {}
        for event in group:
            if event.type == "order.paid":
                paid[event.order_id] = event.occurred_at
            elif event.customer_id:
                joined[event.customer_id] = event.occurred_at
        sign_ups.settle(store, joined, paid)


@on("review.posted")
def reward_reviews(events):
    """The same points for any review, whatever it says: a shop that pays for praise has none."""
    _reward(Kind.REVIEW, events)


@on("survey.answered")
def reward_answers(events):
    # An answer that is changed later is an event again, with a longer key.
    _reward(Kind.SURVEY, [event for event in events if ":" not in event.key])


def _reward(kind, events):
    for store, group in _by_store(events):
        facts = [Fact(event.customer_id, event.key, event.occurred_at) for event in group if event.customer_id]
        occasions.award(store, kind, facts)
