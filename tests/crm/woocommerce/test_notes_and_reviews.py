"""What belongs to a customer's history beside the orders themselves: notes, coupons and their use, reviews."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from crm.events.models import Event
from crm.orders.models import Coupon, Order, OrderNote, Product, ProductReview
from crm.reviews import publishing
from crm.woocommerce import sync
from crm.woocommerce.models import Push, Reread, SyncState
from crm.woocommerce.saving import save_coupons, save_notes, save_orders, save_reviews
from crm.woocommerce.sync import Mode
from crm.woocommerce.values import MappingError
from crm.work import drain
from postpurchase.demo import server
from tests.factories import (
    NOW,
    make_answer,
    make_customer,
    make_guest,
    make_line,
    make_order,
    make_product,
    make_staff,
    sign_in,
)

from .payloads import order as order_payload
from .recordings import body

pytestmark = pytest.mark.django_db
EMAIL = "meera@mail.example"


@pytest.fixture
def demo():
    with server.running(server.small_shop()) as demo:
        yield demo


@pytest.fixture
def shop(demo, shop_store):
    """The shop, connected a moment ago: all that it holds now is history."""
    shop_store.announce_from = demo.shop.now().replace(microsecond=0)
    shop_store.save()
    sync.run(shop_store)
    return demo.shop


def settle():
    """Let the hints of changes come to rest, then do all that is due."""
    drain.drain_all(at=timezone.now() + timedelta(minutes=1))


def place(shop, **fields):
    product = next(row for row in shop.rows["products"].values() if row["type"] == "simple")
    placed = shop.place_order(**{"email": EMAIL, "lines": [(product["id"], 1)]} | fields)
    shop.pay(placed["id"])
    return placed["id"]


def asked(demo):
    paths = [request["path"].split("/wc/v3/")[-1] for request in demo.shop.requests]
    demo.shop.requests.clear()
    return paths


# Notes


def test_notes_are_read_when_their_order_changed_and_not_for_all_of_history(demo, shop, shop_store):
    assert not Reread.objects.exists()
    number = place(shop)
    shop.add_note(number, "Your parcel left पुणे<br>today &amp; early", to_customer=True, author="admin")
    asked(demo)

    sync.run(shop_store)
    settle()

    assert asked(demo).count(f"orders/{number}/notes") == 1
    note = OrderNote.objects.get(customer_note=True)
    assert (note.order.woo_id, note.author, note.text) == (number, "admin", "Your parcel left पुणे\ntoday & early")
    assert Event.objects.filter(type="order.noted").count() == OrderNote.objects.count() > 1


def test_notes_are_read_of_history_that_changed_before_it_was_first_read(demo, shop_store):
    old, changed = sorted(demo.shop.rows["orders"])[:2]
    shop_store.announce_from = demo.shop.now().replace(microsecond=0)
    shop_store.save()
    demo.shop.set_status(changed, "on-hold")

    sync.run(shop_store)

    read = set(Reread.objects.filter(resource="notes").values_list("woo_id", flat=True))
    assert changed in read and old not in read


def test_several_changes_within_seconds_cost_one_reading(demo, shop, shop_store):
    number = place(shop)
    for status in ("on-hold", "processing", "completed"):
        shop.set_status(number, status)
        sync.run(shop_store)
    asked(demo)

    settle()

    assert asked(demo) == [f"orders/{number}/notes"]


def test_a_note_that_was_deleted_goes_and_one_that_was_changed_follows(store):
    order = make_order(store, woo_id=60)
    notes = body("order-notes")
    save_notes(store, 60, notes, NOW)

    new = save_notes(store, 60, [notes[0] | {"note": "Ghee &rarr; packed"}], NOW)

    assert new == 0
    assert [note.text for note in order.notes.all()] == ["Ghee → packed"]


def test_notes_of_history_are_no_news(store):
    make_order(store, woo_id=60)
    save_notes(store, 60, [body("order-notes")[0] | {"date_created_gmt": "2020-01-01T00:00:00"}], NOW)

    assert OrderNote.objects.exists()
    assert not Event.objects.exists()


@pytest.mark.parametrize("payload", [{"code": "x"}, "[]", [{"id": "seven"}], [None]])
def test_what_are_no_notes_changes_nothing(store, payload):
    make_order(store, woo_id=60)
    save_notes(store, 60, body("order-notes"), NOW)
    before = OrderNote.objects.count()

    with pytest.raises(MappingError):
        save_notes(store, 60, payload, NOW)

    assert OrderNote.objects.count() == before


def test_customers_read_what_was_written_to_them_and_staff_read_all(client, api, store):
    customer = make_customer(store, email=EMAIL)
    order = make_order(store, customer, woo_id=60)
    save_notes(
        store,
        60,
        [
            body("order-notes")[0] | {"id": 1, "note": "<b>Risky</b> card <script>alert(1)</script>"},
            body("order-notes")[0] | {"id": 2, "note": "<p>Packed with <em>care</em></p>", "customer_note": True},
        ],
        NOW,
    )
    sign_in(client, EMAIL)

    page = client.get(reverse("portal-order", args=[store.slug, order.number])).content.decode()
    listed = api.get("/api/v1/order-notes/", data={"order": order.pk}).json()["results"]
    client.force_login(make_staff(store))
    desk = client.get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()

    assert "Packed with care" in page and "Risky" not in page
    assert "Packed with care" in desk and "Risky card" in desk and "<script>alert(1)" not in desk
    assert {(row["woo_id"], row["customer_note"]) for row in listed} == {(1, False), (2, True)}


def test_the_notes_of_all_orders_are_read_when_somebody_asks(demo, shop, shop_store, capsys):
    call_command("sync", shop_store.slug, "--notes")
    orders = Order.objects.existing().count()
    settle()

    assert f"the notes of {orders} orders" in capsys.readouterr().out
    assert sum(path.endswith("/notes") for path in asked(demo)) == orders


# Coupons and their use


def test_orders_are_found_by_the_coupon_they_used(api, store):
    lines = body("order-coupon-fee")["coupon_lines"]
    code = lines[0]["code"]
    save_orders(store, [order_payload(1, coupon_lines=lines), order_payload(2)], NOW)

    found = api.get("/api/v1/orders/", data={"coupon": code.upper()}).json()["results"]

    assert [row["woo_id"] for row in found] == [1]
    assert found[0]["coupon_codes"] == [code]
    assert api.get("/api/v1/orders/", data={"coupon": "none-such"}).json()["results"] == []


def test_the_use_of_a_coupon_is_told_once_when_the_order_is_paid(store):
    lines = [{"id": 9, "code": "TEA10", "discount": "10"}]
    pending = order_payload(1, status="pending", date_paid_gmt=None, coupon_lines=lines)
    paid = order_payload(1, at="2026-06-15T13:00:00", coupon_lines=lines)
    for n, payload in enumerate([pending, paid, paid | {"date_modified_gmt": "2026-06-15T14:00:00"}]):
        save_orders(store, [payload], NOW)
        assert Event.objects.filter(type="coupon.used").count() == min(n, 1)

    event = Event.objects.get(type="coupon.used")
    assert (event.key, event.data["code"], event.order.woo_id) == ("1:tea10", "tea10", 1)


def test_an_old_orders_coupon_is_history(store):
    old = order_payload(1, at="2020-06-15T12:00:00", coupon_lines=[{"id": 9, "code": "TEA10"}])
    save_orders(store, [old, old | {"date_modified_gmt": "2026-06-15T14:00:00", "customer_note": "Ring"}], NOW)
    save_orders(store, [old | {"date_modified_gmt": "2026-06-16T14:00:00", "customer_note": "Ring twice"}], NOW)

    assert not Event.objects.filter(type="coupon.used").exists()


def test_an_order_that_loses_its_coupon_is_found_by_it_no_more(store):
    save_orders(store, [order_payload(1, coupon_lines=[{"id": 9, "code": "TEA10"}])], NOW)
    save_orders(store, [order_payload(1, at="2026-06-16T12:00:00", coupon_lines=[])], NOW)

    assert not Order.objects.with_coupon("tea10").exists()


def test_a_coupon_says_who_used_it(api, client, store):
    payload = body("coupons-list")[0] | {"code": "tea10", "usage_count": 2, "used_by": ["7", "Guest@Mail.Example"]}
    save_coupons(store, [payload], NOW)

    [row] = api.get("/api/v1/coupons/", data={"used_by": "guest@mail.example"}).json()["results"]
    client.force_login(make_staff(store))
    page = client.get(reverse("admin:orders_coupon_change", args=[row["id"]])).content.decode()

    assert (row["code"], row["usage_count"], row["used_by"]) == ("tea10", 2, ["7", "guest@mail.example"])
    assert "coupon=tea10" in page
    assert client.get(reverse("admin:orders_order_changelist"), {"coupon": "tea10"}).status_code == 200


@pytest.mark.parametrize("way", ["trash_coupon", "delete_coupon"])
def test_a_coupon_that_was_trashed_or_deleted_is_told_once(shop, shop_store, way):
    coupon = Coupon.objects.existing().first()
    getattr(shop, way)(coupon.woo_id)

    sync.run(shop_store, mode=Mode.COMPARE)
    sync.run(shop_store, mode=Mode.COMPARE)

    [event] = Event.objects.filter(type="coupon.deleted")
    assert event.data["code"] == coupon.code


# Reviews


def review(woo_id=501, **fields):
    return body("products-reviews")[0] | {"id": woo_id} | fields


def test_a_review_finds_its_product_and_its_writer(store):
    product = make_product(store, woo_id=12)
    make_guest(store, email="cust37@store.example")
    account = make_customer(store, email="cust37@store.example")

    save_reviews(store, [review(product_id=12, reviewer_email="Cust37@store.example")], NOW)

    held = ProductReview.objects.get()
    assert (held.product, held.customer, held.rating, held.status) == (product, account, 2, "approved")
    assert held.text.startswith("खूप छान! Sehr gut")


def test_the_poll_brings_new_reviews_whatever_their_status(demo, shop, shop_store):
    before = ProductReview.objects.count()
    product = next(iter(shop.rows["products"].values()))
    for n, status in enumerate(["approved", "hold"]):
        shop.add_review(
            product_id=product["id"], review=f"Nice {n}", reviewer="M", reviewer_email=EMAIL, rating=5, status=status
        )

    sync.run(shop_store)

    assert before == len(shop.rows["reviews"]) - 2
    assert ProductReview.objects.count() == before + 2
    assert Event.objects.filter(type="product_review.created").count() == 2


def test_a_poll_of_reviews_is_one_request_for_what_is_new(demo, shop, shop_store):
    SyncState.objects.update(cursor=datetime.now(UTC) + timedelta(days=2))
    asked(demo)

    sync.run(shop_store)

    assert asked(demo).count("products/reviews") == 1
    assert SyncState.objects.get(resource="reviews").read == 0


def test_comparison_finds_reviews_that_were_decided_on_thrown_away_or_deleted(demo, shop, shop_store):
    approved, thrown_away, deleted = list(shop.rows["reviews"])[:3]
    shop.set_review_status(approved, "hold")
    sync.run(shop_store, mode=Mode.COMPARE)
    assert ProductReview.objects.get(woo_id=approved).status == "hold"
    shop.set_review_status(approved, "approved")
    shop.set_review_status(thrown_away, "trash")
    shop.drop("reviews", deleted)

    for _ in range(2):
        sync.run(shop_store, mode=Mode.COMPARE)

    held = {row.woo_id: row for row in ProductReview.objects.all()}
    assert held[approved].status == "approved"
    assert held[thrown_away].status == "trash"
    assert held[thrown_away].deleted_at and held[deleted].deleted_at
    assert Event.objects.filter(type="product_review.deleted").count() == 2


def stars(api_client, store, product):
    (row,) = api_client(store).get(f"/api/v1/products/?woo_id={product}").json()["results"]
    return row["average_rating"], row["rating_count"]


def test_the_stars_of_a_product_follow_its_reviews(api_client, demo, shop, shop_store):
    number = next(row["id"] for row in shop.rows["products"].values() if row["type"] == "simple")
    review = {"product_id": number, "reviewer": "M", "reviewer_email": EMAIL, "review": "So so"}

    def in_shop():
        shown = demo.payload("product", number)
        return shown["average_rating"], shown["rating_count"]

    def follows(mode):
        sync.run(shop_store, mode=mode)
        drain.drain(Reread)
        return stars(api_client, shop_store, number) == in_shop()

    before = in_shop()
    first = shop.add_review(**review, rating=1)
    assert follows(Mode.CHANGES) and in_shop() != before
    # What becomes of a review later is found by comparison.
    shop.set_review_status(first["id"], "hold")
    assert follows(Mode.COMPARE) and in_shop() == before
    shop.set_review_status(first["id"], "approved")
    assert follows(Mode.COMPARE) and in_shop() != before
    shop.drop("reviews", first["id"])
    assert follows(Mode.COMPARE) and in_shop() == before

    # One that comes and goes between two syncs leaves its stars behind, where something had the product read meanwhile.
    Product.objects.filter(woo_id=number).update(average_rating=1, rating_count=77, digest="other")
    assert follows(Mode.COMPARE)


def test_the_reviews_of_history_have_no_product_read_again(demo, shop_store):
    shop_store.announce_from = timezone.now()
    shop_store.save()

    sync.run(shop_store)

    assert ProductReview.objects.exists() and not Reread.objects.filter(resource="products").exists()


def test_our_own_review_is_in_the_mirror_as_soon_as_the_shop_has_it(demo, shop, shop_store):
    product = Product.objects.filter(parent=None, status="publish").first()
    line = make_line(make_order(shop_store, make_guest(shop_store, email=EMAIL), woo_id=900_001), product)
    answer = make_answer(line, text="Fine", score=4, shown_name="Meera")
    publishing.approve(answer, make_staff(shop_store), NOW)
    drain.drain(Push)
    drain.drain(Reread)

    held = ProductReview.objects.get(reviewer_email=EMAIL)
    sync.run(shop_store)

    answer.refresh_from_db()
    assert (held.text, held.woo_id) == ("Fine", answer.woo_id)
    assert ProductReview.objects.filter(reviewer_email=EMAIL).count() == 1


def test_a_shop_without_a_list_of_reviews_is_no_error(demo, shop_store):
    from postpurchase.demo.web import json_response

    gone = {"code": "rest_no_route", "message": "No route was found", "data": {"status": 404}}
    demo.faults.append(
        lambda request, response: json_response(gone, 404) if request.path.endswith("products/reviews") else None
    )

    result = sync.run(shop_store)

    assert result.is_finished and not result.errors


def test_reviews_are_listed_for_staff_and_programs(api, client, store):
    product = make_product(store, woo_id=12, name="Haldi")
    save_reviews(store, [review(product_id=12, review="<p>Golden</p>"), review(502, product_id=12, rating=5)], NOW)
    client.force_login(make_staff(store))

    page = client.get(reverse("admin:orders_productreview_changelist")).content.decode()
    rows = api.get("/api/v1/product-reviews/", data={"product": product.pk, "rating": 5}).json()["results"]

    assert "Golden" in page and "Haldi" in page
    assert [(row["woo_id"], row["product_id"]) for row in rows] == [(502, 12)]
