"""Polls: what one that finds nothing costs, and what one must not leave out."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crm.orders.models import Category, Customer, Product, Refund
from crm.woocommerce import sync
from crm.woocommerce.models import Incident, SyncState
from tests.factories import NOW

from .test_sync import Killed
from .test_sync_sizes import requests_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def imported(demo, shop_store):
    sync.run(shop_store)
    sync.run(shop_store)
    demo.shop.requests.clear()
    return shop_store


def test_a_poll_that_finds_nothing_costs_few_statements_and_a_small_page_of_customers(demo, imported):
    # What was changed a moment ago would be shown once more.
    SyncState.objects.update(cursor="2100-01-01T00:00:00Z")
    with CaptureQueriesContext(connection) as seen:
        sync.run(imported)

    transactions = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
    assert len([query for query in seen if not query["sql"].startswith(transactions)]) <= 9
    asked = dict(requests_of(demo))
    assert asked["customers"]["per_page"] == ["10"]
    assert not SyncState.objects.unfinished().exists()


def test_what_waits_is_read_though_no_list_has_anything_new(demo, imported):
    buyer = Customer.objects.exclude(woo_id=None).first()
    Customer.objects.filter(pk=buyer.pk).update(synced_at=None, digest="", first_name="")
    refund = Refund.objects.first()
    Refund.objects.filter(pk=refund.pk).update(lines_synced_at=None)
    category = Category.objects.first()
    Category.objects.filter(pk=category.pk).update(digest="", name="")
    Incident.objects.create(store=imported, kind="sync", message="?", opened_at=NOW, last_seen_at=NOW)

    sync.run(imported)

    assert Customer.objects.get(pk=buyer.pk).first_name == buyer.first_name
    assert Refund.objects.get(pk=refund.pk).lines_synced_at
    assert Category.objects.get(pk=category.pk).name == category.name
    assert not Incident.objects.open().exists()


def test_what_a_killed_poll_has_saved_is_followed_by_the_next_one(demo, imported):
    variation = Product.objects.exclude(parent=None).first()
    Product.objects.filter(pk=variation.pk).update(name="Old", digest="")
    demo.shop.update_product(variation.parent.woo_id, name="New")

    def killed(state):
        if state.resource == "products" and state.finished_at:
            raise Killed

    with pytest.raises(Killed):
        sync.run(imported, report=killed)
    assert Product.objects.get(pk=variation.parent_id).name == "New"
    sync.run(imported)

    assert Product.objects.get(pk=variation.pk).name == variation.name


def test_more_new_customers_than_a_first_look_shows_are_all_read(demo, imported):
    before = Customer.objects.exclude(woo_id=None).count()
    for number in range(25):
        demo.shop.add_customer(email=f"new{number}@shop.example")

    sync.run(imported)

    assert Customer.objects.exclude(woo_id=None).count() == before + 25
