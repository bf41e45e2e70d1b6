"""Several processes write the same mirror at once."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from django.db import connection, transaction

from crm.events.models import Event
from crm.orders.customers import join_guest
from crm.orders.models import Customer, Order
from crm.woocommerce import sync
from crm.woocommerce.models import SyncState
from crm.woocommerce.saving import save_orders
from tests.factories import NOW, make_customer, make_store

from .conftest import store_of
from .payloads import guest_order, order, summary
from .test_sync import image

ROOT = Path(__file__).resolve().parents[3]


def together(*functions):
    """Run functions at once, each on a connection of its own; raises what one of them raised."""
    errors, start = [], threading.Barrier(len(functions))

    def run(function):
        try:
            start.wait(10)
            function()
        except Exception as error:  # told to the test below
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    if errors:
        raise errors[0]


@pytest.mark.django_db(transaction=True)
def test_pages_saved_at_once_in_opposite_orders_end_in_the_newest_without_deadlock():
    store = make_store()
    pages = []
    for minute in range(6):
        page = [
            guest_order(f"g{n % 4}@shop.example", woo_id=n, at=f"2026-06-15T12:0{minute}:00", lines=1 + minute % 3)
            if n % 2
            else order(n, f"2026-06-15T12:0{minute}:00", refunds=[summary(1000 + n)] if minute > 3 else [])
            for n in range(1, 21)
        ]
        pages.append(page if minute % 2 else page[::-1])

    def save_all(some):
        return lambda: [save_orders(store, page, NOW) for page in some]

    together(save_all(pages), save_all(pages[::-1]), save_all(pages[3:] + pages[:3]))

    orders = Order.objects.filter(store=store)
    assert orders.count() == 20
    assert {o.date_modified_gmt.minute for o in orders} == {5}
    assert {o.line_items.count() for o in orders if o.woo_id % 2} == {3}
    assert Customer.objects.filter(store=store, woo_id=None).count() == 2
    for type in ("order.created", "order.paid"):
        assert Event.objects.filter(type=type).count() == 20
    assert Event.objects.filter(type="order.refunded").count() == 10


@pytest.mark.django_db(transaction=True)
def test_joining_a_guest_while_orders_come_in_leaves_no_order_behind():
    store = make_store()
    account = make_customer(store, email="meera@shop.example")
    save_orders(store, [guest_order("meera@shop.example", woo_id=1)], NOW)
    payloads = [guest_order("meera@shop.example", woo_id=n) for n in range(2, 40)]

    together(
        lambda: [save_orders(store, [payload], NOW) for payload in payloads],
        lambda: join_guest(store, "meera@shop.example", NOW),
    )

    assert set(Order.objects.values_list("customer_id", flat=True)) == {account.pk}


@pytest.mark.django_db(transaction=True)
def test_a_sync_killed_by_the_system_goes_on_and_ends_alike(demo, database_url):
    store = store_of(demo)
    command = [sys.executable, "manage.py", "sync", store.slug]
    environment = os.environ | {"DATABASE_URL": database_url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    hold, held = threading.Event(), threading.Event()

    def stop_at_the_orders(request, response):
        if request.path.endswith("/orders") and not hold.is_set():
            held.set()
            hold.wait(30)
        return None

    demo.faults.append(stop_at_the_orders)
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
        assert held.wait(60)
        process.send_signal(signal.SIGKILL)
    hold.set()
    assert SyncState.objects.get(store=store, resource="customers").finished_at
    assert not SyncState.objects.get(store=store, resource="orders").finished_at
    demo.shop.requests.clear()

    deadline = time.monotonic() + 20
    while True:
        try:
            sync.run(store)
            break
        except sync.Busy:
            # PostgreSQL notices in a moment that the process is gone.
            assert time.monotonic() < deadline
            time.sleep(0.05)

    asked = [request["path"].split("/wc/v3/")[-1] for request in demo.shop.requests]
    asked = [path for path in asked if path not in ("/wp-json/", "system_status")]  # who the shop is
    assert asked[0] == "orders"
    other = store_of(demo, url=f"{demo.url}/")
    sync.run(other)
    assert image(store) == image(other)


@pytest.mark.django_db(transaction=True)
def test_nothing_of_a_page_is_visible_before_all_of_it():
    store = make_store()
    with transaction.atomic():
        save_orders(store, [order(1), order(2)], NOW)
        seen = []
        together(lambda: seen.append(Order.objects.count()))

    assert seen == [0]
    assert Order.objects.count() == 2
