"""Whoever loses points is told: how many, why, what is left. Once each, and never of what was given."""

from decimal import Decimal

import pytest
from django.core import mail
from django.utils import timezone

from crm.events import recording
from crm.events.models import Event
from crm.messaging.models import MailSettings, Message
from crm.orders.models import Order
from crm.work import drain
from loyalty import ledger, members, receivers
from tests.factories import make_customer, make_guest, make_order, make_refund, make_staff, make_ticket, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(store, program):
    return earned(make_customer(store, email="asha@mail.example"))


def earned(customer, number="77"):
    order = make_order(customer.store, customer, number=number, total=Decimal(100), date_created_gmt=timezone.now())
    happens("order.paid", order, order.woo_id)
    return order


def happens(type, order, key):
    recording.record(type, order.store, key, order=order, customer=order.customer, occurred_at=timezone.now())
    drain.drain_all()


def refunded(order):
    refund = make_refund(order, amount=Decimal(40))
    happens("order.refunded", order, refund.woo_id)


def cancelled(order):
    Order.objects.filter(pk=order.pk).update(status="cancelled")
    happens("order.cancelled", order, order.woo_id)


def deleted(order):
    Order.objects.filter(pk=order.pk).update(deleted_at=timezone.now())
    happens("order.deleted", order, f"{order.woo_id}:1")


def told():
    return Message.objects.filter(kind="points-taken")


@pytest.mark.parametrize(
    ("change", "points", "title"),
    [
        (refunded, 40, "Refund of order 77"),
        (cancelled, 100, "Order 77 was cancelled"),
        (deleted, 100, "Order 77 is no longer in the shop"),
    ],
)
def test_what_an_order_loses_is_told_once_even_while_a_problem_is_open(order, change, points, title):
    make_ticket(order.store, order.customer)
    ledger.earn(order.customer.accounts.get(), 7, cause="review:1")
    mail.outbox.clear()

    for _again in range(2):
        change(order) if not told().exists() else receivers.settle_points(list(Event.objects.filter(order=order)))
    drain.drain_all()

    event = Event.objects.get(type="points.reversed")
    assert event.data == {"points": points, "pending": 0, "balance": 107 - points}
    assert (event.order, event.customer) == (order, order.customer)
    receivers.tell_of_points_taken([event])
    assert told().count() == 1
    [sent] = [sent for sent in mail.outbox if "taken back" in sent.subject]
    assert sent.subject == f"{points} of your points were taken back" and sent.to == ["asha@mail.example"]
    assert title in sent.body and f"You have {107 - points} points." in sent.body and "/points/statement/" in sent.body


def test_what_staff_take_is_told_with_the_reason_and_what_they_give_is_not(order):
    account = order.customer.accounts.get()

    for points, reason in [(-30, "Counted twice, sorry"), (5, "For the trouble")]:
        ledger.adjust(account, points, reason, make_staff(order.store))
    drain.drain_all()

    events = Event.objects.filter(type="points.adjusted").order_by("pk")
    assert [event.data["points"] for event in events] == [-30, 5]
    [sent] = [sent for sent in mail.outbox if "taken back" in sent.subject]
    assert "Counted twice, sorry" in sent.body and "You have 75 points." in sent.body


def test_who_left_is_told_nothing_nor_who_only_got_another_account(order, program):
    guest = earned(make_guest(order.store, email="ravi@mail.example"), "78")
    # The shop has linked the guest's order to an account.
    Order.objects.filter(pk=guest.pk).update(customer=make_customer(order.store, email="ravi@mail.example"))
    receivers.settle_points(list(Event.objects.filter(order=guest)))
    members.leave(program, order.customer, members.Way.PORTAL, timezone.now())
    cancelled(order)

    assert Event.objects.filter(type="points.reversed").count() == 2
    drain.drain_all()
    assert not told().exists()


def test_a_shop_may_switch_the_mail_off(order):
    MailSettings.objects.update_or_create(store=order.store, defaults={"switched_off": ["points-taken"]})

    cancelled(order)

    assert told().get().skip_reason == "switched_off"


def test_what_is_posted_for_the_past_is_told_nobody(order):
    from loyalty import earning

    Order.objects.filter(pk=order.pk).update(status="cancelled")
    earning.award(order.store, [order.pk])
    drain.drain_all()

    assert not told().exists() and not Event.objects.filter(type="points.reversed").exists()


@pytest.mark.parametrize("how", ["order", "staff"])
def test_below_zero_the_pages_blame_no_order_that_was_not_refunded(client, order, program, how):
    program.negative_balance = True
    program.save()
    account = order.customer.accounts.get()
    if how == "order":
        ledger.redeem(account, 60, cause="coupon:1")
        cancelled(order)
    else:
        ledger.adjust(account, -160, "Not yours", make_staff(order.store))
    sign_in(client, "asha@mail.example")

    for page in ("", "points/"):
        said = client.get(f"/s/{order.store.slug}/{page}").content.decode()
        assert "More points were taken back than you had left" in said
        assert "was refunded" not in said


def test_many_cost_as_many_statements_as_few(store, program, django_assert_max_num_queries):
    def taken(count):
        orders = [earned(make_customer(store), f"{count}-{place}") for place in range(count)]
        Order.objects.filter(pk__in=[order.pk for order in orders]).update(status="cancelled")
        events = [
            recording.record("order.cancelled", store, order.woo_id, order=order, customer=order.customer)
            for order in orders
        ]
        receivers.settle_points(events)
        return list(Event.objects.filter(type="points.reversed", order__in=orders).select_related("store"))

    few, many = taken(2), taken(12)
    with django_assert_max_num_queries(12) as asked:
        receivers.tell_of_points_taken(few)
    with django_assert_max_num_queries(len(asked)):
        receivers.tell_of_points_taken(many)
    assert told().count() == 14
