"""What a sync costs the shop and this machine: a slow shop, a quiet one, and a comparison of many orders."""

import math
import os
import time
from datetime import timedelta
from statistics import median

from django.conf import settings
from django.db import connection, models
from django.utils import timezone

from crm.orders.models import Order
from crm.stores.models import Store
from crm.woocommerce import sync
from crm.woocommerce.client import PER_PAGE
from crm.woocommerce.models import SyncState
from postpurchase.demo import fast

from . import shop
from .figures import Figure
from .imports import MEGABYTE, make_store
from .imports import sync as sync_process

SLOW_ORDERS = int(os.environ.get("BENCH_SLOW_ORDERS", 10_000))
SECONDS = 1.0
COMPARED = int(os.environ.get("BENCH_COMPARED", 100_000))
POLLS = 15


def measure() -> list[Figure]:
    return [*slow_shop(), *comparison()]


def slow_shop() -> list[Figure]:
    """An import from a shop that takes its time; then polls that find nothing."""
    with shop.running(SLOW_ORDERS) as url:
        store = make_store("bench-slow", url)
        shop.counts(url, seconds=SECONDS)
        run = sync_process(store)
        counts = shop.counts(url, seconds=0)
        pages, readers = math.ceil(SLOW_ORDERS / PER_PAGE), settings.SYNC_READERS
        quiet = polls(store, url)
    return [
        Figure(f"Slow shop: time for pages of {SECONDS} s, of pages × seconds / readers", run["seconds"] / (pages * SECONDS / readers),
               "×", 1.15, "lower", f"{run['seconds']:.1f} s for {pages} pages, {readers} readers"),
        Figure("Slow shop: requests at once", counts["most"], "", readers, "lower"),
        *quiet,
    ]  # fmt: skip


def polls(store: Store, url: str) -> list[Figure]:
    """In this process, as in a worker that runs already."""
    sync.run(store)
    times = []
    for _ in range(POLLS):
        shop.counts(url)
        began = time.process_time()
        sync.run(store)
        times.append(time.process_time() - began)
    counts = shop.counts(url)
    requests = {name.removeprefix("requests "): n for name, n in counts.items() if name.startswith("requests ")}
    return [
        Figure("Quiet poll: requests for each kind of object", max(requests.values()), "", 1, "lower",
               ", ".join(sorted(requests))),
        Figure("Quiet poll: processor time", 1000 * median(times), "ms", 30, "lower", f"median of {POLLS}"),
    ]  # fmt: skip


def comparison() -> list[Figure]:
    with shop.running(COMPARED) as url:
        store = make_store("bench-compare", url)
        hold_as_generated(store, COMPARED)
        shop.counts(url)
        run = sync_process(store, "--reconcile")
        counts = shop.counts(url)
    assert not SyncState.objects.get(store=store, resource="orders").written
    return [
        Figure(f"Comparison of {COMPARED:,} unchanged orders: peak memory", run["peak"] / MEGABYTE, "MB", 128, "lower",
               f"{run['seconds']:.1f} s"),
        Figure("Comparison: bytes for each order", counts["bytes orders"] / COMPARED, "B", 150, "lower",
               f"{counts['requests orders']:,} requests"),
        # The trash is asked for with all its fields; there is none.
        Figure("Comparison: requests for whole orders", counts["whole orders"] - counts["requests orders trash"], "", 0, "lower"),
    ]  # fmt: skip


def hold_as_generated(store: Store, count: int) -> None:
    """Rows with the numbers and dates that the shop gives out, as if all of it had been read."""
    now = timezone.now()
    amounts = {field.name: 0 for field in Order._meta.concrete_fields if isinstance(field, models.DecimalField)}
    first = Order.objects.create(
        store=store, woo_id=fast.FIRST_ORDER, synced_at=now, status="completed", currency="INR", **amounts
    )
    differing = {
        "woo_id": "woo_id + n",
        "date_created_gmt": "%(begin)s + n * %(step)s * interval '1 second'",
        "date_modified_gmt": "%(begin)s + (n * %(step)s + %(settled)s) * interval '1 second'",
    }
    columns = [field.column for field in Order._meta.concrete_fields if not field.primary_key]
    values = [differing.get(column, column) for column in columns]
    step = max(int(fast.SPAN.total_seconds() // count), 1)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO orders_order ({", ".join(columns)}) SELECT {", ".join(values)}
            FROM orders_order, generate_series(1, %(count)s - 1) AS n WHERE id = %(first)s
            """,
            {"begin": fast.BEGIN, "step": step, "settled": fast.SETTLED, "count": count, "first": first.pk},
        )
        cursor.execute("ANALYZE")
    first.date_created_gmt, first.date_modified_gmt = fast.BEGIN, fast.BEGIN + timedelta(seconds=fast.SETTLED)
    first.save(update_fields=["date_created_gmt", "date_modified_gmt"])
    for resource in sync.STEPS:
        SyncState.objects.create(
            store=store, resource=resource, mode=SyncState.Mode.FULL, started_at=now, finished_at=now, cursor=now
        )
