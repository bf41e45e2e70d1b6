"""Holds: whoever has an open problem is spared cheerful mail. Each problem is placed and lifted through its own room's door."""

from datetime import date, timedelta

import pytest
from django.utils import timezone

from crm.events import recording
from crm.messaging import consent, gate, holds
from crm.messaging.holds import Problem
from crm.messaging.models import Hold
from crm.orders.customers import join_guest
from crm.shipping import holding, progress
from crm.shipping.models import TrackingEvent
from crm.stores.models import Membership
from crm.work import drain
from support import tickets
from tests.factories import (
    NOW,
    make_customer,
    make_guest,
    make_message,
    make_order,
    make_shipment,
    make_staff,
    make_store,
    make_ticket,
)

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def customer(store):
    return make_customer(store, email="asha@mail.example")


def held(customer, at=None):
    return holds.is_held(customer.store_id, customer.pk, customer.email, at or timezone.now())


@pytest.mark.parametrize("end", [tickets.resolve, tickets.close])
def test_a_ticket_holds_its_customer_while_it_is_open(store, customer, end):
    ticket = make_ticket(store, customer)
    assert held(customer)

    end(ticket)
    assert not held(customer)

    tickets.reply_from_customer(ticket, "And now?")
    assert held(customer)
    assert Hold.objects.filter(reason=f"ticket:{ticket.pk}").count() == 2


def test_a_ticket_that_staff_reopen_holds_again(store, customer):
    ticket = tickets.resolve(make_ticket(store, customer))

    tickets.reopen(ticket)

    assert held(customer)


def test_a_ticket_of_nobody_known_holds_nobody(store):
    make_ticket(store, email="stranger@mail.example")

    assert not Hold.objects.exists()


def failed(store, customer, at):
    shipment = make_shipment(make_order(store, customer))
    progress.note(TrackingEvent(shipment=shipment, status="attempt_failed", occurred_at=at))
    drain.drain_all()
    return shipment


def test_a_failed_parcel_holds_until_it_is_delivered(store, customer):
    at = timezone.now()
    shipment = failed(store, customer, at - DAY)
    assert held(customer)

    progress.note(TrackingEvent(shipment=shipment, status="delivered", occurred_at=at))
    drain.drain_all()

    assert not held(customer)


def test_a_parcel_without_any_more_news_holds_for_a_month_and_no_longer(store, customer):
    at = timezone.now()
    failed(store, customer, at - DAY)

    assert held(customer, at + 28 * DAY)
    assert not held(customer, at + 30 * DAY)


@pytest.mark.parametrize(
    ("hour", "late"),
    [("2026-06-16T18:29:00Z", False), ("2026-06-16T18:31:00Z", True), ("2026-07-17T12:00:00Z", False)],
    ids=["the day is not over in the shop", "the day is over", "a month later nobody knows"],
)
def test_a_parcel_is_late_when_the_shops_day_is_over(store, customer, hour, late):
    at = timezone.datetime.fromisoformat(hour)
    make_shipment(make_order(store, customer), status="in_transit", expected_until=date(2026, 6, 16))

    holding.refresh(store, at)

    assert held(customer, at) is late


def test_a_new_date_lifts_and_what_staff_have_lifted_stays_so(store, customer):
    late, promised = [
        make_shipment(make_order(store, customer), status="in_transit", expected_until=date(2026, 6, 10))
        for _ in range(2)
    ]
    holding.refresh(store, NOW)
    promised.expected_until = date(2026, 6, 20)
    promised.save()
    holds.lift(store, [f"shipment:{late.pk}"], NOW, make_staff(store))

    holding.refresh(store, NOW)

    assert not held(customer, NOW)


def test_late_parcels_cost_the_same_however_many(store, django_assert_max_num_queries):
    for _ in range(6):
        shipment = make_shipment(make_order(store, make_customer(store)), status="in_transit")
        shipment.expected_until = date(2026, 6, 10)
        shipment.save()

    with django_assert_max_num_queries(9):
        holding.refresh(store, NOW)
    assert Hold.objects.count() == 6


@pytest.mark.parametrize("joins_first", [True, False])
def test_a_refund_of_a_guest_holds_the_customer_whichever_is_heard_of_first(store, customer, joins_first):
    """Of two handlers that are due at once either may be first."""
    guest = make_guest(store, email=customer.email)
    order = make_order(store, guest)
    if joins_first:
        join_guest(store, customer.email, timezone.now())
        drain.drain_all()
    recording.record("order.refunded", store, 81, customer=guest, order=order, occurred_at=timezone.now())
    if not joins_first:
        join_guest(store, customer.email, timezone.now())
    drain.drain_all()

    assert Hold.objects.get().customer == customer


def test_a_refund_holds_while_the_money_is_on_its_way(store, customer):
    order, at = make_order(store, customer), timezone.now()
    recording.record("order.refunded", store, 81, customer=customer, order=order, occurred_at=at)
    drain.drain_all()

    assert held(customer, at + 9 * DAY)
    assert not held(customer, at + 11 * DAY)


def test_the_same_problem_is_placed_once_and_keeps_its_beginning(store, customer):
    for day in range(3):
        holds.place(store, "parcel", [Problem(customer.pk, "shipment:1", NOW + day * DAY, NOW + (30 + day) * DAY)])

    hold = Hold.objects.get()
    assert (hold.placed_at, hold.ends_at) == (NOW, NOW + 32 * DAY)


def test_a_guests_holds_go_along_to_the_registered_customer(store):
    guest, customer = make_guest(store, email="asha@mail.example"), make_customer(store, email="asha@mail.example")
    make_ticket(store, guest)

    join_guest(store, "asha@mail.example", timezone.now())
    drain.drain_all()

    assert Hold.objects.get().customer == customer


@pytest.mark.parametrize(
    ("purpose", "reason"), [("marketing", "on_hold"), ("loyalty", "on_hold"), ("service", None), ("review", None)]
)
def test_the_gate_holds_back_cheerful_mail_alone(store, customer, purpose, reason):
    consent.give(store, customer.email, source="test")
    make_ticket(store, customer)
    message = make_message(store, customer=customer, recipient=customer.email, purpose=purpose)

    assert gate.closed(message, NOW) == reason


def test_the_gate_knows_the_person_by_the_address_and_keeps_stores_apart(store, customer):
    make_ticket(store, customer)
    elsewhere = make_store()
    same = make_message(store, recipient=customer.email, purpose="loyalty")
    other = make_message(elsewhere, recipient=customer.email, purpose="loyalty")

    assert (gate.closed(same, NOW), gate.closed(other, NOW)) == ("on_hold", None)


def test_who_was_held_lately_is_known_with_the_end(store):
    lifted, ending, still, long_ago = (make_customer(store) for _ in range(4))
    for number, customer in enumerate([lifted, still, still, long_ago]):
        holds.place(store, "ticket", [Problem(customer.pk, f"ticket:{number}", NOW - 60 * DAY)])
    holds.place(store, "refund", [Problem(ending.pk, "refund:1", NOW - 20 * DAY, NOW - 10 * DAY)])
    holds.lift(store, ["ticket:0"], NOW - 3 * DAY)
    holds.lift(store, ["ticket:1"], NOW - 3 * DAY)
    holds.lift(store, ["ticket:3"], NOW - 30 * DAY)

    found = holds.recently_held(store, NOW - 14 * DAY, NOW)

    assert found == {lifted.pk: NOW - 3 * DAY, ending.pk: NOW - 10 * DAY, still.pk: None}


@pytest.mark.parametrize(("role", "lifted"), [("viewer", False), ("agent", True), ("owner", True)])
def test_staff_see_a_hold_and_lift_it(client, store, customer, role, lifted):
    ticket = make_ticket(store, customer)
    hold = Hold.objects.get()
    user = make_staff(store, Membership.Role(role))
    client.force_login(user)
    assert "Open ticket" in client.get("/admin/messaging/hold/?open=yes").content.decode()

    client.post("/admin/messaging/hold/", {"action": "lift", "_selected_action": [hold.pk]})

    hold.refresh_from_db()
    assert (hold.lifted_by == user) is lifted
    assert ("On hold" in client.get(f"/admin/support/ticket/{ticket.pk}/change/").content.decode()) is not lifted
