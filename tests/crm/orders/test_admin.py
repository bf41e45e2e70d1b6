from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.urls import reverse

from crm.events.recording import record
from crm.stores.models import Membership
from tests.factories import (
    make_category,
    make_customer,
    make_order,
    make_product,
    make_refund,
    make_staff,
    make_store,
)

pytestmark = pytest.mark.django_db
PAGES = [
    "orders_order",
    "orders_customer",
    "orders_product",
    "orders_category",
    "orders_refund",
    "orders_coupon",
    "events_event",
]


def fill(store):
    """One row for every page of the mirror; returns the address of each row's page by name of the page."""
    customer = make_customer(store, billing={"first_name": "Asha", "city": "Pune"})
    order = make_order(store, customer, lines=[{}], number=f"N{store.pk}")
    product = make_product(store, image_url="https://shop.example/a.png")
    category = make_category(store)
    product.categories.add(category)
    refund = make_refund(order)
    event = record("order.paid", store, order.woo_id, customer=customer, order=order, data={"total": "100.00"})
    rows = dict(zip(PAGES, [order, customer, product, category, refund, None, event], strict=True))
    return {name: reverse(f"admin:{name}_change", args=[row.pk]) for name, row in rows.items() if row}


@pytest.mark.parametrize("name", PAGES)
def test_staff_see_the_lists_and_rows_of_their_store_only(client, store, name):
    mine, theirs = fill(store), fill(make_store())
    client.force_login(make_staff(store, Membership.Role.VIEWER))

    listed = client.get(reverse(f"admin:{name}_changelist"))

    assert listed.status_code == 200
    if name in mine:
        assert mine[name] in listed.content.decode()
        assert theirs[name] not in listed.content.decode()
        assert client.get(mine[name]).status_code == 200
        # Django answers a row one may not see like one that does not exist.
        assert client.get(theirs[name]).status_code == 302


@pytest.mark.parametrize("name", PAGES)
def test_nobody_edits_the_mirror(admin_client, store, name):
    rows = fill(store)

    assert admin_client.get(reverse(f"admin:{name}_add")).status_code == 403
    if name in rows:
        assert admin_client.post(rows[name], {"number": "0"}).status_code == 403
        assert admin_client.post(rows[name].replace("change", "delete"), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("query", ["N{store}", "customer", "Asha", "unknown"])
def test_orders_are_found_by_number_address_and_name(admin_client, store, query):
    page = fill(store)["orders_order"]

    answer = admin_client.get(reverse("admin:orders_order_changelist"), {"q": query.format(store=store.pk)})

    assert (page in answer.content.decode()) == (query != "unknown")


@pytest.mark.parametrize("name", ["orders_order", "orders_customer"])
def test_a_list_costs_the_same_number_of_statements_whatever_its_length(
    admin_client, store, name, django_assert_max_num_queries
):
    for _ in range(20):
        make_order(store, make_customer(store))

    with django_assert_max_num_queries(12):
        admin_client.get(reverse(f"admin:{name}_changelist"))


def test_a_customers_page_shows_every_address_that_was_used(admin_client, store):
    customer = make_customer(store, billing={"address_1": "2 Laxmi Road", "city": "Pune"})
    make_order(store, customer, shipping={"address_1": "14 Rue de Lyon", "city": "Paris"})

    page = admin_client.get(reverse("admin:orders_customer_change", args=[customer.pk])).content.decode()

    assert "2 Laxmi Road" in page and "14 Rue de Lyon" in page


def test_times_are_those_of_the_shops_that_one_works_for(client, store):
    person = make_staff(store)
    order = make_order(store, number="7001", date_paid_gmt=datetime(2026, 3, 1, 20, tzinfo=UTC))
    client.force_login(person)
    page = reverse("admin:orders_order_change", args=[order.pk])
    assert "March 2, 2026, 1:30 a.m." in client.get(page).content.decode()

    Membership.objects.create(user=person, store=make_store(timezone="America/New_York"))

    assert "March 1, 2026, 8 p.m." in client.get(page).content.decode()


def test_lines_and_refunds_show_money_of_the_order_without_stray_zeros(admin_client, store):
    order = make_order(
        store, lines=[{"quantity": 2, "price": Decimal("99.5"), "total": Decimal("199")}], currency="INR"
    )
    refund = make_refund(order, amount=Decimal("40"))

    page = admin_client.get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()

    assert "₹99.50" in page and "₹199.00" in page and "₹40.00" in page and ".000" not in page
    page = admin_client.get(reverse("admin:orders_refund_change", args=[refund.pk])).content.decode()
    assert "₹40.00" in page and ".000" not in page
    product = make_product(store, price=Decimal("499"))
    for page in (reverse("admin:orders_product_changelist"), reverse("admin:orders_product_change", args=[product.pk])):
        shown = admin_client.get(page).content.decode()
        assert "₹499.00" in shown and ".000" not in shown
