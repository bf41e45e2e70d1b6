"""A person is erased: nothing says any more who it was, and the books still close."""

import io

import pytest
from django.core.management import call_command

from crm.orders import erasing
from loyalty.models import Account
from tests.factories import NOW

from .tables import tables_with

pytestmark = pytest.mark.django_db
# What the shop sells is named after the mark, too, and says nothing about a person; so is an address that is not theirs.
GOODS = {
    "orders_category", "orders_product", "orders_lineitem", "orders_refundline", "orders_coupon", "orders_order",
    "reviews_answer", "messaging_suppression", "messaging_consent", "events_handling", "shipping_shipment", "orders_erasure",
    "woocommerce_push", "woocommerce_keptaside", "woocommerce_webhookdelivery",
}  # fmt: skip


def test_of_an_erased_person_nothing_is_left_in_any_table(world):
    customer = world.c["orders.Customer"]
    email = customer.email
    assert len(tables_with(email)) > 8

    erasing.erase(erasing.find(customer.store, email, NOW), by=world.superuser)

    assert tables_with(email) == set()
    assert tables_with("Ownedbyc Road") == set()
    assert tables_with("ownedbyc") <= GOODS
    customer.refresh_from_db()
    assert (str(customer), customer.name) == (f"Erased ({customer.pk})", "")


def test_the_other_customer_and_the_other_shop_keep_everything(world):
    before = {mark: tables_with(f"{mark}@mail.example") for mark in ("ownedbya", "ownedbyb")}

    erasing.erase(erasing.find(world.c.store, world.c["orders.Customer"].email, NOW))

    assert {mark: tables_with(f"{mark}@mail.example") for mark in before} == before


def test_orders_sums_and_points_stay_and_are_nobodys(world):
    customer, order = world.c["orders.Customer"], world.c["orders.Order"]
    balance, total = world.c["loyalty.Account"].balance, order.total

    erasing.erase(erasing.of_customer(customer, NOW))
    order.refresh_from_db()

    assert Account.objects.get(customer=customer).balance == balance
    call_command("ledger_verify", stdout=io.StringIO())
    assert (order.total, order.customer_id, order.billing, order.billing_email) == (total, customer.pk, {}, "")


def test_erasing_twice_finds_nothing_more(world):
    customer = world.c["orders.Customer"]
    erasing.erase(erasing.of_customer(customer, NOW))
    customer.refresh_from_db()

    assert erasing.preview(erasing.find(customer.store, "ownedbyc@mail.example", NOW)) == {}
    assert erasing.preview(erasing.of_customer(customer, NOW)) == {}
