"""Deliveries: signed, collapsed, never repeated, and switched off after seven failures."""

import base64
import hashlib
import hmac
import json

import pytest

SECRET = "s3cret & <é>"


@pytest.fixture
def hooked(demo, rest, listener):
    """The shop with webhooks for orders, after their pings."""
    for topic in ("order.created", "order.updated", "order.deleted"):
        rest.post("webhooks", {"topic": topic, "delivery_url": listener.url, "secret": SECRET})
    assert demo.settle()
    return demo


def test_saving_a_webhook_pings_it_unsigned(hooked, listener):
    assert [heard["body"] for heard in listener.heard] == [b"webhook_id=1", b"webhook_id=2", b"webhook_id=3"]
    assert not any(name.startswith("X-WC") for heard in listener.heard for name in heard["headers"])


def test_an_order_is_told_with_a_signature_over_the_raw_body(hooked, listener, rest):
    del listener.heard[:]
    order = rest.post("orders", {"billing": {"first_name": "आशा", "email": "asha@mail.example"}})
    assert hooked.settle()

    assert listener.topics() == ["order.created", "order.updated"]
    for heard in listener.heard:
        digest = hmac.new(SECRET.encode(), heard["body"], hashlib.sha256).digest()
        assert heard["headers"]["X-WC-Webhook-Signature"] == base64.b64encode(digest).decode()
        assert heard["headers"]["X-WC-Webhook-Source"] == hooked.url + "/"
    told = json.loads(listener.heard[0]["body"])
    assert told["id"] == order["id"] and told["billing"]["first_name"] == "आशा"
    assert set(told) == set(order)


def test_a_trashed_order_is_told_by_its_id_alone_and_comes_back_silently(hooked, listener, shop):
    order = shop.place_order()
    hooked.settle()
    del listener.heard[:]

    shop.trash(order["id"])
    hooked.settle()
    assert [heard["body"] for heard in listener.heard] == [b'{"id":%d}' % order["id"]]

    shop.untrash(order["id"])
    shop.delete(order["id"])
    hooked.settle()
    assert len(listener.heard) == 1


def test_a_draft_that_becomes_an_order_is_created_twice(hooked, listener, shop):
    del listener.heard[:]
    order = shop.place_order(status="checkout-draft")
    hooked.settle()
    shop.pay(order["id"])
    hooked.settle()

    assert listener.topics() == ["order.created", "order.created", "order.updated"]


def test_quick_changes_collapse_into_one_that_shows_the_last(hooked, listener, shop):
    order = shop.place_order()
    hooked.settle()
    del listener.heard[:]

    with shop.lock:
        for note in ("one", "two", "three"):
            shop.update_order(order["id"], customer_note=note)
    hooked.settle()

    assert json.loads(listener.heard[-1]["body"])["customer_note"] == "three"
    assert len(listener.heard) <= 2


def test_the_seventh_failure_in_a_row_disables_and_nothing_is_repeated(hooked, listener, shop, rest):
    order = shop.place_order()
    hooked.settle()
    listener.status = 500
    del listener.heard[:]
    for number in range(1, 9):
        shop.update_order(order["id"])
        hooked.settle()
        assert rest.get("webhooks/2")["status"] == ("active" if number < 7 else "disabled")

    assert listener.topics().count("order.updated") == 7

    listener.status = 200
    rest.put("webhooks/2", {"status": "active"})
    listener.status = 500
    shop.update_order(order["id"])
    hooked.settle()
    assert rest.get("webhooks/2")["status"] == "disabled"  # the count was not reset


def test_a_redirect_counts_as_delivered_and_is_not_followed(hooked, listener, shop):
    listener.status = 302
    del listener.heard[:]
    for _ in range(8):
        shop.place_order()
        hooked.settle()

    assert {heard["path"] for heard in listener.heard} == {"/hook"}
    assert shop.rows["webhooks"][2]["status"] == "active"


def test_trashing_a_product_also_tells_of_a_deleted_coupon(demo, listener, shop):
    for topic in ("coupon.deleted", "product.deleted"):
        shop.add_webhook(topic, listener.url, SECRET)
    demo.settle()
    del listener.heard[:]
    shop.trash_product(shop.first_product()["id"])
    demo.settle()

    assert listener.topics() == ["coupon.deleted", "product.deleted"]


def test_what_is_gone_by_delivery_time_is_told_as_an_error(hooked, listener, shop):
    del listener.heard[:]
    with shop.lock:
        order = shop.place_order()
        shop.delete(order["id"])
    hooked.settle()

    assert {json.loads(heard["body"])["code"] for heard in listener.heard} == {"woocommerce_rest_shop_order_invalid_id"}


def test_a_secret_is_never_shown(hooked, rest):
    assert SECRET not in rest.send("GET", "webhooks").text
