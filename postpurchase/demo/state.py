"""What a shop holds: rows by table, running numbers, a clock, and who is told when something changes."""

import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

TABLES = [
    "orders",
    "refunds",
    "notes",
    "customers",
    "products",
    "variations",
    "categories",
    "tags",
    "reviews",
    "coupons",
    "webhooks",
]


class Refused(Exception):
    """An answer of WooCommerce that is no success: its error code, message, HTTP status and further data."""

    def __init__(self, code: str, message: str, status: int = 400, **data):
        super().__init__(message)
        self.code, self.message, self.status, self.data = code, message, status, data


def utc_now() -> datetime:
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """A moment as WooCommerce writes its `*_gmt` dates: whole seconds, no suffix."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def moment_of(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@lru_cache(maxsize=50_000)
def local(text: str | None, zone: ZoneInfo) -> str | None:
    """The shop-local twin of a `*_gmt` date."""
    if not text:
        return None
    return moment_of(text).astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S")


class State:
    """Rows are plain JSON-able dicts in WooCommerce's own shape, without what follows from them (local dates, links)."""

    def __init__(
        self,
        *,
        name: str = "Masala House",
        zone: str = "Asia/Kolkata",
        currency: str = "INR",
        now: Callable[[], datetime] = utc_now,
    ):
        self.name, self.zone, self.currency, self.now = name, ZoneInfo(zone), currency, now
        self.url = "http://shop.example"
        # False: orders name no refunds, as those of some versions of WooCommerce; the lists of refunds have them.
        self.names_refunds = True
        self.lock = threading.RLock()
        self.rows: dict[str, dict[int, dict]] = {table: {} for table in TABLES}
        self.numbers: dict[str, int] = {}  # the next of each kind
        self.keys: dict[str, dict] = {}
        self.listeners: list[Callable[[str, int], None]] = []  # told (topic, id), as WooCommerce's hooks are
        self.keepers: list[Callable[[str, int, dict | None], None]] = []  # told (table, id, row or None when gone)
        self.requests: deque[dict] = deque(maxlen=1000)
        self.deliveries: deque[dict] = deque(maxlen=200)

    def at(self) -> str:
        return stamp(self.now())

    def gmt_offset(self) -> float:
        return (self.now().astimezone(self.zone).utcoffset() or timedelta()).total_seconds() / 3600

    def local(self, text: str | None) -> str | None:
        return local(text, self.zone)

    def clock(self, text: str) -> str:
        """A `*_gmt` date as people of the shop read it: day and time, to the second."""
        return (local(text, self.zone) or "").replace("T", " ")

    def number(self, kind: str, start: int = 1) -> int:
        """The next running number; posts (orders, refunds, products, coupons) share one, as in WordPress."""
        taken = self.numbers.get(kind, start)
        self.numbers[kind] = taken + 1
        return taken

    def keep(self, table: str, row: dict) -> dict:
        self.rows[table][row["id"]] = row
        for keeper in self.keepers:
            keeper(table, row["id"], row)
        return row

    def drop(self, table: str, row_id: int) -> None:
        del self.rows[table][row_id]
        for keeper in self.keepers:
            keeper(table, row_id, None)

    def tell(self, topic: str, row_id: int) -> None:
        for listener in self.listeners:
            listener(topic, row_id)

    def meta(self, pairs: dict | None) -> list[dict]:
        return [
            {"id": self.number("meta"), "key": key, "value": meta_value(value)} for key, value in (pairs or {}).items()
        ]

    def set_meta(self, row: dict, entries: list[dict]) -> None:
        """Apply `meta_data` as a REST write does: by id, else by key; a null value removes it."""
        for entry in entries:
            held = [
                m
                for m in row["meta_data"]
                if m["id"] == entry.get("id") or ("id" not in entry and m["key"] == entry.get("key"))
            ]
            if held and entry.get("value") is None:
                row["meta_data"].remove(held[0])
            elif held:
                held[0].update(key=entry.get("key", held[0]["key"]), value=meta_value(entry.get("value")))
            elif entry.get("key"):
                row["meta_data"].append(
                    {"id": self.number("meta"), "key": entry["key"], "value": meta_value(entry.get("value"))}
                )

    def add_key(self, key: str, secret: str, permissions: str = "read_write", may_manage: bool = True) -> None:
        """A REST key; `permissions` is read, write or read_write, `may_manage` whether its owner has the capability."""
        self.keys[key] = {"secret": secret, "permissions": permissions, "may_manage": may_manage}


def meta_value(value):
    """WordPress stores scalars of meta as text; only lists and objects keep their shape."""
    if value is None or value is False:
        return ""
    if value is True:
        return "1"
    return value if isinstance(value, (dict, list)) else str(value)
