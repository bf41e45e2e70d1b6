"""Taking webhooks through gunicorn against an empty view behind the same middleware, and applying what was kept."""

import http.client
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
import uuid
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.db import connection

from crm.orders.models import Order
from crm.stores.models import Store
from crm.woocommerce.models import WebhookDelivery
from crm.woocommerce.webhooks import sign
from crm.work import drain
from postpurchase.database import embedded_url

from .figures import Figure

CONNECTIONS = 4
ROUNDS = 5
SECONDS = 2.0
ORDERS = 2_000
DELIVERIES = 5_000
CHANGES = 20


def measure() -> list[Figure]:
    store = Store.objects.create(
        slug="bench-hooks", name="Bench", url="https://bench-hooks.example", currency="INR", webhook_secret="bench"
    )
    with served() as port:
        ratios, rates = [], []
        for _ in range(ROUNDS):
            taken = load(port, f"/webhooks/woocommerce/{store.public_id}/", store.webhook_secret)
            nothing = load(port, f"/webhooks/empty/{store.public_id}/", store.webhook_secret)
            ratios.append(taken / nothing)
            rates.append((taken, nothing))
        # Nobody works while the two above are measured.
        WebhookDelivery.objects.all().delete()
        visible = until_visible(port, store)
    taken, nothing = (statistics.median(column) for column in zip(*rates, strict=True))
    WebhookDelivery.objects.all().delete()
    return [
        Figure("Webhooks: verified and durably kept, of an empty view", statistics.median(ratios), "×", 0.40, "higher",
               f"{taken:,.0f}/s against {nothing:,.0f}/s, {CONNECTIONS} connections, {ROUNDS} rounds"),
        visible,
        apply_kept(store),
    ]  # fmt: skip


@contextmanager
def served():
    """The product under gunicorn on a free port, on the benchmark's database."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "DATABASE_URL": url_of_this_database(),
        "DEBUG": "off",
        "SECRET_KEY": settings.SECRET_KEY,
        "LOG_LEVEL": "ERROR",
    }
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--worker-class", "gthread", "--workers", "2",
               "--threads", "2", "--log-level", "error", "postpurchase.bench.wsgi"]  # fmt: skip
    process = subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        for _ in range(4):  # the master listens long before its workers have loaded Django
            wire = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            wire.request("POST", f"/webhooks/empty/{uuid.uuid4()}/", b"{}")
            wire.getresponse().read()
            wire.close()
        yield port
    finally:
        process.terminate()
        process.wait(20)


def url_of_this_database() -> str:
    """For another process: the server's address with the benchmark's database."""
    server = os.environ.get("DATABASE_URL") or embedded_url(settings.VAR_DIR / "postgres")
    return urlunsplit(urlsplit(server)._replace(path=f"/{connection.settings_dict['NAME']}"))


def load(port: int, path: str, secret: str) -> float:
    """Answers a second to signed deliveries of 4 kB, each another, over keep-alive connections."""
    counts = [0] * CONNECTIONS
    end = time.monotonic() + SECONDS

    def post(place):
        wire = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        while time.monotonic() < end:
            body = json.dumps(order(time.perf_counter_ns() % 10**9, 0)).encode()
            headers = {
                "Content-Type": "application/json",
                "X-WC-Webhook-Topic": "order.updated",
                "X-WC-Webhook-Signature": sign(body, secret).decode(),
            }
            wire.request("POST", path, body, headers)
            answer = wire.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            counts[place] += 1
        wire.close()

    threads = [threading.Thread(target=post, args=(n,)) for n in range(CONNECTIONS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.monotonic() - began)


def until_visible(port: int, store: Store) -> Figure:
    """From the answer to a delivery, which says that it is kept, until the order has the new version; by a worker that has nothing else to do."""
    # Stores of other measurements would be polled.
    Store.objects.update(consumer_key="")
    environment = os.environ | {
        "DATABASE_URL": url_of_this_database(),
        "SECRET_KEY": settings.SECRET_KEY,
        "LOG_LEVEL": "ERROR",
    }
    worker = subprocess.Popen([sys.executable, "manage.py", "worker"], env=environment, cwd=settings.BASE_DIR)
    try:
        # The first waits until the worker has started.
        times = [change_order(port, store, version) for version in range(CHANGES + 1)][1:]
    finally:
        worker.terminate()
        worker.wait(120)
    return Figure("Webhooks: a change is visible when idle, the slowest", max(times), "s", 1, "lower",
                  f"median of {CHANGES}: {statistics.median(times):.2f} s, from the shop's answer to the order in the database")  # fmt: skip


def change_order(port: int, store: Store, version: int) -> float:
    """Seconds until a change of an order that a webhook told is held."""
    # Not in step with whoever looks each so often.
    time.sleep(1 + random.random())
    body = json.dumps(order(1, version)).encode()
    wire = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {
        "Content-Type": "application/json",
        "X-WC-Webhook-Topic": "order.updated",
        "X-WC-Webhook-Signature": sign(body, store.webhook_secret).decode(),
    }
    wire.request("POST", f"/webhooks/woocommerce/{store.public_id}/", body, headers)
    assert wire.getresponse().status == 200
    wire.close()
    began = time.monotonic()
    changed = Order.objects.filter(store=store, woo_id=1, date_modified_gmt__minute=version)
    while not changed.exists():
        assert time.monotonic() - began < 120, "the worker does not work"
        time.sleep(0.01)
    return time.monotonic() - began


def apply_kept(store: Store) -> Figure:
    """Deliveries about 2,000 orders, several for each, applied to the mirror with their events."""
    bodies = [json.dumps(order(n % ORDERS + 1, n // ORDERS)).encode() for n in range(DELIVERIES)]
    WebhookDelivery.objects.bulk_create(
        WebhookDelivery(store=store, topic="order.updated", body=body, digest=n.to_bytes(32))
        for n, body in enumerate(bodies)
    )
    began = time.perf_counter()
    while drain.drain(WebhookDelivery, seconds=600):
        pass
    seconds = time.perf_counter() - began
    assert WebhookDelivery.objects.filter(state="done").count() == DELIVERIES
    return Figure(
        "Webhooks: kept ones applied",
        DELIVERIES / seconds,
        "per s",
        1000,
        "higher",
        f"{DELIVERIES:,} about {ORDERS:,} orders",
    )


def order(woo_id: int, version: int) -> dict:
    """An order of about 4 kB with two lines, as a delivery has it: like the average shop's."""
    at = f"2026-06-15T12:{version:02d}:00"
    address = {"first_name": "Asha", "last_name": "Kulkarni", "company": "", "address_1": "2 Laxmi Road", "address_2": "", "city": "Pune",
               "state": "MH", "postcode": "411001", "country": "IN", "phone": "+91 9800007919"}  # fmt: skip
    lines = [
        {"id": woo_id * 10 + n, "name": f"Masala Chai {n}", "product_id": 0, "variation_id": 0, "quantity": 2, "tax_class": "",
         "subtotal": "390.50", "subtotal_tax": "70.25", "total": "390.50", "total_tax": "70.25", "sku": f"SKU-{n}", "price": 195.25,
         "taxes": [{"id": k, "total": "17.56", "subtotal": "17.56"} for k in range(4)], "meta_data": [], "image": {"id": "", "src": ""}}
        for n in range(2)
    ]  # fmt: skip
    return {
        "id": woo_id, "parent_id": 0, "status": "processing", "currency": "INR", "number": str(woo_id), "customer_id": 0,
        "date_created_gmt": "2026-06-15T11:00:00", "date_modified_gmt": at, "date_paid_gmt": "2026-06-15T11:05:00", "date_completed_gmt": None,
        "total": "2766.00", "total_tax": "421.50", "shipping_total": "80.00", "shipping_tax": "0.00", "discount_total": "0.00",
        "discount_tax": "0.00", "prices_include_tax": False, "order_key": f"wc_order_{woo_id}", "created_via": "checkout",
        "payment_method": "cod", "payment_method_title": "Cash on delivery", "customer_note": "",
        "billing": address | {"email": f"customer{woo_id % 500}@shop.example"}, "shipping": address, "line_items": lines,
        "tax_lines": [
            {"id": woo_id * 10 + 5 + n, "rate_code": f"IN-MH-{name}-1", "rate_id": n, "label": name, "compound": False, "tax_total": "105.37",
             "shipping_tax_total": "7.20", "rate_percent": 9, "meta_data": []} for n, name in enumerate(["CGST", "SGST"])
        ],
        "shipping_lines": [
            {"id": woo_id * 10 + 8, "method_title": "Flat rate", "method_id": "flat_rate", "instance_id": "1", "total": "80.00", "total_tax": "14.40",
             "taxes": [{"id": n, "total": "7.20", "subtotal": ""} for n in range(2)], "tax_status": "taxable", "meta_data": []}
        ],
        "fee_lines": [], "coupon_lines": [], "refunds": [], "version": "10.0.2", "cart_tax": "210.75", "transaction_id": "", "cart_hash": "",
        "customer_ip_address": "203.0.113.8", "customer_user_agent": "Mozilla/5.0 (X11; Linux x86_64)", "currency_symbol": "₹",
        "payment_url": f"https://shop.example/checkout/order-pay/{woo_id}/?pay_for_order=true&key=wc_order_{woo_id}",
        "is_editable": False, "needs_payment": False, "needs_processing": True,
        "_links": {"self": [{"href": f"https://shop.example/wp-json/wc/v3/orders/{woo_id}", "targetHints": {"allow": ["GET", "POST", "PUT", "PATCH", "DELETE"]}}],
                   "collection": [{"href": "https://shop.example/wp-json/wc/v3/orders"}]},
        "meta_data": [{"id": woo_id, "key": "custom_text", "value": "नमस्ते" * 20}],
    }  # fmt: skip
