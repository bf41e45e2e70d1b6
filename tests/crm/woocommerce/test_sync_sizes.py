"""Shops of every size, and how much is asked of them."""

import json
from dataclasses import replace
from decimal import Decimal
from urllib.parse import parse_qs

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crm.orders.models import Order
from crm.woocommerce import sync
from crm.woocommerce.models import Drift, KeptAside, SyncState
from crm.woocommerce.sync import Mode
from postpurchase.demo import server
from postpurchase.demo.fast import FastOrders

from .conftest import store_of
from .test_sync import FragileClient, Killed

pytestmark = pytest.mark.django_db


def requests_of(demo):
    """(path, parameters) since the last look."""
    seen = [(entry["path"].split("/wc/v3/")[-1], parse_qs(entry["query"])) for entry in demo.shop.requests]
    demo.shop.requests.clear()
    return seen


def orders_asked(demo):
    """The pages of the list of all orders: not the trash, nor those by which the shop is known again."""
    return [
        params
        for path, params in requests_of(demo)
        if path == "orders" and not {"status", "include", "modified_after"} & set(params)
    ]


@pytest.fixture
def many(db):
    """A shop with a thousand generated orders, and its store."""
    with server.running(server.year_shop(customers=8, orders=24)) as demo:
        demo.orders_from = FastOrders(1000, demo)
        yield demo, store_of(demo)


def test_a_shop_with_nothing_in_it():
    shop = server.year_shop(customers=1, orders=1)
    for rows in shop.rows.values():
        rows.clear()
    with server.running(shop) as demo:
        store = store_of(demo)

        assert not sync.run(store).errors
        requests_of(demo)
        for mode in (Mode.CHANGES, Mode.COMPARE, Mode.FULL):
            assert sync.run(store, mode=mode).is_finished

    assert not SyncState.objects.unfinished().exists()
    assert not Order.objects.exists()


def test_an_order_of_ten_megabytes(demo, shop_store):
    big = next(order["id"] for order in demo.shop.rows["orders"].values() if order["status"] == "completed")

    def swell(request, response):
        if not request.path.endswith("/orders"):
            return None
        rows = json.loads(response.body)
        for row in rows:
            if row["id"] == big:
                row["meta_data"] = [{"id": n, "key": f"k{n}", "value": "चाय" * 4000} for n in range(300)]
        return replace(response, body=json.dumps(rows, ensure_ascii=False).encode())

    demo.faults.append(swell)

    assert sync.run(shop_store).is_finished

    assert len(Order.objects.get(woo_id=big).meta_data) == 300
    assert not KeptAside.objects.exists()


def test_a_comparison_asks_for_numbers_and_dates_only(many):
    demo, store = many
    sync.run(store)
    requests_of(demo)

    sync.run(store, mode=Mode.COMPARE)

    asked = orders_asked(demo)
    assert len(asked) == 11  # 1,000 by 97 and the three that overlap
    assert {params["_fields"][0] for params in asked} == {"id,status,date_modified_gmt,refunds,total,currency"}
    assert SyncState.objects.get(resource="orders").written == 0


def test_a_page_takes_as_many_statements_at_the_end_as_at_the_beginning(many):
    _demo, store = many
    sync.run(store)
    costs, pages = [], []

    def note(state):
        if state.resource == "orders":
            costs.append(len(queries))
            pages.append(state.page)

    Order.objects.update(digest="")
    with CaptureQueriesContext(connection) as queries:
        sync.run(store, mode=Mode.FULL, report=note)

    each = [later - earlier for earlier, later in zip(costs, costs[1:], strict=False)][:9]
    assert max(each[1:]) - min(each[1:]) <= 2, each


def test_a_full_sync_that_was_killed_and_is_asked_for_again_reads_everything(many):
    demo, store = many
    sync.run(store)
    Order.objects.update(status="pending", digest="")

    with pytest.raises(Killed):
        sync.run(store, mode=Mode.FULL, client=FragileClient(store, pages=14))
    assert 0 < Order.objects.filter(digest="").count() < Order.objects.count()
    sync.run(store, mode=Mode.FULL)

    assert not Order.objects.filter(digest="").exists()
    assert not SyncState.objects.unfinished().exists()


def test_a_full_sync_after_a_whole_one_begins_at_the_first_page(many):
    demo, store = many
    sync.run(store)
    sync.run(store, mode=Mode.FULL)
    requests_of(demo)

    sync.run(store, mode=Mode.FULL)

    asked = orders_asked(demo)
    assert len(asked) == 11 and not any("_fields" in params for params in asked)


def test_orders_that_the_shop_hides_from_its_lists_are_asked_for_once_in_a_comparison_of_any_number_of_slices(many):
    demo, store = many
    sync.run(store)
    hidden = set(Order.objects.order_by("woo_id").values_list("woo_id", flat=True)[100:160])
    demo.faults.append(lambda request, response: hide(response, hidden) if request.path.endswith("/orders") else None)
    requests_of(demo)

    slices, result = 1, sync.run(store, mode=Mode.COMPARE, seconds=0)
    while not result.is_finished:
        slices, result = slices + 1, sync.run(store, mode=result.mode, seconds=0)
        assert slices < 300

    paths = {f"orders/{number}" for number in hidden}
    singly = [path for path, _params in requests_of(demo) if path in paths]
    # The few of the last slice but one may be asked for again.
    assert len(set(singly)) == 60 and len(singly) <= 70
    assert not Order.objects.filter(woo_id__in=hidden).exclude(deleted_at=None).exists()


def hide(response, numbers):
    rows = json.loads(response.body)
    return replace(response, body=json.dumps([row for row in rows if row["id"] not in numbers]).encode())


def test_a_comparison_notes_what_both_sides_come_to(demo, shop_store):
    sync.run(shop_store)
    order = Order.objects.filter(deleted_at=None, refunded_total__gt=0).first()
    Order.objects.filter(pk=order.pk).update(total=order.total + 7, date_modified_gmt=None, digest="")
    shown = [row for row in demo.shop.rows["orders"].values() if row["status"] not in ("trash", "checkout-draft")]
    paid_back = sum(Decimal(row["amount"]) for row in demo.shop.rows["refunds"].values())

    sync.run(shop_store, mode=Mode.COMPARE)
    sync.run(shop_store, mode=Mode.COMPARE)

    first, second = Drift.objects.filter(resource="orders").order_by("pk")
    assert first.shop_total == sum(Decimal(row["total"]) for row in shown) - paid_back
    assert (first.mirror_total - first.shop_total, first.amount, first.healed) == (7, 7, 1)
    assert (second.mirror_total, second.amount) == (second.shop_total, 0)
    assert Drift.objects.filter(resource="products", shop_total=0).exists()
