"""A page of 100 orders with their lines over the API, against the same rows read bare and written by orjson."""

from base64 import b64encode
from datetime import datetime

import orjson
from django.db import connection
from django.test import Client

from crm.orders.models import LineItem, Order
from crm.stores.models import ApiKey, Store

from .figures import Figure, alternate

ORDERS = 50_000

_FILL = """
WITH made AS (
    INSERT INTO orders_order (
        store_id, woo_id, number, status, currency, customer_woo_id, billing_email, order_key, created_via, prices_include_tax,
        total, total_tax, shipping_total, shipping_tax, discount_total, discount_tax, refunded_total,
        payment_method, payment_method_title, customer_note, is_paid, digest,
        date_created_gmt, date_modified_gmt, date_paid_gmt, billing, shipping,
        tax_lines, shipping_lines, fee_lines, coupon_lines, meta_data)
    SELECT %(store)s, n, n::text, 'completed', 'INR', 0, 'c' || n || '@shop.example', 'k', 'checkout', false,
        1250.50, 190.75, 80.00, 14.40, 0.00, 0.00, 0, 'cod', 'Cash on delivery', '', true, '',
        now() - n * interval '1 minute', now(), now(), %(address)s, %(address)s, %(taxes)s, '[]', '[]', '[]', '[]'
    FROM generate_series(1, %(orders)s) n
    RETURNING id, woo_id
)
INSERT INTO orders_lineitem (store_id, order_id, woo_id, product_id_in_shop, variation_id_in_shop, name, sku, quantity, price,
    subtotal, subtotal_tax, total, total_tax, image_url, taxes, meta_data)
SELECT %(store)s, id, woo_id * 10 + n, 7, 0, 'Masala Chai 250 g', 'SKU-001', 2, 195.25, 390.50, 70.25, 390.50, 70.25, '', '[]', '[]'
FROM made, generate_series(1, 3) n
"""


def measure() -> list[Figure]:
    store = Store.objects.create(slug="bench-api", name="Bench", url="https://bench-api.example", currency="INR")
    _row, key = ApiKey.issue(store, "bench", [ApiKey.Scope.ORDERS_READ])
    address = orjson.dumps({"first_name": "Asha", "city": "Pune", "postcode": "411001", "country": "IN"}).decode()
    taxes = orjson.dumps(
        [{"id": 1, "label": "CGST", "tax_total": "95.38"}, {"id": 2, "label": "SGST", "tax_total": "95.37"}]
    ).decode()
    with connection.cursor() as cursor:
        cursor.execute(_FILL, {"store": store.pk, "orders": ORDERS, "address": address, "taxes": taxes})
        cursor.execute("ANALYZE orders_order, orders_lineitem")
    oldest = Order.objects.for_store(store).order_by("pk").values_list("pk", flat=True)[101]
    client = Client(headers={"Authorization": f"Bearer {key}"})

    def page(cursor=""):
        answer = client.get(f"/api/v1/orders/?limit=100{cursor}")
        assert answer.status_code == 200 and len(answer.json()["results"]) == 100
        return answer

    last = f"&cursor={b64encode(f'p={oldest}'.encode()).decode()}"
    page(), page(last)  # once with the answer looked at; below without
    get = lambda cursor="": client.get(f"/api/v1/orders/?limit=100{cursor}")  # noqa: E731
    ours, ours_last, bare = alternate(40, get, lambda: get(last), lambda: read_bare(store.pk))
    return [
        Figure("API: page of 100 orders with lines, times bare SQL + orjson", ours / bare, "×", 3, "lower",
               f"{ours * 1000:.1f} ms against {bare * 1000:.1f} ms"),
        Figure("API: last of 500 pages, times the first", ours_last / ours, "×", 1.2, "lower", f"{ours_last * 1000:.1f} ms"),
    ]  # fmt: skip


def read_bare(store_id: int) -> bytes:
    """The same 100 orders with every column that the API shows and their lines, and nothing else."""
    order_columns = [
        f.column
        for f in Order._meta.concrete_fields
        if f.column not in ("store_id", "synced_at", "digest", "order_key")
    ]
    line_columns = [f.column for f in LineItem._meta.concrete_fields if f.column not in ("store_id", "image_url")]
    with connection.connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(order_columns)} FROM orders_order WHERE store_id = %s ORDER BY id DESC LIMIT 100",
            [store_id],
        )
        orders = [dict(zip(order_columns, row, strict=True)) for row in cursor]
        by_id = {order["id"]: order for order in orders}
        for order in orders:
            order["line_items"], order["refunds"] = [], []
        cursor.execute(
            f"SELECT {', '.join(line_columns)} FROM orders_lineitem WHERE order_id = ANY(%s) ORDER BY id", [list(by_id)]
        )
        for row in cursor:
            line = dict(zip(line_columns, row, strict=True))
            by_id[line["order_id"]]["line_items"].append(line)
        cursor.execute("SELECT id, order_id, amount, reason FROM orders_refund WHERE order_id = ANY(%s)", [list(by_id)])
        for pk, order_id, amount, reason in cursor:
            by_id[order_id]["refunds"].append({"id": pk, "amount": amount, "reason": reason})
    return orjson.dumps(orders, default=lambda value: value.isoformat() if isinstance(value, datetime) else str(value))
