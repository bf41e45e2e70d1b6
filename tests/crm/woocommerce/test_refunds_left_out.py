"""Shops whose orders name no refunds: what was refunded is found all the same, and points are what they are anywhere."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db.models import F

from crm.events.models import Event
from crm.orders.models import Order, Refund
from crm.woocommerce import rereads, sync
from crm.woocommerce.models import Drift, OrderDay, SyncState
from crm.woocommerce.sync import Mode
from crm.work import drain
from loyalty.models import Account
from postpurchase.demo import server
from tests.factories import NOW, make_program

from .test_webhooks import deliver

pytestmark = pytest.mark.django_db
EMAIL = "meera@mail.example"


@pytest.fixture(params=[True, False], ids=["refunds named", "refunds left out"])
def demo(request):
    shop = server.small_shop()
    shop.names_refunds = request.param
    with server.running(shop) as demo:
        yield demo


@pytest.fixture
def bought(demo, shop_store):
    """A paid order with two lines of a guest, placed after the shop was connected."""
    make_program(shop_store)
    sync.run(shop_store)
    goods = [row["id"] for row in demo.shop.rows["products"].values() if row["type"] == "simple"][:2]
    placed = demo.shop.place_order(email=EMAIL, lines=[(goods[0], 2), (goods[1], 1)])
    demo.shop.pay(placed["id"])
    catch_up(shop_store)
    return Order.objects.get(woo_id=placed["id"])


def catch_up(store, mode=Mode.CHANGES):
    sync.run(store, mode=mode)
    drain.drain_all(at=datetime.now(UTC) + timedelta(minutes=1))


def points():
    return Account.objects.get(customer__email=EMAIL).balance


def long_ago():
    """Put the polls' overlap behind everything, so that each reads only what changes from here on."""
    SyncState.objects.exclude(resource="refunds").update(cursor=datetime.now(UTC) + timedelta(hours=1))


def told_by_webhook(demo, store, order):
    body = json.dumps(demo.payload("order", order.woo_id)).encode()
    assert deliver(store, body, X_WC_Webhook_Source=f"{demo.url}/").status_code == 200
    drain.drain_all(at=datetime.now(UTC) + timedelta(minutes=1))


def told(type):
    return Event.objects.filter(type=type).count()


def test_a_refund_takes_its_points_stays_while_the_order_changes_and_gives_them_back_once_it_is_deleted(
    demo, shop_store, bought
):
    worth = points()
    refund = demo.shop.refund(bought.woo_id, lines={bought.line_items.get(quantity=2).woo_id: 1})
    catch_up(shop_store)
    less = points()
    demo.shop.update_order(bought.woo_id, customer_note="Ring twice")
    catch_up(shop_store)
    catch_up(shop_store, Mode.COMPARE)
    after_changes = points()
    drift = list(Drift.objects.filter(resource="orders", amount__gt=0))
    days = list(OrderDay.objects.exclude(shop_total=F("mirror_total")))
    held = Refund.objects.get(order=bought)
    bought.refresh_from_db()
    refunded = bought.refunded_total
    long_ago()
    demo.shop.delete_refund(refund["id"])
    catch_up(shop_store)
    unseen = points()
    catch_up(shop_store, Mode.COMPARE)
    bought.refresh_from_db()

    assert 0 < less < worth and after_changes == unseen == less
    assert refunded == held.amount == Decimal(refund["amount"]) and held.lines_synced_at
    assert not drift and not days
    assert (points(), bought.refunded_total, bought.refunds.count()) == (worth, 0, 0)
    assert (told("order.refunded"), told("refund.itemised"), told("refund.deleted")) == (1, 1, 1)


def test_a_refund_is_found_after_a_webhook_that_does_not_name_it(demo, shop_store, bought):
    """The poll that follows finds the order unchanged: the webhook has told of it already."""
    worth = points()
    long_ago()
    demo.shop.refund(bought.woo_id, amount="50.00")
    told_by_webhook(demo, shop_store, bought)

    catch_up(shop_store)

    assert Refund.objects.get(order=bought).amount == 50 and points() < worth


def test_an_order_that_turns_refunded_has_its_refunds_read_at_once(demo, shop_store, bought):
    demo.shop.refund(bought.woo_id)
    told_by_webhook(demo, shop_store, bought)

    bought.refresh_from_db()
    assert bought.refunded_total == bought.total > 0 and points() == 0


def test_refunds_cost_one_more_request_however_many_orders_changed(demo, shop_store):
    refunded = [row["id"] for row in demo.shop.rows["orders"].values() if row["status"] == "completed"][:6]
    for order in refunded[:5]:
        demo.shop.refund(order, amount="1.00")
    sync.run(shop_store)
    catch_up(shop_store)
    for order in refunded:
        demo.shop.update_order(order, customer_note="Ring twice")
    demo.shop.requests.clear()

    catch_up(shop_store)
    polled = [row["path"] for row in demo.shop.requests if "refunds" in row["path"]]
    demo.shop.requests.clear()
    sync.run(shop_store, mode=Mode.COMPARE)
    compared = [row["path"] for row in demo.shop.requests if "refunds" in row["path"]]

    if demo.shop.names_refunds:
        assert polled == compared == ["/wp-json/wc/v3/refunds"]
    else:
        # For those that were refunded before, one each when they change.
        assert len(polled) == 6
    assert len(compared) <= 3 and set(compared) == {"/wp-json/wc/v3/refunds"}
    assert Refund.objects.count() == len(demo.shop.rows["refunds"])


@pytest.mark.parametrize("is_poll", [True, False], ids=["by a poll", "read again"])
def test_what_was_refunded_stays_when_the_order_is_deleted(demo, shop_store, bought, is_poll):
    """The list of its refunds is empty then, as if they had all been deleted."""
    demo.shop.refund(bought.woo_id, amount="50.00")
    told_by_webhook(demo, shop_store, bought)
    catch_up(shop_store)
    held = Refund.objects.filter(order=bought)
    worth = points()
    demo.shop.delete(bought.woo_id)
    if is_poll:
        held.update(lines_synced_at=None)
        sync.run(shop_store)
    else:
        rereads.ask([(shop_store.pk, rereads.REFUNDS, bought.woo_id)], NOW)
        drain.drain_all(at=datetime.now(UTC) + timedelta(minutes=1))

    assert held.count() == 1 and points() == worth
    assert not Event.objects.filter(type="refund.deleted").exists()
