from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.db.models import F
from django_q.models import OrmQ

from crm.orders.models import Order
from crm.woocommerce import runs, sync, tasks
from crm.woocommerce.errors import WooCommerceError
from crm.woocommerce.models import Drift, SyncRun, SyncState
from crm.woocommerce.sync import Mode
from postpurchase.demo.web import Response
from tests.factories import NOW, make_store

pytestmark = pytest.mark.django_db


@pytest.fixture
def imported(demo, shop_store):
    sync.run(shop_store)
    demo.shop.requests.clear()
    return shop_store


@pytest.fixture
def small_pages(monkeypatch):
    monkeypatch.setattr("crm.woocommerce.client.PER_PAGE", 5)


def newest() -> SyncRun:
    return SyncRun.objects.order_by("pk").last()


def test_a_run_is_on_record_with_what_it_did(demo, shop_store):
    sync.run(shop_store)

    run = SyncRun.objects.get()
    states = SyncState.objects.filter(store=shop_store)
    # Nothing was ever read: everything is.
    assert (run.mode, run.outcome, run.error) == ("full", "done", "")
    assert run.requests == len(demo.shop.requests)
    assert run.read == sum(state.read for state in states) and run.written == sum(state.written for state in states)
    assert run.orders == states.get(resource="orders").read
    assert run.pages and run.seconds > 0 and run.finished_at >= run.started_at >= run.asked_at


def test_a_poll_that_finds_nothing_is_on_record_and_not_worth_telling(imported):
    SyncState.objects.update(cursor="2100-01-01T00:00:00Z")

    sync.run(imported)

    assert (newest().mode, newest().written, newest().outcome) == ("changes", 0, "done")
    assert newest() not in SyncRun.objects.worth_telling()


def test_slices_of_time_are_one_run(demo, shop_store, small_pages):
    results = []
    while not results or not results[-1].is_finished:
        results.append(sync.run(shop_store, seconds=0))

    assert len(results) > 2
    run = SyncRun.objects.get()
    assert run.outcome == "done" and run.requests == len(demo.shop.requests)
    assert run.read > run.orders >= Order.objects.count()


def test_a_killed_run_is_gone_on_with_and_a_failed_one_says_why(demo, shop_store):
    def killed(state):
        if state.resource == "orders":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sync.run(shop_store, report=killed)
    assert SyncRun.objects.get().outcome == "running"
    demo.faults.append(
        lambda request, response: Response(401, b'{"code":"x","message":"Consumer key is invalid."}', [])
    )
    with pytest.raises(WooCommerceError):
        sync.run(shop_store)

    run = SyncRun.objects.get()
    assert run.outcome == "failed" and run.finished_at and "the shop does not know this consumer key" in run.error


def test_a_part_that_the_shop_refuses_is_named(demo, shop_store):
    refusal = b'{"code":"woocommerce_rest_cannot_view","message":"Sorry, you cannot list resources."}'
    demo.faults.append(lambda request, response: Response(403, refusal, []) if "coupons" in request.path else None)

    sync.run(shop_store)

    assert newest().outcome == "incomplete" and "lacks the right" in newest().error


def test_a_run_that_reads_more_ends_one_that_was_left_open(imported, small_pages):
    sync.run(imported, mode=Mode.COMPARE, seconds=0)
    left = newest()
    assert left.outcome == "running"

    sync.run(imported, mode=Mode.FULL)

    left.refresh_from_db()
    assert (left.outcome, newest().mode, newest().outcome) == ("incomplete", "full", "done")


def test_a_run_that_is_asked_for_twice_waits_once_and_comes_after_the_one_that_goes_on(imported):
    first, again = (tasks.ask_for_sync(imported, Mode.COMPARE) for _ in range(2))
    OrmQ.objects.all().delete()

    tasks.sync_store(imported.pk, Mode.CHANGES)

    assert first == again and first.outcome == "waiting"
    assert [task.task["args"] for task in OrmQ.objects.all()] == [(imported.pk, "compare")]
    tasks.sync_store(imported.pk, Mode.COMPARE)
    first.refresh_from_db()
    assert first.outcome == "done"


def test_the_poll_takes_along_what_waits(imported):
    runs.ask(imported, Mode.FULL, NOW)

    tasks.poll()

    assert [task.task["args"] for task in OrmQ.objects.all()] == [(imported.pk, "full")]


def test_shops_are_compared_in_their_own_night_and_once(db):
    kolkata, paris = (
        make_store(timezone=zone, connected_at=NOW - timedelta(days=90)) for zone in ("Asia/Kolkata", "Europe/Paris")
    )
    begun = defaultdict(list)
    # The clocks of Paris go back from three to two in the third night.
    start = datetime(2026, 10, 22, 18, 40, tzinfo=UTC)
    for store in (kolkata, paris):
        SyncRun.objects.create(
            store=store, mode="compare", outcome="done", asked_at=start, started_at=start, finished_at=start
        )

    for hour in range(72):
        with time_machine.travel(start + timedelta(hours=hour), tick=False):
            tasks.compare()
        for run in SyncRun.objects.waiting():
            begun[run.store_id].append(f"{run.asked_at.astimezone(run.store.zone):%d %H:%M}")
        SyncRun.objects.waiting().update(outcome="done", started_at=F("asked_at"), finished_at=F("asked_at"))

    assert begun == {
        kolkata.pk: ["23 03:10", "24 03:10", "25 03:10"],
        paris.pk: ["23 03:40", "24 03:40", "25 03:40"],
    }


def test_the_hour_that_comes_twice_is_one_night(db):
    store = make_store(timezone="Europe/Kyiv", connected_at=datetime(2026, 10, 24, 9, tzinfo=UTC))
    # Its clocks go back from four to three at one o'clock UTC.
    for minute, due in [(-61, []), (-59, [store]), (-1, [store]), (1, [store])]:
        assert runs.due_for_comparison(datetime(2026, 10, 25, 1, tzinfo=UTC) + timedelta(minutes=minute)) == due
    runs.ask(store, Mode.COMPARE, datetime(2026, 10, 25, 0, 30, tzinfo=UTC))

    for hour in range(8):
        assert runs.due_for_comparison(datetime(2026, 10, 25, 1 + hour, 20, tzinfo=UTC)) == []


def test_a_machine_that_sleeps_at_night_compares_by_day(db):
    store = make_store(connected_at=NOW - timedelta(days=90))
    noon = datetime(2026, 6, 10, 12, tzinfo=store.zone)
    runs.ask(store, Mode.COMPARE, noon - timedelta(days=1))

    assert runs.due_for_comparison(noon) == []
    assert runs.due_for_comparison(noon + timedelta(hours=12)) == [store]


def test_a_shop_that_was_just_connected_is_compared_in_its_first_night(db):
    store = make_store(connected_at=datetime(2026, 6, 10, 12, tzinfo=UTC))

    assert runs.due_for_comparison(datetime(2026, 6, 10, 14, tzinfo=UTC)) == []
    assert runs.due_for_comparison(datetime(2026, 6, 10, 21, 40, tzinfo=UTC)) == [store]


def test_a_nightly_comparison_that_meets_a_poll_comes_after_it(imported):
    tasks.compare()
    OrmQ.objects.all().delete()  # its task found the store busy

    tasks.sync_store(imported.pk, Mode.CHANGES)

    assert [task.task["args"] for task in OrmQ.objects.all()] == [(imported.pk, "compare")]


def test_two_runs_of_a_store_cant_go_on_at_once(store):
    SyncRun.objects.create(store=store, mode="full", outcome="running", started_at=NOW)

    with pytest.raises(IntegrityError), transaction.atomic():
        SyncRun.objects.create(store=store, mode="changes", outcome="running", started_at=NOW)


def test_old_polls_are_forgotten_first(store):
    for number, (written, day) in enumerate([(0, 20), (1, 20), (1, 1), (0, 12)]):
        SyncRun.objects.create(
            store=store, mode="changes", outcome="done", written=written, requests=number,
            started_at=NOW, finished_at=NOW.replace(month=5 if day > 13 else 6, day=day),
        )  # fmt: skip

    runs.forget_old(NOW.replace(day=19))

    # 30 days, and for polls that found nothing seven.
    assert sorted(SyncRun.objects.values_list("requests", flat=True)) == [1, 2, 3]


# --- drift ---


def test_a_comparison_counts_what_it_finds_and_puts_right(demo, imported):
    rows = demo.shop.rows["orders"]
    held = list(Order.objects.filter(store=imported).order_by("woo_id").values_list("woo_id", flat=True))
    missing, stale, trashed, gone = held[:4]
    wrong = Order.objects.get(woo_id=stale)
    Order.objects.filter(woo_id=missing).delete()
    Order.objects.filter(woo_id=stale).update(
        total=wrong.total - 5, date_modified_gmt="2020-01-01T00:00:00Z", digest="other"
    )
    demo.shop.trash(trashed)
    demo.shop.delete(gone)
    worth = Decimal(5)
    worth += sum(
        Order.objects.get(woo_id=n).total - Order.objects.get(woo_id=n).refunded_total for n in (trashed, gone)
    )
    refunded = sum(Decimal(r["amount"]) for r in demo.shop.rows["refunds"].values() if r["parent_id"] == missing)
    worth += Decimal(rows[missing]["total"]) - refunded

    sync.run(imported, mode=Mode.COMPARE)

    drift = Drift.objects.get(resource="orders")
    assert (drift.missing, drift.stale, drift.trashed, drift.gone, drift.healed) == (1, 1, 1, 1, 4)
    assert drift.in_mirror == len(held) - 1
    assert drift.in_shop == len(held) - 2
    assert drift.amount == worth
    assert newest().healed >= 4 and newest().mode == "compare"
    assert drift.day == SyncState.objects.get(resource="orders").started_at.astimezone(imported.zone).date()


def test_a_comparison_of_equals_finds_nothing_and_says_so(imported):
    sync.run(imported, mode=Mode.COMPARE)

    assert {drift.resource for drift in Drift.objects.all()} == {
        "orders",
        "products",
        "categories",
        "customers",
        "coupons",
        "reviews",
    }
    for drift in Drift.objects.all():
        assert (drift.differing, drift.healed, drift.amount) == (0, 0, 0)
        assert drift.in_shop == drift.in_mirror > 0


def test_a_comparison_in_slices_counts_each_difference_once(imported, small_pages):
    Order.objects.filter(store=imported).first().delete()

    while not sync.run(imported, mode=Mode.COMPARE, seconds=0).is_finished:
        pass

    assert Drift.objects.get(resource="orders").missing == 1
