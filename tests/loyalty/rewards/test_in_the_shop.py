"""Codes all the way through a shop: it makes the coupon, sells an order with it, and the mirror tells what became of that."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from crm.orders.models import Customer
from crm.woocommerce import sync
from crm.work import drain
from loyalty import gifts
from loyalty.models import Redemption
from postpurchase.demo import server
from tests.factories import make_account, make_program, make_reward, make_store

from .taking import balance, redeem

pytestmark = pytest.mark.django_db


@pytest.fixture
def sold():
    """A shop, and a customer of it with 250 points that no order adds to."""
    # Its clock is ahead: shops' times are whole seconds, and what was bought before is history.
    shop = server.small_shop(now=lambda: timezone.now() + timedelta(seconds=2))
    with server.running(shop) as demo:
        now = timezone.now().replace(microsecond=0)
        keys = {"consumer_key": demo.key, "consumer_secret": demo.secret, "insecure": True}
        store = make_store(slug="masala", url=demo.url, currency=shop.currency, announce_from=now, **keys)
        make_program(store, rate=Decimal("0.000001"), starts_at=now)
        sync.run(store)
        customer = Customer.objects.filter(store=store, woo_id__in=shop.rows["customers"]).earliest("pk")
        yield shop, make_account(customer, 250)


def follow(account):
    sync.run(account.store)
    drain.drain_all()


def buy(shop, account, code, quantity=1):
    """An order of goods with the code, paid."""
    product = next(row for row in shop.rows["products"].values() if row["type"] == "simple" and row["price"])
    order = shop.place_order(email=account.customer.email, lines=[(product["id"], quantity)], coupon=code)
    shop.pay(order["id"])
    follow(account)
    return order


def test_points_come_back_when_the_shop_refunds_all_of_the_order(sold):
    shop, account = sold
    redemption = redeem(account, make_reward(account.store, 100, amount=1))
    drain.drain_all()
    order = buy(shop, account, redemption.code)
    redemption.refresh_from_db()
    assert (redemption.state, balance(account)) == (Redemption.State.USED, 150)

    shop.refund(order["id"])
    follow(account)

    assert shop.order(order["id"])["status"] == "refunded"
    assert balance(account) == 250


def test_points_come_back_in_part_when_the_shop_refunds_a_part_of_the_order(sold):
    shop, account = sold
    redemption = redeem(account, make_reward(account.store, 100, amount=1))
    drain.drain_all()
    order = buy(shop, account, redemption.code, quantity=3)
    [line] = order["line_items"]

    part = shop.refund(order["id"], lines={line["id"]: 1})
    follow(account)
    assert (shop.order(order["id"])["status"], balance(account)) == ("processing", 183)

    shop.delete_refund(part["id"])
    shop.update_order(order["id"])
    follow(account)
    assert balance(account) == 150


def test_a_gift_card_pays_two_orders(sold):
    shop, account = sold
    card = redeem(account, make_reward(account.store, 100, kind="gift_card", amount=5000), gift=gifts.Wish("", ""))
    drain.drain_all()
    order = buy(shop, account, card.code)
    took = Decimal(order["coupon_lines"][0]["discount"])
    rest = card.rests.get()
    assert Decimal(rest.terms["amount"]) == 5000 - took > 0
    buy(shop, account, rest.code)
    rest.refresh_from_db()
    assert (rest.state, Decimal(card.rests.latest("pk").terms["amount"])) == (Redemption.State.USED, 5000 - 2 * took)

    shop.refund(order["id"])
    follow(account)

    back = card.rests.latest("pk")
    assert (Decimal(back.terms["amount"]), shop.coupon_by_code(back.code)["usage_count"]) == (took, 0)
    assert balance(account) == 150
