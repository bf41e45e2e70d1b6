"""The bare loop: fetch pages, put the rows through a staging COPY, upsert them.

    python -m postpurchase.bench.bare_import URL KEY SECRET DSN STORE_ID

It writes the orders and line items that the product's import writes and keeps none of its promises: nothing is checked, no customers are
resolved, no events are told, no order is kept aside. Page and cursor commit together, so that it could be resumed. Prints one line of JSON:
seconds of the whole, seconds of the second half, peak memory in bytes.
"""

import http.client
import json
import resource
import sys
import time
from urllib.parse import urlsplit

import orjson
import psycopg
from woocommerce.oauth import OAuth

ORDER = [
    "woo_id", "number", "status", "currency", "customer_woo_id", "billing_email", "order_key", "created_via", "prices_include_tax",
    "total", "total_tax", "shipping_total", "shipping_tax", "discount_total", "discount_tax", "payment_method", "payment_method_title",
    "customer_note", "date_created_gmt", "date_modified_gmt", "date_paid_gmt", "date_completed_gmt",
    "billing", "shipping", "tax_lines", "shipping_lines", "fee_lines", "coupon_lines", "meta_data",
]  # fmt: skip
LINE = [
    "woo_id", "product_id_in_shop", "variation_id_in_shop", "name", "sku", "quantity", "price", "subtotal", "subtotal_tax", "total",
    "total_tax", "image_url", "taxes", "meta_data",
]  # fmt: skip
CONSTANT = {"refunded_total": "0", "is_paid": "false", "coupon_codes": "'{}'", "digest": "''"}
THEIRS = {
    "woo_id": "id", "customer_woo_id": "customer_id", "product_id_in_shop": "product_id", "variation_id_in_shop": "variation_id",
}  # fmt: skip
JSON = {"billing", "shipping", "tax_lines", "shipping_lines", "fee_lines", "coupon_lines", "meta_data", "taxes"}


def order_row(order):
    order["billing_email"] = order["billing"]["email"]
    return [value(order, name) for name in ORDER]


def line_row(order, line):
    line["image_url"] = line["image"]["src"]
    return [order["id"], *(value(line, name) for name in LINE)]


def value(item, name):
    found = item[THEIRS.get(name, name)]
    if name in JSON:
        return orjson.dumps(found).decode()
    return found + "Z" if name.startswith("date_") and found else found


def statements(store_id):
    """The staging tables, and the two upserts out of them."""
    constant, values = ", ".join(CONSTANT), ", ".join(CONSTANT.values())
    orders, lines = ", ".join(ORDER), ", ".join(LINE)
    update_order = ", ".join(f"{name} = excluded.{name}" for name in ORDER[1:])
    update_line = ", ".join(f"{name} = excluded.{name}" for name in LINE[1:])
    stage = f"""
        CREATE TEMP TABLE stage_order AS SELECT {orders} FROM orders_order LIMIT 0;
        CREATE TEMP TABLE stage_line AS SELECT 0::bigint AS order_woo_id, {lines} FROM orders_lineitem LIMIT 0;
        CREATE TEMP TABLE bare_cursor AS SELECT 0 AS page;
    """
    upserts = f"""
        INSERT INTO orders_order AS held (store_id, {orders}, {constant})
        SELECT {store_id}, {orders}, {values} FROM stage_order
        ON CONFLICT (store_id, woo_id) DO UPDATE SET {update_order} WHERE held.date_modified_gmt <= excluded.date_modified_gmt;
        INSERT INTO orders_lineitem (store_id, order_id, {lines})
        SELECT {store_id}, o.id, {", ".join(f"s.{name}" for name in LINE)}
        FROM stage_line s JOIN orders_order o ON o.store_id = {store_id} AND o.woo_id = s.order_woo_id
        ON CONFLICT (order_id, woo_id) DO UPDATE SET {update_line};
        TRUNCATE stage_order, stage_line;
        UPDATE bare_cursor SET page = page + 1;
    """
    return stage, upserts


def pages(url, key, secret):
    wire = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    page, last = 1, 1
    while page <= last:
        address = f"{url}/wp-json/wc/v3/orders?per_page=100&orderby=id&order=asc&page={page}"
        signed = OAuth(address, key, secret, version="wc/v3", method="GET").get_oauth_url()
        wire.request("GET", signed.removeprefix(url))
        answer = wire.getresponse()
        last = int(answer.headers["X-WP-TotalPages"])
        yield page, last, orjson.loads(answer.read())
        page += 1


def run(url, key, secret, dsn, store_id):
    stage, upserts = statements(int(store_id))
    began = half = time.perf_counter()
    with psycopg.connect(dsn, options="-c jit=off") as connection, connection.cursor() as cursor:
        cursor.execute(stage)
        connection.commit()
        for page, last, orders in pages(url, key, secret):
            orders = [order for order in orders if order["status"] != "checkout-draft"]
            with cursor.copy(f"COPY stage_order ({', '.join(ORDER)}) FROM STDIN") as copy:
                for order in orders:
                    copy.write_row(order_row(order))
            with cursor.copy(f"COPY stage_line (order_woo_id, {', '.join(LINE)}) FROM STDIN") as copy:
                for order in orders:
                    for line in order["line_items"]:
                        copy.write_row(line_row(order, line))
            cursor.execute(upserts)
            connection.commit()
            if page == last // 2:
                half = time.perf_counter()
    end = time.perf_counter()
    return {
        "seconds": end - began,
        "second_half": end - half,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


if __name__ == "__main__":
    print(json.dumps(run(*sys.argv[1:])))
