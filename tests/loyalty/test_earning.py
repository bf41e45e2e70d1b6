import itertools
import os
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm.events import recording
from crm.events.models import Event
from crm.orders.models import LineItem, Order, RefundLine
from crm.work import drain
from loyalty import earning, ledger, programs, receivers, usable
from loyalty.ledger import Kind
from loyalty.models import Account, LedgerEntry, Program, RuleVersion
from loyalty.reckoning import Reckoning
from tests.factories import (
    NOW,
    make_account,
    make_customer,
    make_guest,
    make_order,
    make_program,
    make_refund,
    make_store,
)

pytestmark = pytest.mark.django_db
_number = itertools.count()
# `.ci/run` tries more.
EXAMPLES = int(os.environ.get("LEDGER_EXAMPLES", 160))


@pytest.fixture
def customer(store):
    return make_customer(store)


def happens(type, order, **fields):
    """Record an event about an order as the connector does, and let everyone handle it."""
    recorded = told(type, order, **fields)
    drain.drain_all()
    return recorded


def told(type, order, **fields):
    key = order.woo_id if type == "order.paid" else f"{order.woo_id}:{next(_number)}"
    return recording.record(
        type, order.store, key, order=order, customer=order.customer, **{"occurred_at": NOW} | fields
    )


def change(order, **fields):
    Order.objects.filter(pk=order.pk).update(**fields)


def refund(order, amount, goods=None):
    made = make_refund(order, amount=Decimal(amount))
    if goods:
        RefundLine.objects.create(
            refund=made, woo_id=made.woo_id + 1, name="Chai", quantity=1, total=Decimal(goods), total_tax=Decimal(0)
        )
    return made


def balance(customer):
    return Account.objects.get(customer=customer).balance


def entries(order):
    return list(LedgerEntry.objects.filter(order=order).order_by("pk").values_list("kind", "points"))


def test_a_paid_order_earns_by_the_rule(program, store, customer):
    order = make_order(store, customer, total=Decimal("1299.90"))

    happens("order.paid", order)

    entry = LedgerEntry.objects.get()
    assert (entry.kind, entry.points, entry.account.customer, entry.order) == (Kind.EARN, 1299, customer, order)
    assert entry.rule == {
        "program": program.pk, "rate": "1", "rounding": "down", "shipping": False, "taxes": False, "fees": False,
        "by_line": False, "minimum": "0", "cap": None, "version": RuleVersion.objects.get().pk,
        "why": "paid", "currency": "INR", "base": "1299.9", "back": "0", "worth": 1299, "before": 0,
        "lines": [{
            "line": "goods", "points": 1299, "earned": 1299, "base": "1299.9", "back": "0", "rate": "1",
            "rounding": "down", "multiplier": "1",
        }],
        "names": {},
    }  # fmt: skip
    earned = Event.objects.get(type="points.earned")
    assert (earned.key, earned.customer, earned.order) == (str(entry.pk), customer, order)
    assert earned.data == {"points": 1299, "pending": 0, "balance": 1299}


def test_the_same_payment_again_earns_nothing_more(program, store, customer):
    order = make_order(store, customer)
    event = happens("order.paid", order)

    receivers.settle_points([event, event])
    receivers.settle_points([event])

    assert balance(customer) == 100


def test_a_partial_refund_takes_back_its_share_and_the_last_one_the_rest(program, store, customer):
    order = make_order(store, customer, total=Decimal("99.99"))
    happens("order.paid", order)

    for amount in ("33.33", "33.33", "33.33"):
        refund(order, amount)
        happens("order.refunded", order)

    assert entries(order) == [("earn", 99), ("reverse", -33), ("reverse", -33), ("reverse", -33)]
    assert balance(customer) == 0


def test_a_refund_of_a_line_takes_back_that_lines_points(program, store, customer):
    order = make_order(store, customer, total=Decimal("1050.00"), shipping_total=Decimal("50.00"))
    happens("order.paid", order)

    refund(order, "300.00", goods="300.00")
    happens("order.refunded", order)

    assert entries(order) == [("earn", 1000), ("reverse", -300)]


@pytest.mark.parametrize("status", ["cancelled", "refunded", "failed"])
def test_an_order_that_came_to_nothing_keeps_no_points(program, store, customer, status):
    order = make_order(store, customer)
    happens("order.paid", order)

    change(order, status=status, is_paid=False)
    happens("order.updated", order)

    assert entries(order) == [("earn", 100), ("reverse", -100)]
    assert LedgerEntry.objects.get(kind="reverse").rule["why"] == status


def test_a_status_that_the_shop_made_up_takes_nothing_back(program, store, customer):
    order = make_order(store, customer)
    happens("order.paid", order)

    change(order, status="wc-packed-with-love", is_paid=False)
    happens("order.updated", order)

    assert balance(customer) == 100


def test_a_cancelled_order_that_is_taken_up_again_earns_again(program, store, customer):
    order = make_order(store, customer)
    happens("order.paid", order)
    change(order, status="cancelled")
    happens("order.cancelled", order)

    change(order, status="processing")
    happens("order.updated", order)

    assert entries(order) == [("earn", 100), ("reverse", -100), ("earn", 100)]


def test_points_spent_before_the_cancelling_are_not_earned_twice(program, store, customer):
    order = make_order(store, customer)
    happens("order.paid", order)
    ledger.post(customer.accounts.get(), Kind.REDEEM, -70, "coupon:TEA")
    change(order, status="cancelled")
    happens("order.cancelled", order)
    assert balance(customer) == 0

    change(order, status="processing")
    happens("order.updated", order)

    # 70 of its points were spent and never came back; 30 are new again.
    assert list(LedgerEntry.objects.filter(order=order).order_by("pk").values_list("points", "shortfall")) == [
        (100, 0),
        (-30, 70),
        (30, -70),
    ]


def test_a_changed_total_changes_the_points(program, store, customer):
    order = make_order(store, customer)
    happens("order.paid", order)

    change(order, total=Decimal("130.00"))
    happens("order.updated", order)
    change(order, total=Decimal("80.00"))
    happens("order.updated", order)

    assert entries(order) == [("earn", 100), ("earn", 30), ("reverse", -50)]


def test_a_changed_rule_leaves_the_past_alone(program, store, customer):
    order = make_order(store, customer)
    happens("order.paid", order)
    Program.objects.update(rate=2, rounding="up")

    refund(order, "50.00")
    happens("order.refunded", order)
    later = make_order(store, customer, date_created_gmt=timezone.now())
    happens("order.paid", later)

    assert entries(order) == [("earn", 100), ("reverse", -50)]
    assert entries(later) == [("earn", 200)]


def test_history_earns_nothing(program, store, customer):
    before = make_order(store, customer)
    happens("order.updated", before)
    refund(before, "10.00")
    happens("order.refunded", before)
    early = make_order(store, customer)
    happens("order.paid", early, occurred_at=program.starts_at - timedelta(seconds=1))

    assert not LedgerEntry.objects.exists()
    assert not Account.objects.exists() or balance(customer) == 0


def test_a_paused_programme_earns_nothing_and_still_takes_back(program, store, customer):
    order = make_order(store, customer)
    happens("order.paid", order)
    Program.objects.update(active=False)

    refund(order, "50.00")
    happens("order.refunded", order)
    happens("order.paid", make_order(store, customer))

    assert balance(customer) == 50


@pytest.mark.parametrize("fields", [{"currency": "USD"}, {"total": Decimal(0)}, {"status": "cancelled"}])
def test_orders_that_are_worth_nothing_post_nothing(program, store, customer, fields):
    happens("order.paid", make_order(store, customer, **fields))

    assert not LedgerEntry.objects.exists()


def test_an_order_of_nobody_and_a_store_without_programme_post_nothing(program, store, customer):
    happens("order.paid", make_order(store, None))
    other = make_store()
    happens("order.paid", make_order(other, make_customer(other)))

    assert not LedgerEntry.objects.exists()


def test_an_absurd_total_stops_no_other_order(program, store, customer):
    good, absurd = make_order(store, customer), make_order(store, customer, total=Decimal("9" * 40))
    for order in (absurd, good):
        told("order.paid", order)

    drain.drain_all()

    assert balance(customer) == 100
    assert "more than anything" in Event.objects.get(order=absurd).handlings.get(handler="loyalty.settle_points").error


def test_an_order_that_changes_hands_takes_its_points_along(program, store, customer):
    guest = make_guest(store)
    order = make_order(store, guest)
    happens("order.paid", order)

    change(order, customer=customer)
    happens("order.updated", order)

    assert (balance(guest), balance(customer)) == (0, 100)
    assert set(LedgerEntry.objects.exclude(kind="earn").values_list("rule__why", flat=True)) == {"moved"}


def test_spent_points_do_not_come_back_when_the_order_changes_hands(program, store, customer):
    guest = make_guest(store)
    order = make_order(store, guest)
    happens("order.paid", order)
    ledger.post(guest.accounts.get(), Kind.REDEEM, -100, "coupon:TEA")

    change(order, customer=customer)
    happens("order.updated", order)

    assert (balance(guest), balance(customer)) == (0, 0)


def test_a_refund_after_the_join_is_taken_from_the_customer(program, store, customer):
    guest = make_guest(store)
    order = make_order(store, guest)
    happens("order.paid", order)
    guest.joined_to = customer
    guest.save(update_fields=["joined_to"])
    change(order, customer=customer)
    refund(order, "100.00")

    # The refund is handled before the join is known here.
    happens("order.refunded", order)
    recording.record("customer.joined", store, guest.pk, data={"guest_id": guest.pk, "customer_id": customer.pk})
    drain.drain_all()

    assert (balance(guest), balance(customer)) == (0, 0)


def test_a_store_gets_its_programme_when_it_is_connected():
    store = make_store(currency="INR")

    recording.record("store.connected", store, store.pk)
    recording.record("store.connected", store, f"{store.pk}:again")
    drain.drain_all()

    program = Program.objects.get(store=store)
    assert (program.active, program.rate, program.point_value) == (True, Decimal("0.1"), Decimal("0.1"))
    assert program.starts_at == store.announce_from


@pytest.mark.parametrize("currency", ["EUR", "XAU", *programs.UNITS])
def test_every_currencys_defaults_fit_the_columns(currency):
    program = programs.open_program(make_store(currency=currency))
    program.full_clean()
    program.refresh_from_db()

    assert program.rate * 100 * program.point_value == 1


STEPS = ["refund lines", "refund share", "cancel", "restore", "dearer", "cheaper", "join", "second order"]


@pytest.mark.timeout(400)
@settings(max_examples=EXAMPLES // 16, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.sampled_from(STEPS), max_size=6),
    rounding=st.sampled_from(["down", "nearest", "up"]),
    random=st.randoms(use_true_random=False),
)
def test_any_order_of_any_events_ends_in_the_same_balance(db, steps, rounding, random):
    store = make_store()
    make_program(store, rate=Decimal("0.37"), rounding=rounding)
    guest, registered = make_guest(store), make_customer(store)
    orders = [make_order(store, guest, total=Decimal("997.00"), shipping_total=Decimal("97.00"))]
    waiting = [told("order.paid", orders[0])]
    heard = []

    def hear(events):
        for event in events:
            receiver = receivers.join_points if event.type == "customer.joined" else receivers.settle_points
            receiver([Event.objects.get(pk=event.pk)])
        heard.extend(events)

    for step in steps:
        order = random.choice(orders)
        owner = Order.objects.get(pk=order.pk).customer
        match step:
            case "refund lines":
                refund(order, "110.00", goods="100.00")
            case "refund share":
                refund(order, "150.00")
            case "cancel":
                change(order, status="cancelled")
            case "restore":
                change(order, status="completed")
            case "dearer":
                change(order, total=Decimal("1500.50"))
            case "cheaper":
                change(order, total=Decimal("300.30"))
            case "join":
                guest.joined_to = registered
                guest.save(update_fields=["joined_to"])
                Order.objects.filter(customer=guest).update(customer=registered)
                data = {"guest_id": guest.pk, "customer_id": registered.pk}
                if joined := recording.record("customer.joined", store, guest.pk, data=data):
                    waiting.append(joined)
            case "second order":
                orders.append(make_order(store, owner))
                waiting.append(told("order.paid", orders[-1]))
        if step not in ("join", "second order"):
            waiting.append(told(random.choice(["order.updated", "order.refunded"]), order))
        now = random.sample(waiting, random.randint(0, len(waiting)))
        waiting = [event for event in waiting if event not in now]
        hear(now)
    random.shuffle(waiting)
    hear(waiting)
    hear(random.sample(heard, min(3, len(heard))))

    reckoning = Reckoning(store, [order.pk for order in orders])
    due = sum(reckoning.worth(order).points for order in reckoning.orders)
    owner, other = (registered, guest) if "join" in steps else (guest, registered)
    held = dict(Account.objects.filter(store=store).values_list("customer", "balance"))
    assert held.get(owner.pk, 0) == due
    assert held.get(other.pk, 0) == 0


def test_many_orders_cost_as_many_statements_as_ten(program, store, django_assert_num_queries):
    def batch(size):
        orders = [make_order(store, make_customer(store)) for _ in range(size)]
        return [told("order.paid", order) for order in orders]

    ten, many = batch(10), batch(150)
    events = {
        count: list(Event.objects.select_related("store").filter(pk__in=[e.pk for e in group]))
        for count, group in ((10, ten), (150, many))
    }

    with django_assert_num_queries(16):
        receivers.settle_points(events[10])
    with django_assert_num_queries(16):
        receivers.settle_points(events[150])

    assert LedgerEntry.objects.count() == 160


def test_history_is_awarded_on_request_alone(program, store, customer, capsys):
    orders = [make_order(store, customer, total=Decimal(total)) for total in ("10.00", "20.50", "0.50")]
    make_order(store, customer, is_paid=False, status="pending")
    make_order(store, None)
    earned = make_order(store, customer)
    happens("order.paid", earned)
    refund(orders[1], "10.25")

    call_command("award_history", store.slug)
    assert "2 orders of 1 customer would earn 20 points" in capsys.readouterr().out
    assert balance(customer) == 100

    call_command("award_history", store.slug, "--apply")
    call_command("award_history", store.slug, "--apply")

    out = capsys.readouterr().out
    assert "2 orders of 1 customer earned 20 points" in out
    assert "0 orders of 0 customers earned 0 points" in out
    assert balance(customer) == 120
    assert LedgerEntry.objects.filter(rule__why="history").count() == 2
    # Silent: nobody is told of points for what happened long ago.
    assert Event.objects.filter(type="points.earned").count() == 1


def test_history_needs_a_store_whose_programme_is_on(store):
    with pytest.raises(CommandError, match="no store"):
        call_command("award_history", "nowhere")
    make_program(store, active=False)
    with pytest.raises(CommandError, match="switched off"):
        call_command("award_history", store.slug)


def test_history_can_be_awarded_right_after_the_store_was_connected(store, customer):
    make_order(store, customer, total=Decimal("200.00"), date_completed_gmt=NOW)
    make_order(store, customer, total=Decimal("50.00"))

    call_command("award_history", store.slug, "--apply", verbosity=0)
    usable.release(store, NOW + timedelta(days=15))

    # What has not arrived yet waits.
    assert Account.objects.get(customer=customer).pending == 5
    assert balance(customer) == 20  # a rupee store begins with a point for each ₹10


def test_a_refund_of_awarded_history_takes_it_back(program, store, customer):
    order = make_order(store, customer)
    call_command("award_history", store.slug, "--apply", verbosity=0)

    refund(order, "100.00")
    happens("order.refunded", order)

    assert balance(customer) == 0
    assert not LineItem.objects.exists()  # points follow the order's own amounts


def test_the_account_of_one_store_is_never_moved_by_another(program, store, customer):
    other = make_store()
    make_program(other)
    order = make_order(store, customer)
    make_account(customer, 10)

    assert earning.settle(other, [order.pk], history=True) == []
    assert balance(customer) == 10


def test_a_payment_that_is_heard_of_before_the_connection_earns_as_well():
    store = make_store(connected_at=NOW)
    order = make_order(store, make_customer(store))

    happens("order.paid", order)

    assert LedgerEntry.objects.filter(order=order, kind=Kind.EARN).exists()
