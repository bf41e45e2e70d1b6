"""Points wait until the goods are likely to stay: so many days after delivery, or after completion."""

from datetime import timedelta

import pytest

from crm.events import recording
from crm.orders.models import Order
from crm.work import drain
from loyalty import ledger, proof, tasks, usable
from loyalty.models import Account, LedgerEntry, Lot
from tests.factories import NOW, make_customer, make_order, make_program, make_refund, make_shipment

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def program(store):
    return make_program(store, pending_days=14)


@pytest.fixture
def order(program, store):
    order = make_order(store, make_customer(store))
    happens("order.paid", order)
    return order


def happens(type, order, key=None):
    recording.record(type, order.store, key or order.woo_id, order=order, customer=order.customer, occurred_at=NOW)
    drain.drain_all()


def delivered(shipment, at=NOW):
    type(shipment).objects.filter(pk=shipment.pk).update(status="delivered", delivered_at=at)
    happens("shipment.delivered", shipment.order, shipment.pk)


def held():
    return Account.objects.values_list("balance", "pending").get()


def test_points_of_an_order_wait(order):
    assert held() == (0, 100)
    assert Lot.objects.get().available_from is None
    ledger.release(order.store, NOW + 1000 * DAY)
    assert held() == (0, 100)


def test_they_can_be_spent_so_many_days_after_the_last_parcel_came(order):
    first, second = make_shipment(order), make_shipment(order)

    delivered(first)
    assert Lot.objects.get().available_from is None
    delivered(second, NOW + 2 * DAY)

    assert Lot.objects.get().available_from == NOW + 16 * DAY
    assert ledger.release(order.store, NOW + 16 * DAY) == 1
    assert held() == (100, 0)


def test_without_parcels_the_completion_counts(order):
    Order.objects.update(status="completed", date_completed_gmt=NOW + DAY)

    happens("order.completed", order)

    assert Lot.objects.get().available_from == NOW + 15 * DAY


def test_what_no_event_told_is_found_by_the_clock(order):
    Order.objects.update(status="completed", date_completed_gmt=NOW - 20 * DAY)

    tasks.release()

    assert held() == (100, 0)


def test_an_order_that_was_completed_long_ago_can_be_spent_at_once(store, program):
    order = make_order(store, make_customer(store), date_completed_gmt=NOW - 365 * DAY)

    happens("order.paid", order)

    assert held() == (100, 0)


def test_a_refund_while_they_wait_takes_them_there(order):
    make_refund(order, amount="40.00")
    happens("order.refunded", order)

    assert held() == (0, 60)
    entry = LedgerEntry.objects.get(kind="reverse")
    assert (entry.points, entry.pending, entry.shortfall) == (0, -40, 0)


def test_a_refund_after_the_release_takes_no_more_and_no_less(order):
    Order.objects.update(date_completed_gmt=NOW)
    happens("order.completed", order)
    ledger.release(order.store, NOW + 20 * DAY)
    Order.objects.update(status="refunded")
    happens("order.refunded", order)
    happens("order.updated", order, "again")

    assert held() == (0, 0)
    assert list(proof.differences()) == []


def test_dating_many_orders_costs_a_constant_number_of_statements(store, program, django_assert_num_queries):
    orders = [make_order(store, make_customer(store)) for _ in range(8)]
    for order in orders:
        happens("order.paid", order)
    Order.objects.update(date_completed_gmt=NOW)

    with django_assert_num_queries(6):
        assert usable.set_dates(store, [order.pk for order in orders]) == 8
    assert usable.set_dates(store) == 0
