"""What an import of very many orders, generated on the fly, takes of memory: `manage.py bench memory`, with `BENCH_MANY` orders. Takes minutes."""

import os

from . import shop
from .figures import Figure
from .imports import MEGABYTE, make_store, rate, sync

MANY = int(os.environ.get("BENCH_MANY", 500_000))


def measure() -> list[Figure]:
    with shop.running(MANY) as url:
        run = sync(make_store("bench-memory", url))
    return [
        Figure(f"Import of {MANY:,} orders: peak memory of the process", run["peak"] / MEGABYTE, "MB", 128, "lower",
               f"{run['orders']:,} orders, {run['lines']:,} lines, {rate(run):,.0f}/s"),
        Figure(f"Import of {MANY:,} orders: second half in memory, of the first", run["peak"] / run["peak_of_first_half"], "×", 1.1, "lower"),
    ]  # fmt: skip
