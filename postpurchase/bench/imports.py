"""A full first import of orders from the demo shop's fast mode, against a bare loop that upserts the same rows."""

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from urllib.request import urlopen

import psutil
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from crm.orders.models import LineItem, Order
from crm.stores.models import Store
from crm.woocommerce.models import SyncState

from .figures import Figure
from .webhooks import url_of_this_database

ORDERS = int(os.environ.get("BENCH_ORDERS", 50_000))
KEY, SECRET = "ck_bench", "cs_bench"


def measure() -> list[Figure]:
    with fast_shop() as url:
        call_command(
            "connect_store",
            url,
            key=KEY,
            secret=SECRET,
            slug="bench-import",
            insecure=True,
            no_webhooks=True,
            verbosity=0,
        )
        ours = import_with_us(Store.objects.get(slug="bench-import"))
        bare = import_bare(url)
    assert ours["orders"] == bare["orders"] and ours["lines"] == bare["lines"], (ours, bare)
    rate, limit = ours["orders"] / ours["seconds"], bare["orders"] / bare["seconds"]
    megabyte = 1024 * 1024
    return [
        Figure("Import: orders a second, of the bare staging-COPY loop", rate / limit, "×", 0.5, "higher",
               f"{rate:,.0f}/s against {limit:,.0f}/s, {ours['orders']:,} orders, {ours['lines']:,} lines"),
        Figure("Import: peak memory of the process", ours["peak"] / megabyte, "MB", 128, "lower", f"bare: {bare['peak'] / megabyte:.0f} MB"),
        Figure("Import: second half in time, of the first", ours["second_half"] / (ours["seconds"] - ours["second_half"]), "×", 1.1, "lower"),
        Figure("Import: second half in memory, of the first", ours["peak"] / ours["peak_of_first_half"], "×", 1.1, "lower"),
    ]  # fmt: skip


@contextmanager
def fast_shop():
    """The demo shop in fast mode in a process of its own; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [
        sys.executable,
        "-m",
        "postpurchase.demo",
        "--port",
        str(port),
        "--key",
        KEY,
        "--secret",
        SECRET,
        "--fast",
        str(ORDERS),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=settings.BASE_DIR)
    try:
        for _ in range(300):
            try:
                urlopen(f"{url}/wp-json/", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def import_with_us(store: Store) -> dict:
    """`manage.py sync`, watched from outside: the time its orders took, and the memory of its process."""
    environment = os.environ | {
        "DATABASE_URL": url_of_this_database(),
        "SECRET_KEY": settings.SECRET_KEY,
        "LOG_LEVEL": "ERROR",
    }
    command = [sys.executable, "manage.py", "sync", store.slug]
    process = subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR, stdout=subprocess.DEVNULL)
    watched, half, peaks = psutil.Process(process.pid), None, [0, 0]
    while process.poll() is None:
        state = SyncState.objects.filter(store=store, resource="orders", started_at__isnull=False).first()
        if half is None and state and state.read >= ORDERS / 2:
            half = timezone.now()
        if state is None or state.finished_at is None:  # the peak is the orders'; what comes after them is small
            with suppress(psutil.NoSuchProcess):
                peaks[half is not None] = max(peaks[half is not None], watched.memory_info().rss)
        time.sleep(0.05)
    assert process.returncode == 0, "manage.py sync failed"
    state = SyncState.objects.get(store=store, resource="orders")
    return counted(store) | {
        "seconds": (state.finished_at - state.started_at).total_seconds(),
        "second_half": (state.finished_at - half).total_seconds(),
        "peak": max(peaks),
        "peak_of_first_half": peaks[0],
    }


def import_bare(url: str) -> dict:
    store = Store.objects.create(slug="bench-bare", name="Bare", url="https://bench-bare.example")
    module = "postpurchase.bench.bare_import"
    command = [sys.executable, "-m", module, url, KEY, SECRET, url_of_this_database(), str(store.pk)]
    printed = subprocess.run(command, cwd=settings.BASE_DIR, check=True, capture_output=True, text=True).stdout
    return counted(store) | json.loads(printed)


def counted(store: Store) -> dict:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return {"orders": Order.objects.filter(store=store).count(), "lines": LineItem.objects.filter(store=store).count()}
