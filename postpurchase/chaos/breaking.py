"""S4: a shop that breaks a fifth of its answers."""

import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from django.conf import settings

from crm.stores.models import Store
from crm.woocommerce.client import TIMEOUT
from postpurchase.bench.figures import Figure
from postpurchase.demo import server
from postpurchase.demo.faults import STANDARD, Trouble

from . import machine, shops
from .reading import differing, told

ALL_KINDS = [*STANDARD, "gzip bomb"]


class Elsewhere(BaseHTTPRequestHandler):
    """Where redirects lead. Nobody should come."""

    visits: list[str] = []

    def do_GET(self) -> None:
        self.visits.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"[]")

    do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, *_args) -> None:
        pass


def broken_answers(
    seed: int, orders: int, per_page: int, latency: float, hang: float, kinds: list[str]
) -> list[Figure]:
    """A fifth of all answers broken. What reads is a process of its own, whose memory can be measured."""
    Elsewhere.visits.clear()
    trap = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    Thread(target=trap.serve_forever, args=(0.05,), daemon=True).start()
    elsewhere = f"http://127.0.0.1:{trap.server_port}"
    trouble = Trouble(seed, share=0.2, kinds=kinds, hang=hang, slow=1.0, elsewhere=elsewhere, in_turn=True)
    trouble.is_quiet = True
    try:
        with server.running(server.year_shop(seed, customers=orders // 10, orders=orders)) as well:
            shops.Counter(well, latency)
            fine = read_by_child(shops.connected(well, "well"), per_page)
        with server.running(server.year_shop(seed, customers=orders // 10, orders=orders), trouble=trouble) as demo:
            store = shops.connected(shops.on_its_own(demo), "broken")
            counter = shops.Counter(demo, latency)
            trouble.is_quiet = False
            ill = read_by_child(store, per_page)
            trouble.is_quiet = True
            counter.seconds = 0.0
            left_out = {number for path, number in trouble.withheld if path.endswith("/orders")}
            lost, gone = differing(store, demo, besides=left_out)
            others = [text for text in lost if text.startswith("order")] + gone
            shops.read(store, shops.COMPARE)
            left = sum(differing(store, demo), [])
    finally:
        trap.shutdown()
        trap.server_close()
    # A wait that the shop asks for, and the seconds of an answer that never comes, are the shop's.
    own = trouble.waits_asked + trouble.counts["no answer after the work"] * min(hang, TIMEOUT)
    ratio = max(ill["seconds"] - own, 0) / fine["seconds"]
    counts = ", ".join(f"{name} {times}" for name, times in sorted(trouble.counts.items()))
    never = sorted(set(kinds) - set(trouble.counts))
    return [
        Figure("S4: orders lost, besides what pages left out", len(others), "rows", 0, "lower",
               told(f"{sum(trouble.asked.values())} requests: {counts}", others)),
        # Few requests are fewer than the kinds.
        Figure("S4: ways of breaking an answer that never came", len(never), "", 0 if orders >= 1000 else None, "lower", ", ".join(never)),
        Figure("S4: wrong after a comparison", len(left), "rows", 0, "lower", told(f"{len(trouble.withheld)} had been left out", left)),
        # Of few requests, a single wait is most of the time.
        Figure("S4: time, of the same without faults", ratio, "×", 3 if orders >= 1000 else None, "lower",
               f"{ill['seconds']:.1f} s ({own:.0f} s of them asked for or spent hanging), {fine['seconds']:.1f} s; "
               f"{ill['runs']} runs, {ill['broken']} broken off"),
        Figure("S4: memory", ill["peak"] / 1024, "MB", 256, "lower", "of the process that reads"),
        Figure("S4: requests at once", counter.most, "", settings.SYNC_READERS, "lower"),
        Figure("S4: requests that followed a redirect", len(Elsewhere.visits), "", 0, "lower",
               f"{trouble.counts['redirect elsewhere']} redirects"),
    ]  # fmt: skip


def read_by_child(store: Store, per_page: int) -> dict:
    """Read a store to its end in another process, run after run as polls would; returns seconds, runs, peak memory in kB."""
    command = [sys.executable, "-m", "postpurchase.chaos.reader", str(store.pk), str(per_page)]
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": machine.settings_of_programs(),
        "DATABASE_URL": machine.url_of_this_database(),
        "LOG_LEVEL": "CRITICAL",
        "SECRET_KEY": settings.SECRET_KEY,
        "VAR_DIR": str(machine.FOLDER),
    }
    told = subprocess.run(
        command, env=environment, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(told.stdout.splitlines()[-1])
