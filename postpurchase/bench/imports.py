"""Full imports of orders from generated ones: against a bare loop that upserts the same rows, against dlt, and once more when nothing has changed."""

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from statistics import median

import psutil
from django.conf import settings
from django.db import connection
from django.utils import timezone

from crm.orders.models import LineItem, Order
from crm.stores.models import Store
from crm.woocommerce.models import SyncState

from . import peers, shop
from .figures import Figure
from .webhooks import url_of_this_database

ORDERS = int(os.environ.get("BENCH_ORDERS", 50_000))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", 3))
MEGABYTE = 1024 * 1024


def measure() -> list[Figure]:
    rounds = []
    with shop.running(ORDERS) as url:
        for number in range(ROUNDS):
            store = make_store(f"bench-import-{number}", url)
            ours, again = sync(store), sync(store, "--full")
            # Two stores can't have one address.
            Store.objects.filter(pk=store.pk).update(url=f"https://bench-{store.pk}.example")
            bare = import_bare(url)
            assert ours["orders"] == bare["orders"] and ours["lines"] == bare["lines"], (ours, bare)
            rounds.append((ours, again, bare))
        dlt = of_dlt(url, median(rate(ours) for ours, _again, _bare in rounds))
    ratios = [rate(ours) / rate(bare) for ours, _again, bare in rounds]
    ours, again, bare = rounds[0]
    halves = [run["second_half"] / (run["seconds"] - run["second_half"]) for run, _again, _bare in rounds]
    return [
        Figure("Import: orders a second, of the bare staging-COPY loop", median(ratios), "×", 0.6, "higher",
               f"{median(rate(run) for run, _, _ in rounds):,.0f}/s against {median(rate(run) for _, _, run in rounds):,.0f}/s, "
               f"{ours['orders']:,} orders, {ours['lines']:,} lines, {ROUNDS} rounds: {', '.join(f'{ratio:.2f}' for ratio in ratios)}"),
        dlt,
        Figure("Import: peak memory of the process", max(run["peak"] for run, _, _ in rounds) / MEGABYTE, "MB", 128, "lower",
               f"bare: {bare['peak'] / MEGABYTE:.0f} MB"),
        Figure("Import: second half in time, of the first", median(halves), "×", 1.1, "lower"),
        Figure("Import: second half in memory, of the first", max(run["peak"] / run["peak_of_first_half"] for run, _, _ in rounds),
               "×", 1.1, "lower"),
        Figure("Import: once more with nothing changed, how many times as fast",
               median(run["seconds"] / once_more["seconds"] for run, once_more, _ in rounds), "×", 2, "higher",
               f"{again['seconds']:.1f} s after {ours['seconds']:.1f} s"),
    ]  # fmt: skip


def make_store(slug: str, url: str) -> Store:
    now = timezone.now()
    return Store.objects.create(
        slug=slug, name=slug, url=url, consumer_key=shop.KEY, consumer_secret=shop.SECRET, insecure=True, currency="INR",
        connected_at=now, announce_from=now,
    )  # fmt: skip


def rate(run: dict) -> float:
    return run["orders"] / run["seconds"]


def of_dlt(url: str, ours: float) -> Figure:
    name = "Import: orders a second, of dlt in merge mode"
    try:
        seconds = peers.seconds_of_dlt(url, shop.KEY, shop.SECRET)
    except peers.Missing as reason:
        return Figure(name, 0, "×", None, "higher", f"not measured: {reason}")
    theirs = ORDERS / seconds
    return Figure(name, ours / theirs, "×", 3, "higher", f"{ours:,.0f}/s against {theirs:,.0f}/s, one round of dlt")


def sync(store: Store, *options: str) -> dict:
    """`manage.py sync`, watched from outside: the time its orders took, and the memory of its process."""
    environment = os.environ | {
        "DATABASE_URL": url_of_this_database(),
        "SECRET_KEY": settings.SECRET_KEY,
        "LOG_LEVEL": "ERROR",
    }
    command = [sys.executable, "manage.py", "sync", store.slug, *options]
    began = timezone.now()
    process = subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR, stdout=subprocess.DEVNULL)
    watched, half, peaks = psutil.Process(process.pid), None, [0, 0]
    while process.poll() is None:
        state = SyncState.objects.filter(store=store, resource="orders", started_at__gte=began).first()
        if half is None and state and state.total and state.read >= state.total / 2:
            half = timezone.now()
        if state is None or state.finished_at is None:  # the peak is the orders'; what comes after them is small
            with suppress(psutil.NoSuchProcess):
                peaks[half is not None] = max(peaks[half is not None], watched.memory_info().rss)
        time.sleep(0.05)
    assert process.returncode == 0, "manage.py sync failed"
    ends = dict(SyncState.objects.filter(store=store).values_list("resource", "finished_at"))
    seconds = (ends["orders"] - ends["coupons"]).total_seconds()  # the kind before them
    return counted(store) | {
        "seconds": seconds,
        "second_half": (ends["orders"] - (half or ends["orders"])).total_seconds(),
        "peak": max(peaks),
        "peak_of_first_half": peaks[0],
    }


def import_bare(url: str) -> dict:
    number = Store.objects.count()
    store = Store.objects.create(slug=f"bench-bare-{number}", name="Bare", url=f"https://bench-bare-{number}.example")
    module = "postpurchase.bench.bare_import"
    command = [sys.executable, "-m", module, url, shop.KEY, shop.SECRET, url_of_this_database(), str(store.pk)]
    printed = subprocess.run(command, cwd=settings.BASE_DIR, check=True, capture_output=True, text=True).stdout
    return counted(store) | json.loads(printed)


def counted(store: Store) -> dict:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return {"orders": Order.objects.filter(store=store).count(), "lines": LineItem.objects.filter(store=store).count()}
