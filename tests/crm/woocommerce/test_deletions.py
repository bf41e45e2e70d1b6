"""What leaves a shop, and what comes back: a fact each time, and points, mails and pages follow."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from crm.events.models import Event
from crm.messaging.models import Message
from crm.orders.models import Category, Customer, Order, Refund
from crm.shipping import parcels
from crm.shipping.models import Shipment
from crm.woocommerce import sync
from crm.woocommerce.models import Drift, SyncState
from crm.woocommerce.saving import save_orders
from crm.woocommerce.sync import Mode
from crm.work import drain
from loyalty.models import Account
from postpurchase.demo import server
from tests.factories import NOW, make_program, make_staff, sign_in

from .payloads import order as order_payload
from .payloads import summary

pytestmark = pytest.mark.django_db
EMAIL = "meera@mail.example"


@pytest.fixture
def demo():
    with server.running(server.small_shop()) as demo:
        yield demo


@pytest.fixture
def bought(demo, shop_store):
    """A paid order of a guest with its points, placed after the shop was connected."""
    make_program(shop_store)
    sync.run(shop_store)
    shop = demo.shop
    product = next(row for row in shop.rows["products"].values() if row["type"] == "simple")
    placed = shop.place_order(email=EMAIL, lines=[(product["id"], 2)])
    shop.pay(placed["id"])
    sync.run(shop_store)
    drain.drain_all()
    return Order.objects.get(woo_id=placed["id"])


def facts(*types):
    return [
        (event.type, event.data) for event in Event.objects.filter(type__in=types).order_by("pk").only("type", "data")
    ]


def points():
    return Account.objects.get(customer__email=EMAIL).balance


def poll(store, mode=Mode.CHANGES):
    sync.run(store, mode=mode)
    drain.drain_all()


def test_trashing_restoring_and_trashing_again_are_three_facts_and_points_follow(demo, shop_store, bought):
    worth = points()
    seen = []

    for act in (demo.shop.trash, demo.shop.untrash, demo.shop.trash):
        act(bought.woo_id)
        # The shop's dates are whole seconds; a comparison sees what a poll of the same second can't tell from before.
        poll(shop_store)
        poll(shop_store, Mode.COMPARE)
        seen.append(points())

    told = [(type, data.get("how")) for type, data in facts("order.deleted", "order.restored")]
    assert told == [("order.deleted", "trashed"), ("order.restored", None), ("order.deleted", "trashed")]
    assert worth > 0
    assert seen == [0, worth, 0]


def test_a_poll_finds_what_was_restored_without_a_webhook(demo, shop_store, bought):
    worth = points()
    demo.shop.trash(bought.woo_id)
    poll(shop_store)
    before = demo.shop.rows["orders"][bought.woo_id]["date_modified_gmt"]
    demo.shop.untrash(bought.woo_id)
    later = datetime.fromisoformat(before) + timedelta(seconds=1)
    demo.shop.rows["orders"][bought.woo_id]["date_modified_gmt"] = later.isoformat()

    poll(shop_store)

    bought.refresh_from_db()
    assert bought.deleted_at is None
    assert points() == worth
    assert [type for type, _data in facts("order.restored")] == ["order.restored"]


def test_an_order_gone_for_good_is_found_by_comparison_and_told_once(demo, shop_store, bought):
    demo.shop.delete(bought.woo_id)

    for _ in range(2):
        poll(shop_store, Mode.COMPARE)

    [(_type, data)] = facts("order.deleted")
    assert data == {
        "number": bought.number,
        "total": str(bought.total),
        "currency": "INR",
        "status": "processing",
        "how": "gone",
    }
    assert points() == 0


def test_history_that_is_trashed_and_restored_tells_no_more_than_that(demo, shop_store):
    shop = demo.shop
    old = next(row for row in shop.rows["orders"].values() if row["status"] == "completed")
    shop_store.announce_from = shop.now()
    shop_store.save()
    sync.run(shop_store)
    parcels.read_history_of(shop_store, shop.now() + timedelta(minutes=5))

    for act in (shop.trash, shop.untrash):
        act(old["id"])
        poll(shop_store)
        poll(shop_store, Mode.COMPARE)

    told = Event.objects.filter(order__woo_id=old["id"]).order_by("pk").values_list("type", flat=True)
    assert list(told) == ["order.deleted", "order.restored"]
    assert not Message.objects.exists()


@pytest.mark.parametrize("is_compared", [True, False], ids=["by comparison", "by reading the changed order"])
def test_a_deleted_refund_is_told_and_its_points_come_back(demo, shop_store, bought, is_compared):
    worth = points()
    refund = demo.shop.refund(bought.woo_id, amount="100.00")
    poll(shop_store)
    less = points()
    # Long ago, so that the overlap of the polls does not read the order anyway.
    SyncState.objects.update(cursor=datetime.now(UTC) + timedelta(hours=1))
    demo.shop.delete_refund(refund["id"])

    poll(shop_store)
    unseen = points()
    if is_compared:
        poll(shop_store, Mode.COMPARE)
    else:
        SyncState.objects.update(cursor=datetime.now(UTC))
        demo.shop.update_order(bought.woo_id, customer_note="Ring twice")
        poll(shop_store)

    assert less < worth
    assert (unseen, points()) == (less, worth)
    assert not Refund.objects.filter(woo_id=refund["id"]).exists()
    [event] = Event.objects.filter(type="refund.deleted")
    assert (event.key, event.order, Decimal(event.data["amount"])) == (str(refund["id"]), bought, 100)


def test_a_deleted_category_leaves_the_shelves_the_choices_and_its_products(demo, shop_store, client, api_client):
    sync.run(shop_store)
    rows = demo.shop.rows
    product = next(row for row in rows["products"].values() if row["categories"] != [demo.shop.default_category()])
    gone = Category.objects.get(woo_id=product["categories"][0])
    url = shop_store.category_url(gone.slug)
    look_up = reverse("track", args=[shop_store.slug])
    was_there = url in client.get(look_up).content.decode()
    demo.shop.delete_category(gone.woo_id)

    poll(shop_store, Mode.COMPARE)

    assert was_there and url not in client.get(look_up).content.decode()
    api = api_client(shop_store)
    (shown,) = api.get(f"/api/v1/products/?woo_id={product['id']}").json()["results"]
    assert [category["slug"] for category in shown["categories"]] == ["uncategorized"]
    client.force_login(make_staff(shop_store))
    choice = {"app_label": "loyalty", "model_name": "earningrule", "field_name": "category", "term": gone.name}
    assert client.get(reverse("admin:autocomplete"), choice).json()["results"] == []
    found = {drift.resource: (drift.gone, drift.stale) for drift in Drift.objects.all()}
    assert found["categories"][0] == 1 and found["products"][1] >= 1

    poll(shop_store, Mode.COMPARE)

    assert not any(drift.differing for drift in Drift.objects.order_by("-started_at")[: len(found)])


def test_a_category_that_was_only_named_and_is_gone_is_not_asked_for_again_and_again(demo, shop_store):
    sync.run(shop_store)
    Category.objects.create(store=shop_store, woo_id=10**6, name="Gone", slug="gone")
    poll(shop_store, Mode.COMPARE)
    demo.shop.requests.clear()

    poll(shop_store)

    assert not [request for request in demo.shop.requests if "categories" in str(request)]


def test_a_page_of_orders_without_a_refund_tells_that_it_is_gone(store):
    save_orders(store, [order_payload(5, refunds=[summary(51), summary(52, "-7.5")])], NOW)

    save_orders(store, [order_payload(5, at="2026-06-16T12:00:00", refunds=[summary(51)])], NOW)

    assert facts("refund.deleted") == [("refund.deleted", {"amount": "7.5", "currency": "INR"})]


def test_a_customer_who_deleted_the_account_is_told_once(demo, shop_store):
    sync.run(shop_store)
    customer = Customer.objects.exclude(woo_id=None).latest("woo_id")
    demo.shop.delete_customer(customer.woo_id)

    for _ in range(2):
        poll(shop_store, Mode.COMPARE)

    [event] = Event.objects.filter(type="customer.deleted")
    assert event.customer == customer


def test_nothing_goes_out_for_an_order_that_was_deleted_meanwhile(demo, shop_store, bought, mailoutbox):
    Message.objects.all().delete()
    product = bought.line_items.get().product_id_in_shop
    placed = demo.shop.place_order(email=EMAIL, lines=[(product, 1)])
    demo.shop.pay(placed["id"])
    demo.shop.ship(placed["id"], parcels=[{"carrier": "dhl", "number": "JD01"}])
    sync.run(shop_store)
    mailoutbox.clear()
    demo.shop.trash(placed["id"])
    sync.run(shop_store)

    drain.drain_all()

    assert mailoutbox == []
    assert set(Message.objects.values_list("skip_reason", flat=True)) == {"order_gone"}
    shipments = Shipment.objects.filter(order__woo_id=placed["id"])
    assert not shipments.exists()

    demo.shop.untrash(placed["id"])
    poll(shop_store, Mode.COMPARE)

    assert shipments.get().number == "JD01"


def test_a_deleted_order_is_gone_from_the_portal_marked_for_staff_and_dated_in_the_api(
    client, admin_client, api_client, demo, shop_store, bought
):
    sign_in(client, EMAIL)
    page = reverse("portal-order", args=[shop_store.slug, bought.number])
    was_there = client.get(page).status_code
    demo.shop.trash(bought.woo_id)
    poll(shop_store)

    listed = client.get(reverse("portal-orders", args=[shop_store.slug])).content.decode()
    client.force_login(make_staff(shop_store))
    shown = client.get(reverse("admin:orders_order_changelist"), {"q": EMAIL}).content.decode()
    told = api_client(shop_store).get(f"/api/v1/orders/{bought.pk}/").json()

    sign_in(client, EMAIL)
    assert (was_there, client.get(page).status_code) == (200, 404)
    assert f"#{bought.number}" not in listed
    assert "deleted" in shown
    assert told["deleted_at"]


def test_an_order_first_heard_of_in_the_trash_is_told_when_it_comes_out(store):
    at = datetime(2026, 6, 20, 12, 0, tzinfo=UTC)
    trashed = order_payload(5, status="trash", date_paid_gmt=None)
    save_orders(store, [trashed], at)
    assert facts("order.created") == []

    for _twice in range(2):
        save_orders(store, [trashed | {"status": "pending", "date_modified_gmt": "2026-06-15T13:00:00"}], at)

    assert len(facts("order.created")) == 1
