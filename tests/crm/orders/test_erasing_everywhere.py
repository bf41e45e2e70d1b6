"""A person is erased: nothing says any more who it was, and the books still close."""

import io

import pytest
from django.core.management import call_command

from crm.orders import erasing
from crm.orders.models import Customer, Order
from loyalty.models import Account
from tests.factories import NOW

from .tables import tables_with

pytestmark = pytest.mark.django_db
# What somebody was called, lived, wrote, and was written; the shop's own goods are named after the mark as well.
WORDS = [
    "{mark}@mail.example", "{mark} Road", "{mark} note", "{mark} asks", "{mark} text", "{mark} answer", "{mark} loves it",
    "{mark} likes it", "{mark} rang", "{mark} changed their mind", "{mark} van", "Thank you, {mark}", "{mark} checkout",
]  # fmt: skip


def traces(mark):
    return {words: found for words in WORDS if (found := tables_with(words.format(mark=mark)))}


def test_of_an_erased_person_nothing_is_left_in_any_table(world):
    # Not the world's own object, which the next test finds as this one leaves it.
    customer = Customer.objects.get(pk=world.c["orders.Customer"].pk)
    before = traces("ownedbyc")
    assert len(before) > 8 and len(before["{mark}@mail.example"]) > 8

    erasing.erase(erasing.find(customer.store, customer.email, NOW), by=world.superuser)

    assert traces("ownedbyc") == {}
    customer.refresh_from_db()
    assert (str(customer), customer.name) == (f"Erased ({customer.pk})", "")


def test_the_other_customer_and_the_other_shop_keep_everything(world):
    before = {mark: traces(mark) for mark in ("ownedbya", "ownedbyb")}

    erasing.erase(erasing.find(world.c.store, world.c["orders.Customer"].email, NOW))

    assert {mark: traces(mark) for mark in before} == before


def test_orders_sums_and_points_stay_and_are_nobodys(world):
    customer = world.c["orders.Customer"]
    order = Order.objects.get(pk=world.c["orders.Order"].pk)
    balance, total = world.c["loyalty.Account"].balance, order.total

    erasing.erase(erasing.of_customer(customer, NOW))
    order.refresh_from_db()

    assert Account.objects.points().get(customer=customer).balance == balance
    call_command("ledger_verify", stdout=io.StringIO())
    assert (order.total, order.customer_id, order.billing, order.billing_email) == (total, customer.pk, {}, "")


def test_erasing_twice_finds_nothing_more(world):
    customer = Customer.objects.get(pk=world.c["orders.Customer"].pk)
    erasing.erase(erasing.of_customer(customer, NOW))
    customer.refresh_from_db()

    assert erasing.preview(erasing.find(customer.store, "ownedbyc@mail.example", NOW)) == {}
    assert erasing.preview(erasing.of_customer(customer, NOW)) == {}
