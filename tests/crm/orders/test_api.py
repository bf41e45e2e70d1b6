from datetime import timedelta
from decimal import Decimal

import pytest

from crm.orders.api import CustomerSerializer, OrderSerializer, ProductSerializer, RefundSerializer
from crm.stores.models import ApiKey
from tests.factories import (
    NOW,
    make_category,
    make_customer,
    make_line,
    make_order,
    make_product,
    make_refund,
    make_store,
)

pytestmark = pytest.mark.django_db


def test_an_order_has_woocommerces_names_and_string_money(api):
    customer = make_customer(api.store)
    order = make_order(api.store, customer, total=Decimal("185.90"), number="A-17")
    line = make_line(order, make_product(api.store), price=Decimal("79"), quantity=Decimal(2))
    make_refund(order, amount=Decimal("10.50"))

    answer = api.get(f"/api/v1/orders/{order.pk}/").json()

    assert answer["total"] == "185.90"
    assert answer["customer"] == customer.pk
    assert answer["date_created_gmt"].startswith("2026-06-15T12:00:00")
    assert answer["line_items"][0]["price"] == "79"
    assert answer["line_items"][0]["product_id"] == line.product.woo_id
    assert answer["refunds"][0]["amount"] == "10.50"


@pytest.mark.parametrize(
    ("path", "serializer", "make"),
    [
        ("orders", OrderSerializer, lambda store: make_order(store, lines=[{}])),
        ("customers", CustomerSerializer, make_customer),
        ("products", ProductSerializer, make_product),
        ("refunds", RefundSerializer, lambda store: make_refund(make_order(store))),
    ],
)
def test_the_database_writes_what_the_serializer_says(api, path, serializer, make):
    row = make(api.store)

    answer = api.get(f"/api/v1/{path}/{row.pk}/").json()

    assert set(answer) == set(serializer().fields)
    assert answer == api.get(f"/api/v1/{path}/").json()["results"][0]


def test_a_product_lists_its_categories(api):
    product = make_product(api.store)
    category = make_category(api.store)
    product.categories.add(category)

    answer = api.get(f"/api/v1/products/?category={category.woo_id}").json()

    assert [row["id"] for row in answer["results"]] == [product.pk]
    assert answer["results"][0]["categories"] == [
        {"id": category.pk, "woo_id": category.woo_id, "name": category.name, "slug": category.slug}
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=processing", ["new"]),
        ("status=completed,processing", ["old", "new"]),
        ("number=new", ["new"]),
        ("email=ASHA@shop.example", ["new"]),
        ("created_after=2026-06-15T00:00:00Z", ["new"]),
        ("created_before=2026-06-15T00:00:00Z", ["old"]),
        ("is_paid=false", ["old"]),
    ],
)
def test_orders_are_filtered(api, query, found):
    make_order(api.store, number="old", status="completed", is_paid=False, date_created_gmt=NOW - timedelta(days=9))
    make_order(api.store, number="new", billing_email="asha@shop.example")

    answer = api.get(f"/api/v1/orders/?{query}").json()

    assert sorted(row["number"] for row in answer["results"]) == sorted(found)


def test_pages_reach_every_order_once(api):
    orders = [make_order(api.store, number=str(n)) for n in range(7)]
    seen, url = [], "/api/v1/orders/?limit=3"

    while url:
        page = api.get(url).json()
        seen += [row["id"] for row in page["results"]]
        url = page["next"]

    assert seen == [order.pk for order in reversed(orders)]


@pytest.mark.parametrize("count", [1, 12])
def test_a_page_costs_the_same_number_of_statements_whatever_its_length(api, count, django_assert_num_queries):
    for _ in range(count):
        order = make_order(api.store, lines=[{}, {}])
        make_refund(order)

    api.get("/api/v1/orders/")  # the first use of a key in an hour is written down
    # The key, its count this minute, the page.
    with django_assert_num_queries(3):
        assert len(api.get("/api/v1/orders/?limit=100").json()["results"]) == count


def test_another_stores_rows_do_not_exist(api):
    order = make_order(make_store())

    assert api.get(f"/api/v1/orders/{order.pk}/").status_code == 404
    assert api.get("/api/v1/orders/").json()["results"] == []


def test_a_key_without_the_scope_is_refused(store, api_client):
    api = api_client(store, scopes=[ApiKey.Scope.EVENTS_READ])

    answer = api.get("/api/v1/orders/")

    assert answer.status_code == 403
    assert "orders:read" in answer.json()["errors"][0]["detail"]
