"""Run the demo shop: `python -m postpurchase.demo --help`."""

import argparse
import contextlib
import signal
import sys
from pathlib import Path

from . import server
from .fast import FastOrders
from .faults import Trouble, clock_error
from .journal import open_shop
from .points import Points
from .state import utc_now


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m postpurchase.demo", description="A pretend WooCommerce shop.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8900)
    parser.add_argument("--url", default="", help="the shop's address as others reach it, when it is not host and port")
    parser.add_argument("--seed", type=int, default=7, help="the same seed makes the same shop")
    parser.add_argument("--customers", type=int, default=300)
    parser.add_argument("--orders", type=int, default=3000)
    parser.add_argument("--state", type=Path, help="a folder that keeps the shop between runs, such as var/demo-shop")
    parser.add_argument("--key", default="ck_demo", help="REST API key with read and write permission")
    parser.add_argument("--secret", default="cs_demo")
    parser.add_argument(
        "--link",
        action="append",
        default=[],
        metavar="NAME=URL",
        help="a link on the control page, such as Portal=http://127.0.0.1:8000/s/masala-house/ (may be repeated)",
    )
    parser.add_argument(
        "--points",
        default="",
        metavar="URL",
        help="show points on the shop's pages, asked for at this address, such as http://127.0.0.1:8000/s/masala/points.json",
    )
    parser.add_argument("--points-secret", default="", help="the secret by which the shop says who is signed in")
    parser.add_argument(
        "--webhooks-to",
        default="",
        metavar="URL",
        help="add webhooks to this address for orders, customers, products and coupons, unless they are there already",
    )
    parser.add_argument("--webhook-secret", default="", help="the secret of the webhooks that --webhooks-to adds")
    parser.add_argument(
        "--webhook-delay", type=float, default=0.3, help="seconds in which quick changes collapse into one delivery"
    )
    parser.add_argument(
        "--behind-tls", action="store_true", help="take basic authentication over http, as behind a proxy that ends TLS"
    )
    parser.add_argument(
        "--faults",
        type=int,
        metavar="SEED",
        help="a shop in trouble: a fifth of its answers break, webhooks get lost and mixed up, its clock may be hours off; "
        "the same seed makes the same trouble",
    )
    parser.add_argument("--fast", type=int, default=0, metavar="N", help="for benchmarks: serve N generated orders")
    return parser


def main(argv: list[str] | None = None) -> int:
    options = arguments().parse_args(argv)
    with contextlib.ExitStack() as stack:
        shop = stack.enter_context(
            open_shop(options.state, options.seed, customers=options.customers, orders=options.orders)
        )
        trouble = None
        if options.faults is not None:
            off = clock_error(options.faults)
            shop.now = lambda: utc_now() + off
            trouble = Trouble(options.faults, busy=0.3, hang=120, slow=20)
        demo = server.Demo(
            shop,
            trouble=trouble,
            key=options.key,
            secret=options.secret,
            behind_tls=options.behind_tls,
            links=dict(link.split("=", 1) for link in options.link if "=" in link),
            points=Points(options.points, options.points_secret) if options.points else None,
            webhook_delay=options.webhook_delay,
        )
        if options.fast:
            demo.orders_from = FastOrders(options.fast, demo)
        web = server.Server((options.host, options.port), demo)
        demo.open(options.url or web.url)
        if options.webhooks_to:
            shop.add_webhooks_to(options.webhooks_to, options.webhook_secret)
        print(f"{shop.name}: {demo.url}  key {demo.key}  secret {demo.secret}", flush=True)
        # Stop as an interrupt does, so that the journal is closed in order.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            with contextlib.suppress(KeyboardInterrupt):
                web.serve_forever()
        finally:
            demo.close()
            web.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
