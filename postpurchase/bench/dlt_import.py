"""The same orders by dlt in merge mode, run by .venv-bench's Python: `dlt_import.py URL KEY SECRET DSN FOLDER`. Prints seconds.

What an idempotent sync needs of it: each page is loaded by primary key into normalised tables.
"""

import base64
import hashlib
import hmac
import http.client
import json
import secrets
import sys
import time
from urllib.parse import parse_qsl, quote, urlencode, urlsplit


def pages(url, key, secret):
    wire = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    page, last = 1, 1
    while page <= last:
        wire.request("GET", signed(f"{url}/wp-json/wc/v3/orders", key, secret, page).removeprefix(url))
        answer = wire.getresponse()
        last = int(answer.headers["X-WP-TotalPages"])
        yield json.loads(answer.read())
        page += 1


def signed(address, key, secret, page):
    """OAuth 1.0a, as WooCommerce wants it over plain http."""
    query = {
        "per_page": 100, "orderby": "id", "order": "asc", "page": page, "oauth_consumer_key": key,
        "oauth_nonce": secrets.token_hex(16), "oauth_signature_method": "HMAC-SHA256", "oauth_timestamp": int(time.time()),
    }  # fmt: skip
    pairs = urlencode(sorted(query.items()))
    text = f"GET&{quote(address, safe='')}&{quote(pairs, safe='')}"
    digest = hmac.new(f"{secret}&".encode(), text.encode(), hashlib.sha256).digest()
    return f"{address}?{urlencode(query | {'oauth_signature': base64.b64encode(digest).decode()})}"


def complete(dsn):
    """dlt wants a host and a password, also where there is a socket and none is asked for."""
    parts = urlsplit(dsn)
    query = dict(parse_qsl(parts.query))
    host, port = parts.hostname or "localhost", parts.port or query.pop("port", 5432)
    who = f"{parts.username or 'postgres'}:{parts.password or 'none'}"
    return f"postgresql://{who}@{host}:{port}{parts.path}?{urlencode(query)}"


def run(url, key, secret, dsn, folder):
    import dlt

    orders = dlt.resource(pages(url, key, secret), name="orders", primary_key="id", write_disposition="merge")
    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=folder,
        destination=dlt.destinations.postgres(credentials=complete(dsn)),
        dataset_name="dlt_bench",
    )
    began = time.perf_counter()
    pipeline.run(orders)
    return time.perf_counter() - began


if __name__ == "__main__":
    print(json.dumps({"seconds": run(*sys.argv[1:])}))
