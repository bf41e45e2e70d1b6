"""What is held to the letter costs next to nothing to be told again."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crm.events.models import Event
from crm.orders.models import LineItem, Order
from crm.woocommerce.models import KeptAside
from crm.woocommerce.saving import mark_deleted, save_orders, save_refunds
from tests.factories import NOW, make_store

from .payloads import order, refund

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def store():
    return make_store()


def test_a_page_that_is_held_already_takes_few_statements_and_writes_nothing(store):
    page = [order(number) for number in range(1, 51)]
    save_orders(store, page, NOW)

    with CaptureQueriesContext(
        connection,
    ) as queries:
        saved = save_orders(store, page, LATER)

    assert (saved.unchanged, saved.written, saved.newest) == (50, 0, saved.newest)
    assert saved.newest
    assert len([query for query in queries if "SAVEPOINT" not in query["sql"]]) <= 3
    assert set(Order.objects.values_list("synced_at", flat=True)) == {NOW}


def test_what_the_shop_does_not_mean_is_no_difference(store):
    payload = order(5)
    save_orders(store, [payload], NOW)

    saved = save_orders(store, [payload | {"_links": {}}], LATER)

    assert saved.unchanged == 1


def test_a_field_that_is_not_mapped_is_looked_at_once(store):
    save_orders(store, [order(5)], NOW)
    before = Order.objects.get().digest
    changed = order(5, cart_hash="another")

    assert save_orders(store, [changed], LATER).unchanged == 1

    held = Order.objects.get()
    assert held.digest[:16] == before[:16] and held.digest != before
    assert held.synced_at == NOW
    assert save_orders(store, [changed], LATER).unchanged == 1


def test_a_row_whose_digest_was_lost_is_written_anew(store):
    save_orders(store, [order(5)], NOW)
    Order.objects.update(status="pending", digest="")

    assert save_orders(store, [order(5)], LATER).updated == 1

    assert Order.objects.get().status == "processing"


def test_what_was_deleted_and_is_seen_unchanged_comes_back(store):
    save_orders(store, [order(5)], NOW)
    mark_deleted(store, "orders", [5], NOW)

    assert save_orders(store, [order(5)], LATER, revive=True).updated == 1

    assert Order.objects.get().deleted_at is None


def test_what_was_kept_aside_is_resolved_by_the_version_that_is_held(store):
    save_orders(store, [order(5)], NOW)
    save_orders(store, [order(5, total="NaN")], NOW)
    assert KeptAside.objects.unresolved().exists()

    save_orders(store, [order(5)], LATER)

    assert not KeptAside.objects.unresolved().exists()


def test_a_refund_that_was_gone_and_came_back_is_told_again_once_its_lines_are_known(store):
    """A late webhook of the same second may list fewer refunds; points are reckoned by the lines."""
    other = {"id": 901, "reason": "", "total": "-1.00"}
    listed = {"refunds": [{"id": 900, "reason": "", "total": "-39.00"}, other]}
    save_orders(store, [order(5, **listed)], NOW)
    save_refunds(store, [refund(5, 900, amount="39.00")], NOW)
    save_orders(store, [order(5, "2026-06-15T12:00:01", refunds=[other])], NOW)
    save_orders(store, [order(5, "2026-06-15T12:00:02", **listed)], NOW)
    told = Event.objects.filter(store=store, type="refund.itemised")
    assert told.count() == 1

    for _again in range(2):
        save_refunds(store, [refund(5, 900, amount="39.00")], NOW + timedelta(minutes=1))

    assert [event.key.partition(":")[0] for event in told] == ["900", "900"]


def test_an_order_that_changes_to_and_fro_is_told_of_each_time(store):
    """A late webhook may bring a refund back that was deleted; who reckons points must hear when it is gone again."""
    fewer = {"refunds": [{"id": 901, "reason": "", "total": "-1.00"}]}
    listed = {"refunds": [{"id": 900, "reason": "", "total": "-39.00"}, *fewer["refunds"]]}

    for second, change in enumerate([fewer, listed, fewer, listed, fewer]):
        save_orders(store, [order(5, f"2026-06-15T12:00:0{second}", **change)], NOW)
        save_orders(store, [order(5, f"2026-06-15T12:00:0{second}", **change)], NOW)

    told = [event.type for event in Event.objects.filter(store=store).order_by("pk")]
    assert told.count("order.updated") == 4
    assert told.count("refund.deleted") == 2


def test_of_an_order_that_changed_only_lines_that_differ_to_the_letter_are_written(store):
    first = order(5, lines=2)
    save_orders(store, [first], NOW)
    same, other = first["line_items"]
    changed = first | {
        "date_modified_gmt": "2026-06-16T12:00:00",
        "line_items": [same, other | {"total": f"{other['total']}0"}],
    }
    before = versions()

    save_orders(store, [changed], LATER)

    after = versions()
    assert after[same["id"]] == before[same["id"]]
    assert after[other["id"]] != before[other["id"]]
    assert str(LineItem.objects.get(woo_id=other["id"]).total) == f"{other['total']}0"


def versions():
    """Where PostgreSQL has each line: a line that was written stands in another place."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT woo_id, ctid::text FROM orders_lineitem")
        return dict(cursor.fetchall())
