"""One of three lines is sent back: from the shop's refund to what customer, staff and programs are shown."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from crm.orders.models import Order, Product
from crm.woocommerce import sync
from crm.work import drain
from loyalty.models import Account, EarningRule, LedgerEntry, Program
from postpurchase.demo import server
from tests.factories import make_earning_rule, make_program, make_staff, make_store, sign_in

pytestmark = pytest.mark.django_db
RATES = [Decimal("0.1"), Decimal("0.5"), Decimal(2)]


def words(response):
    assert response.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


@pytest.fixture
def bought():
    """The shop, its store, and an order of three lines that earn by three rates."""
    # Its clock is ahead: shops' times are whole seconds, and the order is to be placed after the rules were made.
    shop = server.small_shop(now=lambda: timezone.now() + timedelta(seconds=2))
    with server.running(shop) as demo:
        keys = {"consumer_key": demo.key, "consumer_secret": demo.secret, "insecure": True}
        # What was bought before is history.
        now = timezone.now().replace(microsecond=0)
        store = make_store(slug="masala", url=demo.url, announce_from=now, **keys)
        make_program(store, rate=RATES[0], starts_at=now)
        sync.run(store)
        goods = [row for row in shop.rows["products"].values() if row["type"] == "simple" and row["price"]][:3]
        for product, rate in zip(goods[1:], RATES[1:], strict=True):
            make_earning_rule(Product.objects.get(store=store, woo_id=product["id"]), rate)
        customer = next(iter(shop.rows["customers"].values()))
        order = shop.place_order(email=customer["email"], lines=[(product["id"], 2) for product in goods])
        shop.pay(order["id"])
        follow(store)
        yield shop, store, order


def follow(store):
    sync.run(store)
    drain.drain_all()


def test_a_refunded_line_takes_back_its_own_points_at_the_rate_they_were_earned(bought, client, api_client):
    shop, store, order = bought
    earned = LedgerEntry.objects.get(store=store, kind="earn")
    by_line = {line["line"]: line["points"] for line in earned.rule["lines"]}
    exact = [Decimal(line["total"]) * rate for line, rate in zip(order["line_items"], RATES, strict=True)]
    assert earned.points == sum(by_line.values()) == int(sum(exact))
    # What the shop promises later changes nothing of what was promised then.
    Program.objects.update(rate=Decimal(7))
    EarningRule.objects.update(rate=Decimal(9))
    line = order["line_items"][1]
    shop.refund(order["id"], lines={line["id"]: line["quantity"]})

    follow(store)
    follow(store)

    taken = LedgerEntry.objects.get(store=store, kind="reverse")
    assert taken.points == -by_line[str(line["id"])]
    assert abs(taken.points + exact[1]) < 1
    left, held = earned.points + taken.points, Order.objects.get(store=store, woo_id=order["id"])
    assert Account.objects.get(store=store).balance == left
    sum_ = f"× {RATES[1]} = 0; points: 0."

    # The customer's order page and statement,
    sign_in(client, order["billing"]["email"])
    shown = words(client.get(f"/s/masala/orders/{held.number}/"))
    assert f"You have earned {left:,} points with this order." in shown
    assert f"+{earned.points:,}" in shown and f"{taken.points:,}" in shown
    assert f"{line['name']}: ₹0.00 {sum_}" in shown
    shown = words(client.get("/s/masala/points/"))
    assert f"Refund of order {held.number}" in shown and sum_ in shown

    # the API,
    said = api_client(store).get(f"/api/v1/loyalty/entries/?order={taken.order_id}&kind=reverse").json()["results"]
    assert [entry["points"] for entry in said] == [taken.points]
    assert any(sum_ in sentence for sentence in said[0]["explanation"])

    # and staff's pages.
    client.force_login(make_staff(store))
    shown = words(client.get(f"/admin/orders/order/{held.pk}/change/"))
    assert f"Order {held.number} has earned: {left:,}" in shown
    assert sum_ in words(client.get(f"/admin/loyalty/ledgerentry/{taken.pk}/change/"))
