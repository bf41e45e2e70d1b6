import itertools
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm.events.models import Event
from crm.orders.models import Customer, LineItem, Order, Refund
from crm.woocommerce.models import KeptAside, Reread
from crm.woocommerce.saving import SAVERS, mark_deleted, save_customers, save_orders, save_products, save_refunds
from tests.factories import NOW, make_customer, make_product, make_store

from .payloads import guest_order, order, refund, summary
from .recordings import body

pytestmark = pytest.mark.django_db


def save(store, *payloads, **kwargs):
    return save_orders(store, payloads, NOW, **kwargs)


def events(store):
    return [(event.type, event.key) for event in Event.objects.for_store(store).order_by("type", "key")]


def test_an_order_is_saved_with_its_lines(store):
    saved = save(store, order(5, lines=2))

    held = Order.objects.get(store=store)
    assert (saved.created, saved.updated) == (1, 0)
    assert held.line_items.count() == 2
    assert held.customer.woo_id == 7
    assert held.is_paid
    assert held.synced_at == NOW
    assert held.billing["first_name"]


def test_every_recorded_order_is_saved(store):
    payloads = body("orders-list-pp100") + [body("order-full"), body("order-nested-meta"), body("order-trashed")]

    saved = save(store, *payloads)

    assert saved.kept_aside == []
    drafts = sum(payload["status"] == "checkout-draft" for payload in payloads)
    assert Order.objects.filter(store=store).count() == len({p["id"] for p in payloads}) - drafts
    full = Order.objects.get(store=store, woo_id=116)
    assert full.refunded_total == Decimal("1781.43")
    assert str(full.total) == "1781.43"


def test_saving_again_writes_nothing(store):
    payload = order()
    save(store, payload)

    saved = save_orders(store, [payload], NOW + timedelta(days=1))

    assert saved.unchanged == 1 and saved.written == 0
    assert Order.objects.get(store=store).synced_at == NOW


def test_an_older_version_changes_nothing(store):
    new, old = order(5, "2026-06-15T12:00:01", status="completed"), order(5, "2026-06-15T12:00:00")
    save(store, new)

    saved = save(store, old)

    assert saved.older == 1
    assert Order.objects.get(store=store).status == "completed"


def test_of_two_versions_on_one_page_the_newest_is_saved(store):
    saved = save(store, order(5, "2026-06-15T12:00:01", status="completed"), order(5, "2026-06-15T12:00:00"))

    assert (saved.created, saved.older) == (1, 1)
    assert Order.objects.get(store=store).status == "completed"


def test_lines_that_the_shop_removed_go(store):
    save(store, order(5, lines=3))
    payload = order(5, "2026-06-15T12:05:00", lines=1)
    payload["line_items"][0]["name"] = "Renamed"

    save(store, payload)

    assert [line.name for line in LineItem.objects.filter(order__store=store)] == ["Renamed"]


def test_an_order_may_lose_all_lines_and_where_it_names_no_refund_any_more_the_shop_is_asked(store):
    """Some versions of WooCommerce name none at all."""
    save(store, order(5, lines=2, refunds=[summary(900)]))

    save(store, order(5, "2026-06-15T12:05:00", lines=0))

    held = Order.objects.get(store=store)
    assert not held.line_items.exists() and held.refunds.exists()
    assert held.refunded_total == 10
    assert Reread.objects.filter(store=store, resource="refunds", woo_id=5).exists()


def test_lines_find_their_product_and_rather_the_variation(store):
    parent = make_product(store, woo_id=39)
    variation = make_product(store, woo_id=45, parent=parent)
    payload = order(5, lines=3)
    for line, (product, chosen) in zip(payload["line_items"], [(39, 45), (39, 999), (0, 0)], strict=True):
        line |= {"product_id": product, "variation_id": chosen}

    save(store, payload)

    found = [line.product for line in LineItem.objects.filter(order__store=store).order_by("woo_id")]
    assert found == [variation, parent, None]


def test_a_guest_is_one_customer_by_address(store):
    save(store, guest_order("Meera@Shop.Example ", at="2026-06-15T12:00:00"))
    save(store, guest_order("meera@shop.example", at="2026-06-14T12:00:00"))

    guest = Customer.objects.get(store=store)
    assert (guest.woo_id, guest.email, guest.first_name) == (None, "meera@shop.example", "Meera")
    assert guest.orders.count() == 2
    assert guest.date_created_gmt == datetime(2026, 6, 14, 12, tzinfo=UTC)
    assert guest.is_paying_customer


def test_a_guests_order_goes_to_whom_the_guest_was_joined(store):
    registered = make_customer(store, email="meera@shop.example")
    save(store, guest_order("meera@shop.example"))
    Customer.objects.filter(woo_id=None).update(joined_to=registered)

    save(store, guest_order("meera@shop.example", woo_id=6))

    assert Order.objects.get(woo_id=6).customer == registered


def test_an_order_without_address_has_no_customer(store):
    payload = order(customer_id=0, billing=None)

    save(store, payload)

    assert Order.objects.get(store=store).customer is None
    assert not Customer.objects.filter(store=store).exists()


def test_the_address_on_an_order_does_not_become_the_accounts(store):
    save(store, order(customer_id=7))

    assert Customer.objects.get(store=store, woo_id=7).email == ""


def test_stores_do_not_mix(store):
    other = make_store()
    save(store, order(5), guest_order("a@b.example", woo_id=6))

    save(other, order(5, status="completed"), guest_order("a@b.example", woo_id=6))

    assert Order.objects.get(store=store, woo_id=5).status == "processing"
    assert Customer.objects.filter(email="a@b.example").count() == 2
    for held in Order.objects.all():
        assert held.customer.store_id == held.store_id


def test_carts_are_left_out(store):
    saved = save(store, order(status="checkout-draft"), order(status="auto-draft"))

    assert saved.ignored == 2
    assert not Order.objects.exists()


def test_a_trashed_order_is_marked_and_comes_back(store):
    save(store, order(5))
    save(store, order(5, "2026-06-15T12:01:00", status="trash"))
    assert Order.objects.get(store=store).deleted_at == NOW

    save(store, order(5, "2026-06-15T12:02:00", status="completed"))

    assert Order.objects.get(store=store).deleted_at is None


def test_a_late_delivery_does_not_bring_a_deleted_order_back(store):
    payload = order(5)
    save(store, payload)
    mark_deleted(store, "orders", [5], NOW)

    save(store, payload)
    assert Order.objects.get(store=store).deleted_at

    save(store, payload, revive=True)
    assert Order.objects.get(store=store).deleted_at is None


# --- what is broken ---


def test_one_broken_order_is_kept_aside_and_the_rest_is_saved(store):
    saved = save(store, order(1), order(2, total="NaN"), order(3))

    assert sorted(Order.objects.values_list("woo_id", flat=True)) == [1, 3]
    kept = KeptAside.objects.get(store=store)
    assert saved.kept_aside == [("2", kept.error)]
    assert (kept.resource, kept.woo_id) == ("orders", "2")
    assert "total is 'NaN'" in kept.error
    assert json.loads(kept.payload)["id"] == 2


def test_an_order_that_postgresql_refuses_is_kept_aside(store):
    # Numbers of lines are unique within the order only when they fit; this one fits and its amount's digits do not.
    far = order(2, date_created_gmt="9999-12-31T23:59:59")
    far["date_paid_gmt"] = "0001-01-01T00:00:00"
    bad = order(3)
    bad["line_items"][0]["product_id"] = 2**53 - 1
    payloads = [order(n) for n in range(10, 30)]
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE orders_order ADD CONSTRAINT no_thirteen CHECK (woo_id <> 13)")

    saved = save(store, far, bad, *payloads)

    assert [number for number, _error in saved.kept_aside] == ["13"]
    assert "PostgreSQL refuses it" in KeptAside.objects.get().error
    assert Order.objects.count() == 21


@pytest.mark.parametrize(
    "odd",
    [{"status": []}, {"date_modified_gmt": "2026-06-15"}, {"customer_id": "9" * 5000}, {"refunds": [{"id": "²"}]}],
)
def test_whatever_is_odd_about_one_order_the_rest_is_saved(store, odd):
    saved = save(store, order(1), order(2, **odd), order(3))

    assert set(Order.objects.values_list("woo_id", flat=True)) >= {1, 3}
    assert {number for number, _error in saved.kept_aside} <= {"2"}


@pytest.mark.parametrize("kind", SAVERS)
def test_what_is_no_object_is_kept_aside_whatever_was_asked_for(store, kind):
    saved = SAVERS[kind](store, [None, "?", []], NOW)

    assert len(saved.kept_aside) == 3


def test_a_good_version_resolves_what_was_kept_aside(store):
    save(store, order(2, total="NaN"))

    save(store, order(2))

    assert KeptAside.objects.get().resolved_at == NOW
    save(store, order(2, "2026-06-15T12:00:09", total="NaN"))
    assert KeptAside.objects.get().resolved_at is None


@pytest.mark.parametrize("poison", [None, "text", 7, [], {}, {"id": "x"}, {"id": "\x00\ud800"}, {"id": 1e40}])
def test_what_is_no_order_is_kept_aside(store, poison):
    saved = save(store, order(1), poison)

    assert len(saved.kept_aside) == 1
    assert Order.objects.count() == 1


def test_text_that_postgresql_does_not_know_is_cleaned(store):
    payload = order(
        1, customer_note="a\x00b\ud800c😀", meta_data=[{"key": "k\x00", "value": {"\ud83d": [10**40, float("nan")]}}]
    )
    payload["billing"]["first_name"] = "مريم\x00 👩‍🍳"
    payload["line_items"][0]["name"] = "Chai\x00"

    assert save(store, payload).kept_aside == []

    held = Order.objects.get()
    assert held.customer_note == "ab\ufffdc😀"
    assert held.billing["first_name"] == "مريم 👩‍🍳"
    assert held.meta_data[0]["value"] == {"\ufffd": [str(10**40), None]}
    assert held.line_items.get().name == "Chai"


def test_meta_data_nested_beyond_measure_is_kept_aside(store):
    deep = {"a": 1}
    for _ in range(2000):
        deep = {"a": deep}

    saved = save(store, order(1), order(2, meta_data=[{"key": "deep", "value": deep}]))

    assert [number for number, _error in saved.kept_aside] == ["2"]


def test_an_order_of_five_thousand_lines_and_a_name_of_a_megabyte(store):
    payload = order(1, lines=5000)
    payload["billing"]["first_name"] = "न" * 1_000_000

    assert save(store, payload, order(2)).kept_aside == []

    assert LineItem.objects.filter(order__woo_id=1).count() == 5000


# --- events ---


def test_history_is_silent(store):
    save(
        store,
        order(1, "2025-06-15T12:00:00", refunds=[summary(900)]),
        order(2, "2025-06-15T12:00:00", status="completed"),
    )
    save(store, guest_order("old@shop.example", at="2025-01-01T00:00:00"))

    assert events(store) == []


def test_a_new_order_is_announced_with_all_that_happened_to_it(store):
    save(store, guest_order("new@shop.example", woo_id=5, status="completed", date_completed_gmt="2026-06-15T13:00:00"))

    guest = Customer.objects.get()
    assert events(store) == [
        ("customer.created", str(guest.pk)),
        ("order.completed", "5"),
        ("order.created", "5"),
        ("order.paid", "5"),
    ]
    paid = Event.objects.get(type="order.paid")
    assert paid.customer == guest and paid.order == Order.objects.get()
    assert paid.data == {"number": "5", "total": "185.99", "currency": "INR", "status": "completed"}
    assert paid.occurred_at == NOW


def test_what_happens_to_a_held_order_is_announced(store):
    save(store, order(5, "2025-06-15T12:00:00", status="on-hold", date_paid_gmt=None))
    save(store, order(5, "2026-06-15T12:00:01", status="processing"))
    save(store, order(5, "2026-06-15T12:00:02", status="processing"))
    save(store, order(5, "2026-06-15T12:00:03", status="processing", refunds=[summary(900)]))
    save(store, order(5, "2026-06-15T12:00:04", status="cancelled", refunds=[summary(900)]))

    told = [type for type, _key in events(store)]
    assert told == ["order.cancelled", "order.paid", "order.refunded", *["order.updated"] * 4]
    assert Event.objects.get(type="order.refunded").data == {"amount": "10.00", "currency": "INR"}
    first = Event.objects.filter(type="order.updated").earliest("occurred_at")
    assert first.data == {"status": "processing", "was": "on-hold"}


def test_an_order_is_paid_once_whatever_its_status_does(store):
    for minute, status in enumerate(["processing", "on-hold", "processing", "completed", "on-hold", "completed"]):
        save(store, order(5, f"2026-06-15T12:0{minute}:00", status=status))

    assert Event.objects.filter(type="order.paid").count() == 1


def test_a_payment_of_the_past_stays_silent_when_the_status_goes_to_and_fro(store):
    paid = {"date_paid_gmt": "2025-06-15T12:00:00"}
    save(store, order(5, "2025-06-15T12:00:00", **paid))
    save(store, order(5, "2026-06-15T12:00:01", status="on-hold", **paid))
    save(store, order(5, "2026-06-15T12:00:02", status="processing", **paid))

    assert not Event.objects.filter(type="order.paid").exists()


def test_a_custom_status_may_mean_paid(store):
    store.paid_statuses = ["packed"]

    save(store, order(5, status="packed"), order(6, status="processing"))

    assert [event.key for event in Event.objects.filter(type="order.paid")] == ["5"]


# --- refunds ---


def test_a_refund_is_saved_with_the_lines_it_takes_back(store):
    save(store, order(5, lines=2))
    line = LineItem.objects.filter(order__woo_id=5).first()

    saved = save_refunds(store, [refund(5, 900, amount="439.00", line=line.woo_id)], NOW)

    held = Refund.objects.get(store=store)
    assert saved.created == 1
    assert (held.amount, held.order.refunded_total) == (Decimal("439.00"), Decimal("439.00"))
    assert [(part.line_item, part.quantity, part.total) for part in held.lines.all()] == [(line, 1, Decimal("439.00"))]
    assert events(store)[-2:] == [("order.refunded", "900"), ("refund.itemised", "900")]


def test_a_refund_known_from_its_order_gets_its_lines_and_is_told_once(store):
    save(store, order(5))
    save(store, order(5, "2026-06-15T12:01:00", refunds=[summary(900)]))
    assert Refund.objects.get().lines_synced_at is None

    save_refunds(store, [refund(5, 900)], NOW)
    save_refunds(store, [refund(5, 900)], NOW)

    assert Refund.objects.get().lines_synced_at == NOW
    assert Event.objects.filter(type="order.refunded").count() == 1


def test_refunds_of_unknown_orders_are_ignored_and_broken_ones_kept_aside(store):
    save(store, order(5))

    saved = save_refunds(store, [refund(5), refund(77), refund(5, 901) | {"amount": "much"}], NOW)

    assert (saved.created, saved.ignored) == (1, 1)
    assert saved.kept_aside == [("901", "amount is 'much': an amount was expected")]


# --- customers and products that orders know first ---


def test_a_customer_known_as_a_number_gets_a_name_and_is_announced(store):
    save(store, order(customer_id=4, at="2026-06-15T12:00:00"))
    assert Customer.objects.get().synced_at is None

    save_customers(store, [body("customer-one")], NOW)

    customer = Customer.objects.get()
    assert customer.email == "cust1@store.example"
    assert ("customer.created", str(customer.pk)) in events(store)


def test_variations_find_their_parent_on_the_same_page(store):
    save_products(store, [body("product-variation-one"), body("product-variable")], NOW)

    product = store_products(store)[39]
    assert store_products(store)[45].parent == product
    assert [category.name for category in product.categories.all()] == ["Textiles"]


def store_products(store):
    from crm.orders.models import Product

    return {product.woo_id: product for product in Product.objects.filter(store=store)}


def test_a_product_changes_its_categories(store):
    payload = body("product-variable")
    save_products(store, [payload], NOW)

    changed = payload | {
        "date_modified_gmt": "2026-11-23T00:00:00",
        "categories": [{"id": 21, "name": "Tea &amp; Spices", "slug": "tea"}],
    }
    save_products(store, [changed], NOW)

    assert [category.name for category in store_products(store)[39].categories.all()] == ["Tea & Spices"]


# --- promises over all orders of arrival ---


def count_queries(store, count, first):
    payloads = [
        guest_order(f"g{n}@shop.example", woo_id=n, refunds=[summary(n * 1000)]) if n % 2 else order(n, lines=3)
        for n in range(first, first + count)
    ]
    with CaptureQueriesContext(
        connection,
    ) as new:
        save(store, *payloads)
    later = [payload | {"date_modified_gmt": "2026-06-15T13:00:00", "status": "completed"} for payload in payloads]
    with CaptureQueriesContext(connection) as changed:
        save(store, *later)
    with CaptureQueriesContext(connection) as unchanged:
        save(store, *later)
    return len(new), len(changed), len(unchanged)


def test_a_page_takes_a_constant_number_of_statements(store):
    save_orders(store, [order(999)], NOW)  # a customer who is not held yet takes two more
    few, many = count_queries(store, 4, 1000), count_queries(store, 60, 2000)

    assert few == many
    assert few[0] <= 22 and few[1] <= 26 and few[2] <= 7


VERSIONS = [
    order(5, "2026-06-15T12:00:00", lines=2, status="pending", date_paid_gmt=None),
    order(5, "2026-06-15T12:00:01", lines=3),
    order(5, "2026-06-15T12:00:02", lines=1, refunds=[summary(900)]),
    order(5, "2026-06-15T12:00:03", lines=2, status="trash"),
    order(
        5, "2026-06-15T12:00:04", lines=2, status="completed", refunds=[summary(901, "-3.00"), summary(902, "-4.00")]
    ),
]
_stores = itertools.count()


@pytest.mark.timeout(400)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(range(len(VERSIONS))), max_size=12),
    st.permutations(range(len(VERSIONS))),
    st.integers(1, 4),
)
def test_any_order_of_arrival_with_any_repetition_ends_in_the_newest(store, extra, arrival, batch):
    fresh = make_store()
    sequence = [VERSIONS[n] for n in [*extra, *arrival]]

    for start in range(0, len(sequence), batch):
        save_orders(fresh, sequence[start : start + batch], NOW)

    held = Order.objects.get(store=fresh)
    assert (held.status, held.deleted_at) == ("completed", None)
    assert sorted(held.line_items.values_list("woo_id", flat=True)) == [50, 51]
    assert sorted(held.refunds.values_list("woo_id", "amount")) == [(901, Decimal("3.00")), (902, Decimal("4.00"))]
    assert held.refunded_total == Decimal("7.00")
    assert Event.objects.filter(store=fresh, type="order.paid").count() == 1
