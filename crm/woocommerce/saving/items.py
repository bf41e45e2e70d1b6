"""A shop's object as it goes into PostgreSQL: mapped, encoded, with its digests. No queries, so that readers may do it ahead."""

import hashlib
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from .. import mapping, values
from ..values import MappingError, when_of

# A row's digest is that of its mapped fields, followed by that of the payload it was mapped from.
HALF = 16
# Different each time it is asked for, or in a webhook, and not mapped.
PASSING = ("_links", "related_ids")
# A program that maps otherwise looks at everything anew.
PROGRAM = hashlib.md5((inspect.getsource(mapping) + inspect.getsource(values)).encode(), usedforsecurity=False).digest()


@dataclass(slots=True)
class Item:
    """One mapped object, with its JSON as PostgreSQL gets it."""

    woo_id: int
    row: dict
    modified: datetime | None
    # Of the mapped fields.
    digest: str
    json: bytes
    is_trashed: bool
    payload: dict
    # Of all that the shop sent; empty if that can't be told.
    source: str = ""
    lines: bytes = b""
    refunds: bytes = b""


@dataclass(slots=True)
class Prepared:
    """A payload, what was found out about it, and once it is mapped the item or what is wrong with it."""

    payload: Any
    source: str
    item: Item | None = None
    error: str = ""

    @property
    def is_mapped(self) -> bool:
        return bool(self.item or self.error)

    def map(self, map: Callable[[dict], Item]) -> "Prepared":
        """Map it, unless that was done."""
        if self.is_mapped:
            return self
        try:
            if not isinstance(self.payload, dict):
                raise MappingError("object", self.payload, "an object was expected")
            self.item = map(self.payload)
            self.item.source = self.source
        except MappingError as error:
            self.error = str(error)
        return self


def prepare(payloads: Iterable[Any]) -> list[Prepared]:
    """Take the digests of payloads, as far as that was not done before."""
    return [each if isinstance(each, Prepared) else Prepared(each, source_of(each)) for each in payloads]


class Ahead:
    """What readers do with the rows of a page before it is its turn to be saved."""

    def __init__(self, map: Callable[[dict], Item]):
        self.map = map
        # Mapping is in vain where all is held to the letter.
        self.is_of_use = True

    def prepare(self, rows: Iterable[Any]) -> list[Prepared]:
        prepared = prepare(rows)
        return [each.map(self.map) for each in prepared] if self.is_of_use else prepared


def make_item(row: dict, payload: dict, *, lines=(), refunds=()) -> Item:
    """Encode a row and its children and take their digest."""
    body = encode(row)
    lines_body, refunds_body = encode(lines)[1:-1], encode(refunds)[1:-1]
    digest = hashlib.md5(body, usedforsecurity=False)
    digest.update(lines_body)
    digest.update(refunds_body)
    return Item(
        woo_id=row["woo_id"],
        row=row,
        modified=when_of(row["date_modified_gmt"]),
        digest=digest.hexdigest()[:HALF],
        json=body,
        is_trashed=row.get("status") == "trash",
        payload=payload,
        lines=lines_body,
        refunds=refunds_body,
    )


def add(item: Item, **values) -> None:
    """Give PostgreSQL more of an object than the shop's own words, which the digest was taken of."""
    item.json = b"%b,%b" % (orjson.dumps(values)[:-1], item.json[1:])


def encode(value: Any) -> bytes:
    """JSON that PostgreSQL takes: it knows neither NUL nor half a surrogate, and orjson no number beyond 64 bits."""
    try:
        body = orjson.dumps(value)
        return orjson.dumps(_cleaned(value)) if b"\\u0000" in body else body
    except TypeError:
        pass
    try:
        return orjson.dumps(_cleaned(value))
    except (TypeError, RecursionError):
        raise MappingError("object", None, "it is nested too deeply") from None


def _cleaned(value):
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        return str(value)
    return value


def joined(bodies: Iterable[bytes]) -> str:
    """JSON objects as the one parameter of a statement: a list."""
    return (b"[" + b",".join(body for body in bodies if body) + b"]").decode()


def source_of(payload: Any) -> str:
    """A digest of what the shop sent and of what this program makes of it; empty if it can't be taken."""
    if not isinstance(payload, dict) or not isinstance(payload.get("id"), int) or not values.whole(payload["id"]):
        return ""
    try:
        body = orjson.dumps({key: value for key, value in payload.items() if key not in PASSING})
    except (TypeError, RecursionError):
        return ""
    return hashlib.md5(body + PROGRAM, usedforsecurity=False).hexdigest()[:HALF]
