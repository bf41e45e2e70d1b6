"""Numbers and amounts that no shop should have: kept exactly or kept aside with a message, and what stands around them is mirrored."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from crm.orders.models import Customer, Order, Product, Refund
from crm.woocommerce import sync
from crm.woocommerce.models import Drift, KeptAside, Reread, SyncState
from crm.woocommerce.saving import save_orders, save_refunds
from postpurchase.demo import server
from postpurchase.demo.fast import FastOrders
from tests.factories import NOW

from .conftest import store_of
from .payloads import order, refund, summary

pytestmark = pytest.mark.django_db
STRANGE = [2**63 - 1, 2**63, 10**30, -5, 2**53, "9223372036854775807", "seven", True, 1.5, None, [7]]


def change(demo, path, function):
    """Have the rows of a list changed before they are sent."""

    def fault(request, response):
        if (
            response.status == 200
            and request.path.endswith(path)
            and isinstance(rows := json.loads(response.body), list)
        ):
            return replace(response, body=json.dumps(function(rows)).encode())
        return None

    demo.faults.append(fault)


def test_objects_with_numbers_that_cannot_be_in_mid_list_blind_no_walk(db):
    with server.running(server.year_shop(customers=8, orders=24)) as demo:
        demo.orders_from = FastOrders(450, demo)
        store = store_of(demo)
        spoilt = {}

        def spoil(rows):
            if len(rows) > 50 and not spoilt:
                spoilt.update(zip([row["id"] for row in rows[10:]], STRANGE, strict=False))
            return [row | {"id": spoilt.get(row["id"], row["id"])} for row in rows]

        change(demo, "/orders", spoil)
        for mode in ("full", "changes", "compare", "full"):
            assert sync.run(store, mode=mode).is_finished

    assert Order.objects.count() == 450 - len(STRANGE)
    kept = KeptAside.objects.filter(resource="orders", resolved_at=None)
    # Two of them read alike.
    assert kept.count() == len(STRANGE) - 1 and all(row.error.startswith("id is") for row in kept)
    assert SyncState.objects.get(resource="orders").position < 10**9
    # Nobody was taken for gone, or asked for one by one.
    assert not Order.objects.exclude(deleted_at=None).exists() and not Reread.objects.filter(resource="orders").exists()


def test_whoever_comes_after_a_customer_with_a_number_that_cannot_be_is_found(demo, shop_store):
    change(demo, "/customers", lambda rows: [*rows, *(rows[0] | {"id": strange} for strange in STRANGE if rows)])
    for mode in ("full", "compare"):
        sync.run(shop_store, mode=mode)
    demo.shop.add_customer(email="new@mail.example")

    sync.run(shop_store)

    assert Customer.objects.filter(email="new@mail.example").exists()


def test_a_number_that_came_as_text_is_a_number(demo, shop_store):
    change(demo, "/orders", lambda rows: [row | {"id": str(row["id"])} for row in rows])

    for mode in ("full", "changes", "compare"):
        sync.run(shop_store, mode=mode)

    live = set(Order.objects.filter(deleted_at=None).values_list("woo_id", flat=True))
    assert live == {
        row["id"] for row in demo.shop.rows["orders"].values() if row["status"] not in ("checkout-draft", "trash")
    }


EXACT = ["185.9987654321", "0.123456789012345678901234567890", "999999999999999.99", "2.7755575615628914e-17", "1e3"]
ABSURD = ["1000000000000000", "1e400", "NaN", "Infinity", "-1e999", "0." + "1" * 61, "12,50", [5], {"a": 1}]


def exactly(held, written):
    return f"{held:f}" == f"{Decimal(written):f}"


@pytest.mark.parametrize("written", EXACT)
def test_amounts_are_kept_with_every_digit(store, written):
    save_orders(store, [order(1, total=written, refunds=[summary(5, total=f"-{written}")])], NOW)
    save_refunds(store, [refund(1, 5, amount=written)], NOW)

    held = Order.objects.get()
    assert exactly(held.total, written) and exactly(held.refunded_total, written)
    assert exactly(Refund.objects.get().amount, written)


@pytest.mark.parametrize("written", ABSURD, ids=lambda written: repr(written)[:20])
def test_absurd_amounts_are_kept_aside_whole_and_change_nothing(store, written):
    """Neither the order nor its refund is half applied, whichever of the two says it."""
    save_orders(store, [order(1, total="50.00", refunds=[summary(5, total="-10.00")])], NOW)
    before = Order.objects.values().get(), Refund.objects.values().get()
    later = {"date_modified_gmt": "2026-06-16T00:00:00", "status": "refunded"}

    for payload in (
        order(1, total=written, **later),
        order(1, total="60.00", refunds=[summary(5, total=written), summary(6)], **later),
    ):
        assert save_orders(store, [payload], NOW).kept_aside
    assert save_refunds(store, [refund(1, 7, amount=written)], NOW).kept_aside

    assert (Order.objects.values().get(), Refund.objects.values().get()) == before
    assert {kept.woo_id for kept in KeptAside.objects.unresolved()} == {"1", "7"}
    assert all("amount" in kept.error for kept in KeptAside.objects.unresolved())


def test_a_comparison_survives_amounts_at_the_edge_and_refunds_that_are_none(demo, shop_store):
    """Many of the largest amounts that there may be, differing all at once; and one order whose refund has no number."""
    sync.run(shop_store)
    Order.objects.update(date_modified_gmt=None, digest="")
    broken = min(Order.objects.filter(deleted_at=None).values_list("woo_id", flat=True))

    def absurd(rows):
        return [
            row
            | {"total": "999999999999999.99"}
            | ({"refunds": [{"id": "x", "total": "1"}]} if row["id"] == broken else {})
            for row in rows
        ]

    change(demo, "/orders", absurd)

    assert sync.run(shop_store, mode="compare").is_finished

    drift = Drift.objects.get(resource="orders")
    assert drift.amount > 10**16 and drift.shop_total > drift.mirror_total
    assert KeptAside.objects.unresolved().get().woo_id == str(broken)


def test_variations_that_went_are_counted_and_not_before_the_shop_is_known(demo, shop_store):
    sync.run(shop_store)
    parent = next(row for row in demo.shop.rows["products"].values() if row["type"] == "variable")
    gone = parent["variations"].pop(0)
    demo.shop.drop("variations", gone)
    Product.objects.filter(woo_id=parent["id"]).update(digest="")
    demo.shop.update_product(parent["id"], name="Another name")

    sync.run(shop_store)

    assert Product.objects.get(woo_id=gone).deleted_at
    assert SyncState.objects.get(resource="variations").written >= 1


def test_variations_that_a_list_leaves_out_stay_and_those_of_a_simple_product_go(demo, shop_store):
    sync.run(shop_store)
    parent = next(row for row in demo.shop.rows["products"].values() if row["type"] == "variable")
    hidden, *others = parent["variations"]
    change(demo, f"/{parent['id']}/variations", lambda rows: [row for row in rows if row["id"] != hidden])

    sync.run(shop_store, mode="compare")
    assert not Product.objects.filter(woo_id__in=[hidden, *others]).exclude(deleted_at=None).exists()

    # As it was while such lists were believed.
    Product.objects.filter(woo_id=others[0]).update(deleted_at=NOW)
    sync.run(shop_store, mode="compare")
    assert Product.objects.get(woo_id=others[0]).deleted_at is None

    parent["type"] = "simple"
    for woo_id in parent["variations"]:
        demo.shop.drop("variations", woo_id)
    parent["variations"] = []
    demo.shop.update_product(parent["id"], name="Plain")
    sync.run(shop_store, mode="compare")
    assert not Product.objects.filter(woo_id__in=[hidden, *others], deleted_at=None).exists()
