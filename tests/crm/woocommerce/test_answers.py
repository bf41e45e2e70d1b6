"""What the shop answers when it is asked for an object is true, whatever dates say; what a webhook tells late is not."""

from datetime import UTC, datetime, timedelta

import pytest

from crm.orders.models import Coupon, Customer, Order, Product
from crm.woocommerce import answers, rereads, saving, sync
from crm.woocommerce.models import Drift
from crm.woocommerce.sync import Mode
from crm.work import drain
from postpurchase.demo.state import stamp
from tests.factories import NOW, make_store

from .payloads import order

pytestmark = pytest.mark.django_db
EARLY, LATE = "2026-06-15T12:00:00", "2026-06-15T14:00:00"


def an_hour_back(shop_store_at):
    """A shop that was read while its clock was an hour fast, by when everything in it had been changed; now it is put right."""
    demo, store, clock = shop_store_at(hours=1)
    shop = demo.shop
    shop.add_coupon(code="CHAI", discount_type="percent", amount="5")
    sync.run(store)
    found = (
        next(row["id"] for row in shop.rows["orders"].values() if row["status"] == "processing"),
        next(iter(shop.rows["coupons"])),
        next(row["id"] for row in shop.rows["products"].values() if row["status"] == "publish"),
    )
    change(shop, found, "fast")
    sync.run(store)
    clock[0] -= timedelta(hours=1)
    return demo, store, found


def change(shop, found, word):
    order, coupon, product = found
    shop.update_order(order, customer_note=word)
    # As the back office does; the REST API leaves the date alone.
    shop.update_coupon(coupon, description=word)["date_modified_gmt"] = stamp(shop.now())
    shop.update_product(product, name=word)


def held(found):
    order, coupon, product = found
    return (
        Order.objects.get(woo_id=order).customer_note,
        Coupon.objects.get(woo_id=coupon).description,
        Product.objects.get(woo_id=product).name,
    )


def test_comparison_finds_what_changed_since_the_clock_was_set_back(shop_store_at):
    demo, store, found = an_hour_back(shop_store_at)
    change(demo.shop, found, "right")
    placed = demo.shop.place_order(email="someone@shop.example")["id"]

    for _ in range(2):
        sync.run(store)
    assert Order.objects.filter(woo_id=placed).exists()
    # Their older dates hide these from a poll: later ones might be behind them.
    assert held(found) == ("fast", "fast", "fast")

    sync.run(store, mode=Mode.COMPARE)

    assert held(found) == ("right", "right", "right")


def test_what_is_read_again_is_believed_though_its_date_is_older(shop_store_at):
    demo, store, found = an_hour_back(shop_store_at)
    change(demo.shop, found, "right")
    resources = ("orders", "coupons", "products")

    rereads.ask([(store.pk, resource, number) for resource, number in zip(resources, found, strict=True)], NOW)
    drain.drain_all()

    assert held(found) == ("right", "right", "right")


def test_what_came_in_while_the_shop_was_asked_is_not_overwritten_by_an_older_answer():
    store = make_store()
    saving.save_orders(store, [order(5, EARLY), order(6, LATE)], NOW)
    dates = answers.dates_held(store, "orders", [5, 6, 7])
    saving.save_orders(store, [order(5, LATE, status="completed"), order(7, LATE, status="completed")], NOW)

    answers.save_answer(store, "orders", [order(number, EARLY, status="on-hold") for number in (5, 6, 7)], NOW, dates)

    assert dict(Order.objects.values_list("woo_id", "status")) == {5: "completed", 6: "on-hold", 7: "completed"}
    assert Order.objects.get(woo_id=6).date_modified_gmt == datetime(2026, 6, 15, 12, tzinfo=UTC)


def test_a_late_webhook_changes_nothing_of_what_was_read():
    store = make_store()
    saving.save_orders(store, [order(6, LATE)], NOW)
    answers.save_answer(
        store, "orders", [order(6, EARLY, status="on-hold")], NOW, answers.dates_held(store, "orders", [6])
    )

    saving.save_orders(store, [order(6, "2026-06-15T11:00:00")], NOW)

    assert Order.objects.get().status == "on-hold"


def test_comparison_does_not_trust_an_equal_date_that_no_poll_has_read_since(shop_store_at):
    """Two changes of one second, of which only the webhook of the first one came; then nobody polled for an hour."""
    demo, store, clock = shop_store_at()
    shop = demo.shop
    number = shop.place_order(email="someone@shop.example")["id"]
    product = shop.add_product(name="Chai", regular_price="90")["id"]
    buyer = shop.add_customer(email="anyone@shop.example")["id"]
    sync.run(store)
    clock[0] += timedelta(hours=1)
    shop.update_order(number, customer_note="first")
    shop.update_product(product, name="First")
    shop.update_customer(buyer, first_name="First")
    saving.save_orders(store, [demo.payload("order", number)], NOW)
    saving.save_products(store, [demo.payload("product", product)], NOW)
    saving.save_customers(store, [demo.payload("customer", buyer)], NOW)
    shop.update_order(number, customer_note="second")
    shop.update_product(product, name="Second")
    shop.update_customer(buyer, first_name="Second")
    clock[0] += timedelta(hours=1)

    sync.run(store, mode=Mode.COMPARE)

    assert Order.objects.get(woo_id=number).customer_note == "second"
    assert Product.objects.get(woo_id=product).name == "Second"
    assert Customer.objects.get(woo_id=buyer).first_name == "Second"
    drift = dict(Drift.objects.filter(store=store).values_list("resource", "stale"))
    assert (drift["orders"], drift["products"], drift["customers"]) == (1, 1, 1)
