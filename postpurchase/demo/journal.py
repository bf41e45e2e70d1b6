"""Keeps a shop between runs: every changed row goes to a SQLite file as soon as it changes."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from .shop import Shop
from .year import year_shop

LAYOUT = 1  # of the rows; a file of another layout is replaced by a new shop
SCHEMA = "CREATE TABLE IF NOT EXISTS held (kind TEXT, id INTEGER, body TEXT, PRIMARY KEY (kind, id)) WITHOUT ROWID"


@contextlib.contextmanager
def open_shop(folder: Path | None, seed: int, customers: int = 300, orders: int = 3000) -> Iterator[Shop]:
    """The shop that the folder holds, or a new one of a year; without a folder it lives in memory alone."""
    if folder is None:
        yield year_shop(seed, customers=customers, orders=orders)
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"shop-{seed}-{LAYOUT}.sqlite3"
    # Autocommit: one change, one transaction. Without synchronous writes a power cut may lose the last moments.
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as file:
        file.execute("PRAGMA journal_mode=WAL")
        file.execute("PRAGMA synchronous=OFF")
        file.execute(SCHEMA)
        shop = load(file) or first_save(file, year_shop(seed, customers=customers, orders=orders))
        shop.keepers.append(lambda table, row_id, row: write(file, shop, table, row_id, row))
        yield shop


def load(file: sqlite3.Connection) -> Shop | None:
    shop = Shop()
    held = file.execute("SELECT kind, id, body FROM held ORDER BY kind, id").fetchall()
    for kind, row_id, body in held:
        if kind == "numbers":
            shop.numbers = json.loads(body)
        else:
            shop.rows[kind][row_id] = json.loads(body)
    # Shops that were made before it was kept: then it followed from the orders.
    paying = {order["customer_id"] for order in shop.rows["orders"].values() if order["date_paid_gmt"]}
    for row_id, customer in shop.rows["customers"].items():
        customer.setdefault("is_paying_customer", row_id in paying)
    return shop if held else None


def first_save(file: sqlite3.Connection, shop: Shop) -> Shop:
    file.execute("BEGIN")
    for table, rows in shop.rows.items():
        bodies = ((table, key, json.dumps(row)) for key, row in rows.items())
        file.executemany("INSERT INTO held VALUES (?, ?, ?)", bodies)
    file.execute("INSERT INTO held VALUES ('numbers', 0, ?)", [json.dumps(shop.numbers)])
    file.execute("COMMIT")
    return shop


def write(file: sqlite3.Connection, shop: Shop, table: str, row_id: int, row: dict | None) -> None:
    """Called with the shop's lock held, so that changes are written in their order."""
    file.execute("BEGIN")
    if row is None:
        file.execute("DELETE FROM held WHERE kind = ? AND id = ?", [table, row_id])
    else:
        file.execute("REPLACE INTO held VALUES (?, ?, ?)", [table, row_id, json.dumps(row)])
    file.execute("REPLACE INTO held VALUES ('numbers', 0, ?)", [json.dumps(shop.numbers)])
    file.execute("COMMIT")
