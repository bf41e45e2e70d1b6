"""S2 and S9: an import whose process is killed, PostgreSQL with it, and two hosts that sync one shop."""

import json
import random
import time

from django.conf import settings
from django.db import OperationalError, connection

from crm.orders.models import Order
from crm.stores.models import Store
from postpurchase.bench.figures import Figure
from postpurchase.demo import server
from postpurchase.demo.fast import FIRST_ORDER, FastOrders
from postpurchase.demo.server import Demo

from . import mirror, shops
from .machine import Machine, wait_until
from .reading import told

# As long as a page takes on the machine of a shop that is no benchmark's.
LATENCY = 0.05
SLOW = 0.5


def backfill(machine: Machine, seed: int, orders: int, kills: int, crashes: int) -> list[Figure]:
    """`manage.py sync` is killed at so many moments, and PostgreSQL at some others; each time it is begun again."""
    dice = random.Random(seed)
    with server.running(server.year_shop(seed, customers=30, orders=150)) as demo:
        fast = demo.orders_from = FastOrders(orders, demo)
        store = shops.connected(demo, "backfill")
        counter = shops.Counter(demo, LATENCY)
        # The moments are spread over the pages of orders.
        pages = sorted(dice.sample(range(2, max(orders // 100, kills + crashes + 3)), kills + crashes))
        crashed = set(dice.sample(pages, crashes))
        half: list[str] = []
        unheard = 0
        run = machine.sync(store.slug)
        began = time.monotonic()
        for page in pages:
            if not run.is_alive():
                run.start()
            wait_until(lambda page=page: pages_of(demo) >= page or not run.is_alive(), 120, 0.005)  # type: ignore[misc]
            time.sleep(dice.random() * 0.05)
            if page in crashed:
                machine.kill_postgres()
                machine.restart_postgres()
            else:
                run.kill()
                # What is answered from now on, nobody hears.
                heard = pages_of(demo)
                wait_until(lambda: not counter.now, 10, 0.01)
                unheard += pages_of(demo) - heard
            half += applied_in_half(store, fast)
        while True:
            run.start()
            if run.wait() == 0:
                break
            if time.monotonic() - began > 900:
                half.append("the import never came to its end")
                break
        seconds = time.monotonic() - began
        wrong = list(mirror.payload_differences(store, (json.loads(row) for row in rows_of(fast, orders))))
        extra = Order.objects.filter(store=store).count() - orders
        fetched, least = pages_of(demo) - unheard, -(-orders // 100)
    return [
        Figure("S2: orders that differ or are missing", len(wrong), "rows", 0, "lower",
               told(f"{orders:,} orders, {kills} kills, {crashes} of PostgreSQL, {seconds:.0f} s, {counter.total:,} requests", wrong)),
        Figure("S2: orders too many", extra, "rows", 0, "lower"),
        Figure("S2: kills after which a page was held in half", len(half), "", 0, "lower", told("", half)),
        # Of few pages, those that overlap and those of one kill are more than the share that is promised.
        Figure("S2: pages of orders fetched", fetched, "pages", 1.05 * least + 2 * (kills + crashes) if least >= 500 else None, "lower",
               f"{least} is the least; {unheard} more were under way to a process that was killed"),
    ]  # fmt: skip


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


def applied_in_half(store: Store, fast: FastOrders) -> list[str]:
    """The place of the walk and what is held must speak of the same pages."""
    row = wait_until_told(store)
    if row is None or row[1]:
        return []
    position, _finished_at, held = row
    expected = max(position - FIRST_ORDER + 1, 0)
    return [] if held == expected else [f"{held} orders are held, the walk stands behind {expected}"]


def wait_until_told(store: Store) -> tuple | None:
    """Place and end of the walk and the number of orders, as of one moment: what was killed may be committing still."""
    while True:
        try:
            connection.close()
            with connection.cursor() as cursor:
                cursor.execute(
                    """
                    SELECT position, finished_at, (SELECT count(*) FROM orders_order o WHERE o.store_id = s.store_id)
                    FROM woocommerce_syncstate s WHERE store_id = %s AND resource = 'orders'
                    """,
                    [store.pk],
                )
                return cursor.fetchone()
        except OperationalError:
            time.sleep(0.2)


def two_hosts(machine: Machine, seed: int, orders: int) -> list[Figure]:
    """A second process begins while the first one syncs; then the first is killed and the second takes over."""
    with server.running(server.year_shop(seed, customers=20, orders=100)) as demo:
        fast = demo.orders_from = FastOrders(orders, demo)
        store = shops.connected(demo, "two-hosts")
        # Slow enough for the second to come in between.
        counter = shops.Counter(demo, SLOW)
        first, second = machine.sync(store.slug), machine.sync(store.slug)
        log = machine.folder / "sync.log"
        before = log.read_text() if log.exists() else ""
        first.start()
        wait_until(lambda: pages_of(demo) >= 2, 60)
        second.start()
        status = second.wait()
        said = [line for line in log.read_text()[len(before) :].splitlines() if "Another process" in line]
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
        Figure("S9: second syncs that were let in beside the first", int(not status or not said or not was_alive), "", 0, "lower", "; ".join(said)),
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
