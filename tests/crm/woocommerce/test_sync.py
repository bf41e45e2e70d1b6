import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from crm.events.models import Event
from crm.orders.models import Category, Coupon, Customer, LineItem, Order, Product, Refund, RefundLine
from crm.woocommerce import sync
from crm.woocommerce.client import Client
from crm.woocommerce.connect import NO_ORDER
from crm.woocommerce.errors import WooCommerceError
from crm.woocommerce.models import KeptAside, SyncState
from crm.woocommerce.saving import mark_deleted
from crm.woocommerce.sync import Mode
from postpurchase.demo.web import Response

from .conftest import store_of

pytestmark = pytest.mark.django_db
NO_ORDERS = ("checkout-draft", "trash")


def image(store):
    """All that is mirrored of a shop, without our own primary keys and times."""

    def rows(queryset, *fields):
        return sorted(queryset.values_list(*fields), key=repr)

    here = {"store": store}
    return {
        "orders": rows(
            Order.objects.filter(**here, deleted_at=None),
            *(
                [
                    "woo_id",
                    "status",
                    "total",
                    "refunded_total",
                    "is_paid",
                    "customer__woo_id",
                    "customer__email",
                    "digest",
                ]
            ),
        ),
        "lines": rows(
            LineItem.objects.filter(**here, order__deleted_at=None),
            "order__woo_id",
            "woo_id",
            "product__woo_id",
            "name",
            "total",
        ),
        "refunds": rows(
            Refund.objects.filter(**here, order__deleted_at=None),
            "order__woo_id",
            "woo_id",
            "amount",
            "date_created_gmt",
        ),
        "refund_lines": rows(
            RefundLine.objects.filter(refund__store=store, refund__order__deleted_at=None),
            "refund__woo_id",
            "woo_id",
            "line_item__woo_id",
            "total",
        ),
        "customers": rows(Customer.objects.filter(**here, deleted_at=None), "woo_id", "email", "first_name", "digest"),
        "products": rows(Product.objects.filter(**here, deleted_at=None), "woo_id", "parent__woo_id", "digest"),
        "filed": rows(Product.objects.filter(**here), "woo_id", "categories__woo_id"),
        "categories": rows(Category.objects.filter(**here, deleted_at=None), "woo_id", "digest"),
        "coupons": rows(Coupon.objects.filter(**here, deleted_at=None), "woo_id", "digest"),
    }


def image_of_another(demo):
    """What a store would hold that is connected only now: the same shop under another address."""
    store = store_of(demo, url=f"{demo.url}/")
    sync.run(store)
    return image(store)


def paths(demo):
    """The requests since the last look."""
    seen = [request["path"].split("/wc/v3/")[-1] for request in demo.shop.requests]
    demo.shop.requests.clear()
    return seen


def test_first_import_reads_everything(demo, shop_store):
    result = sync.run(shop_store)

    assert result.is_finished and not result.errors
    rows = demo.shop.rows
    live = [order for order in rows["orders"].values() if order["status"] not in NO_ORDERS]
    assert set(Order.objects.values_list("woo_id", flat=True)) == {order["id"] for order in live}
    assert Customer.objects.exclude(woo_id=None).count() == len(rows["customers"])
    assert Category.objects.count() == len(rows["categories"])
    assert Product.objects.filter(parent=None).count() == len(rows["products"])
    assert Product.objects.exclude(parent=None).count() == len(rows["variations"])
    assert Coupon.objects.count() == len([c for c in rows["coupons"].values() if c["status"] != "trash"])
    assert Refund.objects.count() == len(
        [r for r in rows["refunds"].values() if r["parent_id"] in {o["id"] for o in live}]
    )
    assert not Refund.objects.filter(lines_synced_at=None).exists()
    assert not KeptAside.objects.exists()
    assert not SyncState.objects.unfinished().exists()


def test_history_is_silent_and_what_comes_after_is_told(demo, shop_store):
    shop_store.announce_from = datetime.now(UTC).replace(microsecond=0)
    shop_store.save()
    sync.run(shop_store)
    told = Event.objects.exclude(type="store.connected")
    assert not told.exists()

    placed = demo.shop.place_order(email="new@shop.example", lines=[(first_product(demo), 1)])
    demo.shop.pay(placed["id"])
    sync.run(shop_store)

    assert set(told.values_list("type", flat=True)) == {"customer.created", "order.created", "order.paid"}


def first_product(demo):
    return next(row["id"] for row in demo.shop.rows["products"].values() if row["type"] == "simple")


def an_order(demo, *, not_in=NO_ORDERS, **wanted):
    return next(
        order
        for order in demo.shop.rows["orders"].values()
        if order["status"] not in not_in and all(order[name] == value for name, value in wanted.items())
    )


def test_a_quiet_poll_takes_few_requests(demo, shop_store):
    sync.run(shop_store)
    paths(demo)

    sync.run(shop_store)

    assert paths(demo) == ["products", "customers", "coupons", "orders", "orders", "products/reviews"]


def test_a_poll_brings_what_changed(demo, shop_store):
    sync.run(shop_store)
    shop = demo.shop
    first = an_order(demo, status="processing")["id"]
    shop.complete(first)
    trashed = an_order(demo, status="completed", not_in={first})["id"]
    shop.trash(trashed)
    refunded = next(
        order for order in shop.rows["orders"].values() if order["status"] == "completed" and order["id"] != trashed
    )["id"]
    shop.refund(refunded, amount="1.00")
    new = shop.place_order(email="someone@shop.example", lines=[(first_product(demo), 2)])["id"]

    sync.run(shop_store)

    assert Order.objects.get(woo_id=first).status == "completed"
    assert Order.objects.get(woo_id=trashed).deleted_at
    assert Refund.objects.filter(order__woo_id=refunded, amount=1, lines_synced_at__isnull=False).exists()
    assert Order.objects.get(woo_id=new).customer.email == "someone@shop.example"
    assert image(shop_store) == image_of_another(demo)


def test_the_cursor_is_the_shops_clock(shop_store_at):
    demo, store, clock = shop_store_at(hours=-1)
    sync.run(store)
    cursor = SyncState.objects.get(resource="orders").cursor
    assert cursor <= demo.shop.now()

    clock[0] += timedelta(seconds=5)
    order = an_order(demo, status="processing")["id"]
    demo.shop.complete(order)
    sync.run(store)

    assert Order.objects.get(woo_id=order).status == "completed"


def test_a_clock_that_is_set_back_hides_no_order(shop_store_at):
    demo, store, clock = shop_store_at(hours=8)
    sync.run(store)
    clock[0] -= timedelta(hours=8)
    order = an_order(demo, status="processing")["id"]

    for _ in range(2):
        clock[0] += timedelta(minutes=5)
        sync.run(store)

    assert Order.objects.filter(woo_id=order).exists()
    assert SyncState.objects.get(resource="orders").cursor <= demo.shop.now()


def is_importing(store):
    states = SyncState.objects.filter(store=store)
    return not states or states.filter(mode=Mode.FULL).unfinished().exists()


class Killed(BaseException):
    """What no code of ours catches."""


class FragileClient(Client):
    """Dies before its n-th page."""

    def __init__(self, store, pages):
        super().__init__(store)
        self.pages_left = list(range(pages))  # of all readers together

    def page(self, *args, **kwargs):
        if not self.pages_left:
            raise Killed
        self.pages_left.pop()
        return super().page(*args, **kwargs)


def test_killed_at_any_page_the_next_run_ends_alike(demo, shop_store, monkeypatch):
    small_pages(monkeypatch)
    wanted = image_of_another(demo)
    paths(demo)
    kills = 0
    while is_importing(shop_store):
        try:
            sync.run(shop_store, client=FragileClient(shop_store, pages=2))
        except Killed:
            kills += 1
    sync.run(shop_store)

    assert kills > 10
    assert image(shop_store) == wanted


def small_pages(monkeypatch):
    """Few objects a page, so that a small shop has many."""
    for module in ("client", "paging", "walks"):
        monkeypatch.setattr(f"crm.woocommerce.{module}.PER_PAGE", 6)


def test_killed_between_saving_and_moving_on_nothing_is_half(demo, shop_store, monkeypatch):
    small_pages(monkeypatch)
    wanted = image_of_another(demo)
    calls = []

    def die_in_the_middle(state):
        calls.append(state.resource)
        if len(calls) % 2:
            raise Killed

    while is_importing(shop_store):
        with suppress(Killed):
            sync.run(shop_store, report=die_in_the_middle)
    sync.run(shop_store)

    assert image(shop_store) == wanted


def test_slices_of_time_add_up_to_a_whole_run(demo, shop_store, monkeypatch):
    small_pages(monkeypatch)
    runs = 1
    while not sync.run(shop_store, seconds=0).is_finished:
        runs += 1
        assert runs < 500

    assert runs > 10
    assert image(shop_store) == image_of_another(demo)


def test_objects_that_leave_the_list_while_it_is_read_take_nobody_along(demo, shop_store, monkeypatch):
    small_pages(monkeypatch)
    orders = sorted(order["id"] for order in demo.shop.rows["orders"].values() if order["status"] not in NO_ORDERS)
    seen = []

    def delete_what_was_read(state):
        if state.resource == "orders" and not state.finished_at and state.page in (2, 4) and state.page not in seen:
            seen.append(state.page)
            for woo_id in orders[len(seen) * 2 : len(seen) * 2 + 2]:
                demo.shop.delete(woo_id)

    sync.run(shop_store, report=delete_what_was_read)

    assert len(seen) == 2
    live = {order["id"] for order in demo.shop.rows["orders"].values() if order["status"] not in NO_ORDERS}
    assert live <= set(Order.objects.values_list("woo_id", flat=True))


def test_only_one_process_syncs_a_store(demo, shop_store):
    other = connections["default"].copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [f"woocommerce.sync:{shop_store.pk}"])
        with pytest.raises(sync.Busy):
            sync.run(shop_store)
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock_all()")
    finally:
        other.close()

    assert sync.run(shop_store).is_finished


def broken(path, reply):
    """A fault: this path answers otherwise."""
    return lambda request, response: reply(response) if request.path.endswith(path) else None


def test_one_broken_order_is_kept_aside_and_read_again_when_the_shop_put_it_right(demo, shop_store):
    poisoned = an_order(demo, status="completed")["id"]

    def poison(response):
        rows = json.loads(response.body)
        for row in rows:
            if row["id"] == poisoned:
                row["total"] = "NaN"
        return replace(response, body=json.dumps(rows).encode())

    demo.faults.append(broken("/orders", poison))
    sync.run(shop_store)
    kept = KeptAside.objects.get()
    assert (kept.resource, kept.woo_id) == ("orders", str(poisoned))
    assert not Order.objects.filter(woo_id=poisoned).exists()

    demo.faults.clear()
    sync.run(shop_store, mode=Mode.COMPARE)

    assert Order.objects.filter(woo_id=poisoned).exists()
    kept.refresh_from_db()
    assert kept.resolved_at


def test_what_one_kind_refuses_does_not_stop_the_others(demo, shop_store):
    refusal = json.dumps({"code": "woocommerce_rest_cannot_view", "message": "Sorry", "data": {"status": 403}}).encode()
    demo.faults.append(broken("/coupons", lambda response: replace(response, status=403, body=refusal)))

    result = sync.run(shop_store)

    assert ["coupons" in str(error) for error in result.errors] == [True]
    assert Order.objects.exists()
    assert "lacks the right" in SyncState.objects.get(resource="coupons").error


def test_a_shop_without_a_list_of_all_refunds_is_asked_order_by_order(demo, shop_store):
    no_route = json.dumps({"code": "rest_no_route", "message": "No route", "data": {"status": 404}}).encode()
    demo.faults.append(broken("/v3/refunds", lambda response: replace(response, status=404, body=no_route)))

    sync.run(shop_store)

    assert Refund.objects.exists() and not Refund.objects.filter(lines_synced_at=None).exists()
    assert image(shop_store) == image_of_another(demo)


# --- comparison ---


def test_comparison_heals_what_no_date_tells(demo, shop_store):
    shop = demo.shop
    orders = [order["id"] for order in shop.rows["orders"].values() if order["status"] == "completed"]
    missed, stale, revived, trashed, deleted = orders[:5]
    # Who has paid once more stays a paying customer, which no date and no number would tell.
    for number in (trashed, deleted):
        shop.pay(shop.place_order(customer_id=shop.order(number)["customer_id"], email="once@more.example")["id"])
    sync.run(shop_store)
    refund = next(row for row in shop.rows["refunds"].values() if row["parent_id"] not in (trashed, deleted))
    Order.objects.get(woo_id=missed).delete()
    Order.objects.filter(woo_id=stale).update(
        status="pending", date_modified_gmt=datetime(2020, 1, 1, tzinfo=UTC), digest="x"
    )
    mark_deleted(shop_store, "orders", [revived], datetime.now(UTC))
    shop.trash(trashed)
    shop.delete(deleted)
    shop.delete_refund(refund["id"])

    sync.run(shop_store, mode=Mode.COMPARE)

    assert Order.objects.get(woo_id=missed).line_items.exists()
    assert Order.objects.get(woo_id=stale).status == "completed"
    assert Order.objects.get(woo_id=revived).deleted_at is None
    assert Order.objects.get(woo_id=trashed).deleted_at
    assert Order.objects.get(woo_id=deleted).deleted_at
    assert not Refund.objects.filter(woo_id=refund["id"]).exists()
    assert image(shop_store) == image_of_another(demo)


def test_comparison_finds_deleted_customers(demo, shop_store):
    sync.run(shop_store)
    gone = Customer.objects.exclude(woo_id=None).latest("woo_id")
    del demo.shop.rows["customers"][gone.woo_id]

    sync.run(shop_store, mode=Mode.COMPARE)

    gone.refresh_from_db()
    assert gone.deleted_at


def test_comparison_of_what_is_right_writes_nothing(demo, shop_store):
    sync.run(shop_store)
    before = image(shop_store)
    paths(demo)

    sync.run(shop_store, mode=Mode.COMPARE)

    assert image(shop_store) == before
    assert not SyncState.objects.filter(resource="orders", written__gt=0).exists()
    # Of an order that there is none, to see whether the keys may write.
    asked = [path for path in paths(demo) if path != f"orders/{NO_ORDER}"]
    assert not any(path.startswith("orders/") and "refunds" not in path for path in asked)


def test_a_comparison_of_more_coupons_than_time_goes_on_where_it_was(demo, shop_store, monkeypatch):
    monkeypatch.setattr("crm.woocommerce.client.PER_PAGE", 8)
    coupons = [demo.shop.add_coupon(code=f"many{n}")["id"] for n in range(40)]
    sync.run(shop_store)
    Coupon.objects.filter(woo_id=coupons[0]).update(usage_count=9, digest="x")
    del demo.shop.rows["coupons"][coupons[-1]]
    paths(demo)

    result = sync.run(shop_store, mode=Mode.COMPARE, seconds=0)
    while not result.is_finished:
        result = sync.run(shop_store, mode=result.mode, seconds=0)

    assert Coupon.objects.get(woo_id=coupons[0]).usage_count == 0
    assert Coupon.objects.get(woo_id=coupons[-1]).deleted_at
    # In steps of five, once for the comparison and once for the poll after it: neither begins again.
    assert paths(demo).count("coupons") <= 20


def test_what_is_gone_is_asked_for_in_as_many_runs_as_it_takes(demo, shop_store):
    sync.run(shop_store)
    listed = [order["id"] for order in demo.shop.rows["orders"].values() if order["status"] == "completed"]
    for order in listed:
        demo.shop.delete(order)

    slices = 0
    result = sync.run(shop_store, mode=Mode.COMPARE, seconds=0)
    while not result.is_finished:
        slices += 1
        result = sync.run(shop_store, mode=result.mode, seconds=0)

    assert not Order.objects.filter(woo_id__in=listed, deleted_at=None).exists()
    assert slices >= len(listed) > 2


# --- the command ---


def run_command(*args):
    out, err = StringIO(), StringIO()
    try:
        call_command("sync", *args, stdout=out, stderr=err)
    except CommandError as error:
        return out.getvalue(), err.getvalue() + str(error)
    return out.getvalue(), err.getvalue()


def test_command_prints_counts(demo, shop_store):
    out, err = run_command(shop_store.slug)

    assert err == ""
    assert shop_store.name in out
    line = next(line for line in out.splitlines() if line.strip().startswith("Orders"))
    listed = [order for order in demo.shop.rows["orders"].values() if order["status"] != "trash"]
    assert f"100%  {len(listed)} read" in line
    assert sum(line.strip().startswith("Orders") for line in out.splitlines()) == 1
    carts = [order for order in listed if order["status"] == "checkout-draft"]
    assert (f"{len(carts)} left out" in line) == bool(carts)


def test_command_fails_while_something_is_kept_aside(demo, shop_store):
    KeptAside.objects.create(
        store=shop_store, resource="orders", woo_id="9", payload='{"id": 9, "total": "NaN"}', error="old"
    )

    out, err = run_command()

    assert "kept aside: Orders 9: total is 'NaN'" in err
    assert f"Not everything was applied: {shop_store.slug}." in err


def test_command_says_what_is_wrong_in_a_sentence(demo, shop_store):
    shop_store.consumer_secret = "cs_wrong"
    shop_store.save()

    _out, err = run_command()

    assert "Traceback" not in err and "cs_wrong" not in err
    assert "the shop" in err
    assert run_command("nobody")[1] == "No connected store is called nobody."


def test_an_error_is_kept_with_the_walk(demo, shop_store):
    demo.faults.append(broken("/orders", lambda response: Response(500, b"<title>Oops</title>", [])))
    client = Client(shop_store, sleep=lambda seconds: None)

    with pytest.raises(WooCommerceError):
        sync.run(shop_store, client=client)

    assert "Oops" in SyncState.objects.get(resource="orders").error
    assert SyncState.objects.get(resource="products").finished_at
    demo.faults.clear()
    sync.run(shop_store)
    assert SyncState.objects.get(resource="orders").error == ""


@pytest.mark.parametrize("code", ["a/b", "50% off", "चाय", "a+b&c=d", "x~y"])
def test_any_parameter_is_signed_as_the_shop_reads_it(demo, shop_store, code):
    with Client(shop_store) as client:
        assert client.get("coupons", code=code) == []
