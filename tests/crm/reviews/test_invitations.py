from datetime import timedelta
from decimal import Decimal

import pytest
from django.core import mail

from crm.events import recording
from crm.events.models import Event
from crm.messaging import consent
from crm.messaging.models import Message
from crm.orders.models import RefundLine
from crm.reviews import invitations
from crm.reviews.models import Invitation, ReviewSettings
from crm.work import drain
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db
WEEK = timedelta(days=7)


@pytest.fixture
def store():
    return factories.make_store(name="Masala House")


@pytest.fixture
def order(store):
    customer = factories.make_customer(store, email="asha@mail.example")
    product = factories.make_product(store, name="Brass diya")
    return factories.make_order(store, customer, number="1234", status="completed", lines=[{"product": product}])


@pytest.fixture
def clock(time_machine):
    """`clock(moment)` lets the time pass until then, and all that fell due be done."""

    def move(at):
        time_machine.move_to(at, tick=False)
        drain.drain_all()

    time_machine.move_to(NOW, tick=False)
    return move


def completed(order, at=NOW):
    recording.record("order.completed", order.store, order.woo_id, customer=order.customer, order=order, occurred_at=at)
    drain.drain_all(at=at)


def delivered(order, at, shipment=1):
    recording.record("shipment.delivered", order.store, shipment, customer=order.customer, order=order, occurred_at=at)
    drain.drain_all()


def test_a_completed_order_brings_one_invitation_a_week_later(order, clock):
    completed(order)
    clock(NOW + WEEK - timedelta(minutes=1))
    assert not Message.objects.exists()

    clock(NOW + WEEK)

    (message,) = mail.outbox
    assert message.to == ["asha@mail.example"]
    assert message.subject == "Asha, how was your order?"
    assert "Brass diya" in message.body and "/r/" in message.body
    assert "List-Unsubscribe" in message.extra_headers
    assert Invitation.objects.get().outcome == "invited"


def test_the_store_says_how_long_to_wait(order, clock):
    ReviewSettings.objects.create(store=order.store, days_after=2)

    completed(order)

    assert Invitation.objects.get().due_at == NOW + timedelta(days=2)


def test_a_later_delivery_moves_the_invitation_and_an_earlier_one_does_not(order, clock):
    completed(order)
    delivered(order, NOW + timedelta(days=3))
    assert Invitation.objects.get().due_at == NOW + timedelta(days=3) + WEEK

    delivered(order, NOW + timedelta(days=2), shipment=2)

    assert Invitation.objects.get().due_at == NOW + timedelta(days=3) + WEEK


def test_who_was_invited_is_not_invited_again(order, clock):
    completed(order)
    clock(NOW + WEEK)

    delivered(order, NOW + WEEK)
    clock(NOW + 3 * WEEK)

    assert Message.objects.count() == 1


def refund_everything(order):
    order.refunded_total = order.total
    order.save(update_fields=["refunded_total"])


def send_all_back(order):
    refund = factories.make_refund(order)
    for line in order.line_items.all():
        RefundLine.objects.create(
            refund=refund, woo_id=line.woo_id, line_item=line, name=line.name, quantity=line.quantity, total=1, total_tax=0
        )  # fmt: skip


def cancel(order):
    order.status = "cancelled"
    order.save(update_fields=["status"])


def delete(order):
    order.deleted_at = NOW
    order.save(update_fields=["deleted_at"])


def switch_off(order):
    ReviewSettings.objects.create(store=order.store, enabled=False)


def complain(order):
    earlier = factories.make_order(order.store, order.customer, lines=[{}])
    factories.make_answer(earlier.line_items.get(), score=2)


def review_before(order):
    product = order.line_items.get().product
    earlier = factories.make_order(order.store, order.customer, lines=[{"product": product}])
    factories.make_answer(earlier.line_items.get(), state="posted", woo_id=1)


@pytest.mark.parametrize(
    ("meanwhile", "reason"),
    [
        (refund_everything, "order_gone"),
        (cancel, "order_gone"),
        (delete, "order_gone"),
        (send_all_back, "nothing_left"),
        (review_before, "nothing_left"),
        (switch_off, "switched_off"),
        (complain, "unhappy"),
    ],
)
def test_what_happened_meanwhile_decides_whether_to_ask(order, clock, meanwhile, reason):
    completed(order)
    meanwhile(order)

    clock(NOW + WEEK)

    invitation = Invitation.objects.get(order=order)
    assert (invitation.outcome, invitation.skip_reason) == ("skipped", reason)
    assert not Message.objects.exists()


def test_a_partly_refunded_order_is_still_asked_about(order, clock):
    order.refunded_total = Decimal(10)
    order.save(update_fields=["refunded_total"])
    completed(order)

    clock(NOW + WEEK)

    assert Invitation.objects.get().outcome == "invited"


def test_who_unsubscribed_from_review_requests_is_left_alone(order, clock):
    consent.withdraw(order.store, "asha@mail.example", source="unsubscribe", purpose="review")
    completed(order)

    clock(NOW + WEEK)

    assert mail.outbox == []
    assert Message.objects.get().skip_reason == "unwanted"


def test_an_event_without_an_order_plans_nothing(store, clock):
    recording.record("shipment.delivered", store, 1, occurred_at=NOW)
    clock(NOW)

    assert not Invitation.objects.exists()


def test_many_orders_cost_as_many_statements_as_few(store, time_machine, django_assert_max_num_queries):
    time_machine.move_to(NOW, tick=False)
    customer = factories.make_customer(store)
    for _ in range(30):
        order = factories.make_order(store, customer, lines=[{"product": factories.make_product(store)}])
        recording.record("order.completed", store, order.woo_id, order=order, occurred_at=NOW)

    with django_assert_max_num_queries(10):
        invitations.plan(Event.objects.select_related("store", "customer", "order"))
    time_machine.move_to(NOW + WEEK)
    with django_assert_max_num_queries(30):
        drain.drain(Invitation)
    assert Message.objects.count() == 30
