"""A shop in a process of its own that counts what it is asked: generated orders, each answer after a while if told so.

    python -m postpurchase.bench.shop PORT ORDERS KEY SECRET

`/bench/` answers the counts since the last look; `/bench/?seconds=0.25` also sets how long a page of orders takes from then on.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qsl
from urllib.request import urlopen

from django.conf import settings

from postpurchase.demo import server
from postpurchase.demo.fast import FastOrders
from postpurchase.demo.web import Request, Response, json_response

KEY, SECRET = "ck_bench", "cs_bench"


class Watch:
    """A fault of the demo shop's that never fails: it takes its time, and counts."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.seconds = 0.0
        self.now = 0
        self.counts: Counter[str] = Counter()

    def __call__(self, request: Request, response: Response) -> Response | None:
        query = dict(parse_qsl(request.query_string))
        if request.path == "/bench/":
            with self.lock:
                counts, self.counts = self.counts, Counter()
            self.seconds = float(query.get("seconds", self.seconds))
            return json_response(counts)
        resource = request.path.partition("/wc/v3/")[2]
        with self.lock:
            self.now += 1
            self.counts["most"] = max(self.counts["most"], self.now)  # at once
            self.counts["requests"] += 1
            self.counts[f"requests {resource} {query.get('status', '')}".strip()] += 1
            self.counts[f"bytes {resource}"] += len(response.body)
            self.counts[f"whole {resource}"] += "_fields" not in query
        if resource == "orders":
            time.sleep(self.seconds)
        with self.lock:
            self.now -= 1
        return None


@contextmanager
def running(orders: int) -> Iterator[str]:
    """The shop on a free port; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "postpurchase.bench.shop", str(port), str(orders), KEY, SECRET]
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "postpurchase.settings"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=settings.BASE_DIR, env=environment)
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


def counts(url: str, **change: float) -> Counter:
    query = "&".join(f"{name}={value}" for name, value in change.items())
    with urlopen(f"{url}/bench/?{query}", timeout=30) as answer:
        return Counter(json.load(answer))


def main(port: str, orders: str, key: str, secret: str) -> None:
    demo = server.Demo(server.year_shop(), key=key, secret=secret)
    demo.orders_from = FastOrders(int(orders), demo)
    demo.faults.append(Watch())
    server.serve(demo, "127.0.0.1", int(port))


if __name__ == "__main__":
    main(*sys.argv[1:])
