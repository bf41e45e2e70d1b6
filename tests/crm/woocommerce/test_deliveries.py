"""Kept deliveries end in the mirror, whatever their order, and a deletion is looked up before it is believed."""

import base64
import json
import random
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crm.events.models import Event
from crm.orders.models import Coupon, Customer, Order, Product
from crm.woocommerce.models import KeptAside, Reread, WebhookDelivery
from crm.work import drain
from tests.factories import NOW, make_customer, make_delivery, make_order, make_product, make_store

from .payloads import order
from .recordings import FOLDER, body, recording
from .server import Reply, serving

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop():
    """A store, and what its shop answers by path; 404 for all else."""
    answers = {}

    def answer(request):
        path = request["path"].removeprefix("/wp-json/wc/v3/")
        return answers.get(path) or not_found("order-deleted-get-404")

    with serving(answer) as server:
        server.store = make_store(url=server.url, insecure=True, signing="oauth")
        server.answers = answers
        yield server


def not_found(name):
    answer = recording(name)
    return Reply(answer["body"], answer["status"])


def deliver_recordings(store):
    for path in sorted((FOLDER / "webhook-deliveries").glob("*.json")):
        delivery = json.loads(path.read_text())
        topic = dict(delivery["headers"]).get("X-WC-Webhook-Topic")
        if topic:
            make_delivery(store, body=base64.b64decode(delivery["body_b64"]), topic=topic, state="due", attempts=1)


def test_every_recorded_delivery_is_applied():
    store = make_store()
    deliver_recordings(store)

    drain.drain(WebhookDelivery)

    assert set(WebhookDelivery.objects.values_list("state", "error")) == {("done", "")}
    assert not KeptAside.objects.exists()
    assert Order.objects.count() >= 5
    assert Product.objects.exists() and Customer.objects.exists() and Coupon.objects.exists()
    asked = {(row.resource, row.woo_id) for row in Reread.objects.all()}
    assert ("coupons", 418) in asked
    assert {resource for resource, _woo_id in asked} == {"orders", "customers", "products", "coupons", "notes"}


def test_the_order_of_arrival_does_not_matter():
    times = ["2026-06-15T12:00:00", "2026-06-15T12:00:05", "2026-06-15T12:01:00"]
    versions = [
        order(77, at=times[0], status="pending", date_modified_gmt=times[0]),
        order(77, at=times[0], status="processing", date_modified_gmt=times[1]),
        order(77, at=times[0], status="completed", date_modified_gmt=times[2]),
    ]
    for seed in range(6):
        store = make_store()
        deliveries = random.Random(seed).sample(versions, 3) + random.Random(seed).choices(versions, k=2)
        for payload in deliveries:
            make_delivery(store, payload, attempts=1)
            if seed % 2:
                drain.drain(WebhookDelivery)
        drain.drain(WebhookDelivery)

        assert Order.objects.get(store=store).status == "completed"


def test_a_delivery_applied_twice_tells_of_one_payment():
    store = make_store()
    for topic in ("order.created", "order.updated", "order.updated"):
        make_delivery(store, order(77), topic)
        drain.drain(WebhookDelivery)

    assert Event.objects.filter(store=store, type="order.paid").count() == 1


def test_a_batch_of_many_stores_and_resources_lands_in_each_of_them():
    stores = [make_store() for _ in range(3)]
    for store in stores:
        make_delivery(store, order(5))
        make_delivery(store, body("customer-one"), "customer.updated")

    drain.drain(WebhookDelivery)

    for store in stores:
        assert Order.objects.get(store=store).woo_id == 5
        assert Customer.objects.filter(store=store, woo_id=body("customer-one")["id"]).exists()


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"\x00\xff", "no JSON"),
        (b"", "no JSON"),
        (b'{"id":', "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "is no object"),
        (b"null", "is no object"),
        (b'{"code":"woocommerce_rest_cannot_view","message":"Sorry"}', "woocommerce_rest_cannot_view"),
        (b'{"id":"7"}', "is no object"),
        (b'{"id":true}', "is no object"),
        (b'{"id":-1}', "is no object"),
        (b'{"id":9999999999999999999999}', "is no object"),
    ],
)
def test_a_body_that_is_no_object_is_parked_at_once_and_the_rest_is_applied(raw, said):
    store = make_store()
    bad = make_delivery(store, body=raw or b" ")
    good = make_delivery(store, order(77))

    drain.drain(WebhookDelivery)

    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.state, good.state) == ("parked", "done")
    assert said in bad.error.splitlines()[0]
    assert Order.objects.get().woo_id == 77


def test_an_order_that_cannot_be_mirrored_is_kept_aside_and_its_delivery_is_done():
    store = make_store()
    make_delivery(store, order(77, total="NaN"))
    make_delivery(store, order(78, billing={"first_name": "half \ud83c"}))

    drain.drain(WebhookDelivery)

    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {"done"}
    assert KeptAside.objects.get().woo_id == "77"
    assert Order.objects.get().woo_id == 78


@pytest.mark.parametrize("topic", ["action.woocommerce_add_to_cart", "subscription.updated", "", "x.y.z"])
def test_topics_of_others_change_nothing(topic):
    delivery = make_delivery(make_store(), body=b"anything", topic=topic)

    drain.drain(WebhookDelivery)

    delivery.refresh_from_db()
    assert delivery.state == "done"


def test_a_deleted_order_is_looked_up_and_marked(shop):
    row = make_order(shop.store, woo_id=77)
    make_delivery(shop.store, {"id": 77}, "order.deleted")

    drain.drain_all(at=NOW)

    row.refresh_from_db()
    assert row.deleted_at == NOW
    assert [request["path"] for request in shop.requests] == ["/wp-json/wc/v3/orders/77"]
    assert Reread.objects.get().state == "done"


def test_a_trashed_order_is_read_with_its_status(shop):
    row = make_order(shop.store, woo_id=77, status="processing")
    shop.answers["orders/77"] = Reply(order(77, status="trash", date_modified_gmt="2026-06-20T00:00:00"))
    make_delivery(shop.store, {"id": 77}, "order.deleted")

    drain.drain_all(at=NOW)

    row.refresh_from_db()
    assert (row.status, row.deleted_at is not None) == ("trash", True)


def test_a_deletion_under_the_wrong_topic_deletes_nothing(shop):
    product = make_product(shop.store, woo_id=418)
    shop.answers["products/418"] = Reply(
        body("products-list")[0] | {"id": 418, "date_modified_gmt": "2026-06-20T00:00:00"}
    )
    make_delivery(shop.store, {"id": 418}, "product.deleted")  # a coupon was trashed

    drain.drain_all(at=NOW)

    product.refresh_from_db()
    assert product.deleted_at is None


def test_a_restored_order_comes_back_though_its_version_is_the_one_held(shop):
    row = make_order(shop.store, woo_id=77, deleted_at=NOW)
    at = row.date_modified_gmt.strftime("%Y-%m-%dT%H:%M:%S")
    shop.answers["orders/77"] = Reply(order(77, at=at))
    make_delivery(shop.store, order(77, at=at), "order.restored")

    drain.drain_all(at=NOW)

    row.refresh_from_db()
    assert row.deleted_at is None


def test_a_customer_that_is_gone_is_marked(shop):
    customer = make_customer(shop.store, woo_id=9)
    shop.answers["customers/9"] = not_found("customer-404")
    make_delivery(shop.store, {"id": 9}, "customer.deleted")

    drain.drain_all(at=NOW)

    customer.refresh_from_db()
    assert customer.deleted_at == NOW


def test_a_404_of_a_shop_without_its_api_deletes_nothing(shop):
    row = make_order(shop.store, woo_id=77)
    shop.answers["orders/77"] = not_found("err-404-route")
    make_delivery(shop.store, {"id": 77}, "order.deleted")

    drain.drain_all(at=NOW)

    row.refresh_from_db()
    asked = Reread.objects.get()
    assert row.deleted_at is None
    assert asked.state == "due"
    assert "no WooCommerce REST API" in asked.error


def test_hints_of_one_object_are_looked_up_once(shop):
    for n in range(3):
        make_delivery(shop.store, body=b'{"id":77}' + b" " * n, topic="order.deleted")

    drain.drain_all(at=NOW)

    assert len(shop.requests) == 1


def test_a_shop_in_trouble_is_asked_once_and_the_other_objects_wait_with_it(shop, monkeypatch):
    monkeypatch.setattr("crm.woocommerce.client.ATTEMPTS", 1)
    for n in (1, 2, 3):
        shop.answers[f"orders/{n}"] = Reply({"code": "", "message": "busy"}, 503)
        make_delivery(shop.store, {"id": n}, "order.deleted")

    drain.drain_all(at=NOW)

    assert len(shop.requests) == 1
    assert set(Reread.objects.values_list("state", flat=True)) == {"due"}
    assert all(row.due_at > NOW for row in Reread.objects.all())


def test_keys_that_are_revoked_for_a_while_cost_nothing_that_was_to_be_read(shop):
    row = make_order(shop.store, woo_id=1)
    shop.answers["orders/1"] = Reply({"code": "x", "message": ""}, 401)
    make_delivery(shop.store, {"id": 1}, "order.deleted")
    for hours in range(9):
        drain.drain_all(at=NOW + timedelta(hours=hours))
    del shop.answers["orders/1"]

    drain.drain_all(at=NOW + timedelta(hours=10))

    row.refresh_from_db()
    assert row.deleted_at and Reread.objects.get().state == "done"


def test_a_bigger_batch_costs_no_more_statements():
    def cost(count):
        store = make_store()
        for n in range(count):
            make_delivery(store, order(n + 1))
        with CaptureQueriesContext(connection) as queries:
            drain.drain(WebhookDelivery)
        return len(queries)

    assert cost(40) == cost(5)


@pytest.mark.parametrize("last_is_first", [False, True])
@pytest.mark.parametrize("at_once", [False, True])
def test_of_two_versions_of_one_second_the_shop_says_which_is_true(shop, last_is_first, at_once):
    at = "2026-06-15T12:00:00"
    true, stale = order(77, at=at, status="completed"), order(77, at=at, status="processing")
    shop.answers["orders/77"] = Reply(true)

    for version in (true, stale) if last_is_first else (stale, true):
        make_delivery(shop.store, version)
        if not at_once:
            drain.drain(WebhookDelivery)
    drain.drain_all()

    assert Order.objects.get().status == "completed"


def test_what_is_told_late_of_a_deleted_order_does_not_bring_it_back(shop):
    make_delivery(shop.store, {"id": 77}, "order.deleted")
    drain.drain_all()

    make_delivery(shop.store, order(77), "order.created")
    drain.drain_all()
    make_delivery(shop.store, order(77, at="2026-06-15T13:00:00"), "order.updated")
    drain.drain_all()

    assert Order.objects.get(woo_id=77).deleted_at


def test_a_batch_ends_where_its_bodies_get_too_much_for_the_memory(store, monkeypatch):
    for number, size in enumerate((30, 8, 8, 8, 30, 1)):
        make_delivery(store, body=f"{number}".encode() * size, due_at=NOW + timedelta(seconds=number))
    monkeypatch.setattr(WebhookDelivery, "MAX_WEIGHT", 20)

    batches = [[len(row.body) for row in drain.claim(WebhookDelivery, NOW + timedelta(minutes=1))] for _ in range(4)]

    assert batches == [[30], [8, 8], [8], [30]]
