"""S9: two hosts that sync one shop."""

import json

from django.conf import settings
from django.db import connection

from crm.orders.models import Order
from crm.stores.models import Store
from postpurchase.bench.figures import Figure
from postpurchase.demo import server
from postpurchase.demo.fast import FastOrders
from postpurchase.demo.server import Demo

from . import mirror, shops
from .machine import Machine, wait_until
from .reading import told

# As long as a page takes on the machine of a shop that is no benchmark's.
LATENCY = 0.05
SLOW = 0.5


def rows_of(fast: FastOrders, orders: int):
    series = fast.series["orders"]
    return (series.row(number) for number in range(orders))


def pages_of(demo: Demo) -> int:
    """Pages of orders that were answered, without those of the trash and of ids only."""
    with demo.shop.lock:
        asked = list(demo.shop.requests)
    return sum(
        row["path"].endswith("/orders") and row["status"] == 200 and "trash" not in row["query"]
        and "page=" in row["query"] and "_fields" not in row["query"]
        for row in asked
    )  # fmt: skip


def two_hosts(machine: Machine, seed: int, orders: int) -> list[Figure]:
    """A second process begins while the first one syncs; then the first is killed and the second takes over."""
    with server.running(server.year_shop(seed, customers=20, orders=100)) as demo:
        fast = demo.orders_from = FastOrders(orders, demo)
        store = shops.connected(demo, "two-hosts")
        # Slow enough for the second to come in between.
        counter = shops.Counter(demo, SLOW)
        first, second = machine.sync(store.slug), machine.sync(store.slug)
        first.start()
        wait_until(lambda: pages_of(demo) >= 2, 60)
        second.start()
        status = second.wait()
        said = [line for line in (machine.folder / "sync.log").read_text().splitlines() if "Another process" in line]
        was_alive = first.is_alive()
        first.kill()
        free = wait_until(lambda: is_free(store), 30, 0.02)
        counter.seconds = LATENCY
        second.start()
        ended = second.wait()
        wrong = list(mirror.payload_differences(store, (json.loads(row) for row in rows_of(fast, orders))))
        wrong += mirror.held_twice(Order, store)
        most = counter.most
    return [
        Figure("S9: second syncs that were let in beside the first", int(not status or not was_alive), "", 0, "lower", "; ".join(said)),
        Figure("S9: seconds until the lock of a killed one is free", 999 if free is None else free, "s", 5, "lower"),
        Figure("S9: rows twice, missing or different", len(wrong) + abs(ended), "rows", 0, "lower", told(f"{orders:,} orders", wrong)),
        Figure("S9: requests at once", most, "", settings.SYNC_READERS, "lower"),
    ]  # fmt: skip


def is_free(store: Store) -> bool:
    with connection.cursor() as cursor:
        name = [f"woocommerce.sync:{store.pk}"]
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", name)
        (taken,) = cursor.fetchone()
        if taken:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", name)
    return taken
