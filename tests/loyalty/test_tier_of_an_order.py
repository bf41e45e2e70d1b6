"""An order earns by the tier that its customer was in when it was placed, whichever of its handlers comes first."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from crm.events import recording
from crm.events.models import Event
from crm.messaging.models import Message
from crm.orders.customers import join_guest
from crm.work import drain
from loyalty import display, earning, explaining, members, receivers, tiers
from loyalty.models import Account, LedgerEntry, TierStanding
from tests.factories import make_customer, make_guest, make_line, make_order, make_product, make_program, make_tier

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def program(store):
    program = make_program(store, tier_window="rolling")
    make_tier(program, "Silver", 500, multiplier=Decimal(2))
    make_tier(program, "Gold", 1000, multiplier=Decimal(3))
    tiers.settle_campaigns(program)
    return program


@pytest.fixture
def customer(store, program):
    return make_customer(store, email="asha@mail.example")


def buy(customer, total, placed_at, product=None):
    order = make_order(
        customer.store, customer, total=Decimal(total), date_created_gmt=placed_at, date_paid_gmt=timezone.now()
    )
    make_line(order, product, total=Decimal(total), subtotal=Decimal(total))
    event = recording.record(
        "order.paid", order.store, order.woo_id, customer=customer, order=order, occurred_at=order.date_paid_gmt
    )
    return order, event


def earned(order):
    return sum(LedgerEntry.objects.filter(order=order, kind="earn").values_list("points", flat=True))


@pytest.mark.parametrize("news", ["order.updated", "order.restored", "refund.deleted"])
def test_what_brings_spend_without_points_lifts_at_once_too(store, program, customer, news):
    """The order's points are at their limit: nobody hears of points that were earned."""
    type(program).objects.update(cap_order=10)
    order, _event = buy(customer, 400, timezone.now())
    drain.drain_all()
    assert not TierStanding.objects.exists()
    type(order).objects.filter(pk=order.pk).update(total=1200)
    recording.record(news, store, f"{order.woo_id}:2", customer=customer, order=order, occurred_at=timezone.now())

    drain.drain_all()

    assert TierStanding.objects.get().tier.name == "Gold"
    assert Message.objects.filter(kind="tier-reached").count() == 1


@pytest.mark.parametrize("handlers", [("settle_points", "lift_tiers"), ("lift_tiers", "settle_points")])
@pytest.mark.parametrize("shops_clock", [0, 5])
def test_the_order_that_lifts_earns_what_the_cart_showed(store, program, customer, handlers, shops_clock):
    product = make_product(store)
    buy(customer, 600, timezone.now() - timedelta(minutes=20))
    drain.drain_all()
    TierStanding.objects.get(tier__name="Silver")
    customer.tier_changes.update(at=timezone.now() - timedelta(minutes=19))
    wanted = [display.Wanted(str(product.woo_id), Decimal(700))]

    def shown():
        return display.earns(program, wanted, timezone.now(), display.reader(program, customer.woo_id))

    promised = shown()
    order, event = buy(customer, 700, timezone.now() + shops_clock * MINUTE, product)
    assert earning.expected(order, program) == promised

    for name in handlers:
        getattr(receivers, name)([event])

    assert TierStanding.objects.get().tier.name == "Gold"
    assert (promised, earned(order), shown()) == (1400, 1400, 2100)
    said = " ".join(explaining.explain(LedgerEntry.objects.get(order=order)))
    assert "× 2 (Silver)" in said and "Gold" not in said


def test_a_tier_that_was_left_and_renamed_counts_for_what_was_placed_in_it(store, program, customer):
    buy(customer, 1000, timezone.now() - timedelta(minutes=20))
    drain.drain_all()
    placed_at = timezone.now()
    members.leave(program, customer, members.Way.PORTAL, placed_at + MINUTE)
    tiers.leave(store, [customer.pk], placed_at + MINUTE)
    program.tiers.filter(name="Gold").update(name="Diamond")
    before, _event = buy(customer, 100, placed_at)

    drain.drain_all()

    assert Account.objects.get().tier == ""
    assert earned(before) == 300


@pytest.mark.parametrize("of_their_own", [0, 500])
@pytest.mark.parametrize("handlers", [("settle_points", "merge_members"), ("merge_members", "settle_points")])
def test_a_guests_tier_counts_for_the_customer_that_the_guest_became(store, program, customer, handlers, of_their_own):
    guest = make_guest(store, email=customer.email)
    buy(guest, 1000, timezone.now() - timedelta(minutes=20))
    if of_their_own:
        # In Silver, where the guest is in Gold.
        buy(customer, of_their_own, timezone.now() - timedelta(minutes=20))
    drain.drain_all()
    order, paid = buy(guest, 100, timezone.now())
    join_guest(store, guest.email, timezone.now())
    joined = Event.objects.get(type="customer.joined")

    for name in handlers:
        getattr(receivers, name)([paid if name == "settle_points" else joined])

    assert earned(order) == 300
