"""What saving a page is, whatever it holds: map, compare with what is held, write what is newer, keep aside what is broken."""

import hashlib
import inspect
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from django.db import DataError, IntegrityError, transaction

from crm.orders.locking import lock_mirror
from crm.stores.models import Store

from .. import mapping, values
from ..models import KeptAside
from ..values import MappingError, when_of
from .statements import bound_cursor

# A row's digest is that of its mapped fields, followed by that of the payload it was mapped from.
HALF = 16


@dataclass
class Saved:
    """What became of a page."""

    created: int = 0
    updated: int = 0
    # Held already, to the letter.
    unchanged: int = 0
    # A newer version is held.
    older: int = 0
    # No business of the mirror: carts, refunds of orders it does not hold.
    ignored: int = 0
    # (number in the shop, what is wrong)
    kept_aside: list[tuple[str, str]] = field(default_factory=list)
    # Numbers that were not held before.
    new: set[int] = field(default_factory=set)
    # Numbers of which the dates do not tell what is true now: two versions of one second, or one that was deleted and is spoken of.
    doubtful: set[int] = field(default_factory=set)
    # The latest `date_modified_gmt` of the page.
    newest: datetime | None = None

    @property
    def written(self) -> int:
        return self.created + self.updated


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
class Held:
    """What the mirror has of an object."""

    pk: int
    modified: datetime | None
    digest: str
    source: str
    deleted_at: datetime | None
    extra: tuple


@dataclass
class Mirror:
    """A table of mirrored objects: how an object is mapped and what its columns are called in PostgreSQL."""

    resource: str
    table: str
    columns: dict[str, str]
    map: Callable[[dict], Item]
    # Columns of the held row that `write` needs.
    held: tuple[str, ...] = ()

    def record(self) -> str:
        """The columns of `jsonb_to_recordset`."""
        return ", ".join(f"{name} {type}" for name, type in self.columns.items())


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


@transaction.atomic
def save(
    mirror: Mirror,
    store: Store,
    payloads: Iterable[dict],
    at: datetime,
    write: Callable[[list[Item], dict[int, Held]], tuple[int, int]],
    revive: bool = False,
) -> Saved:
    """Save a page; `write(items, held)` writes those that are new or newer and returns how many it (created, updated).

    `revive`: the shop has just been seen to have these, so that one that was marked as deleted comes back.
    """
    saved = Saved()
    broken: list[tuple[dict, str]] = []
    sources, same = _seen_before(mirror, store, payloads, saved)
    items = _map(mirror, sources, saved, broken)
    lock_mirror(store)
    held = _held(mirror, store, list(items))
    due = [item for item in items.values() if _is_due(item, held.get(item.woo_id), revive, saved)]
    _note_sources(mirror, store, items.values(), held)
    due.sort(key=lambda item: item.woo_id)
    created, updated, refused = _write(due, held, write)
    saved.created += created
    saved.updated += updated
    broken += refused
    keep_aside(mirror.resource, store, broken, at, saved)
    bad = {number for number, _error in saved.kept_aside}
    good = [str(woo_id) for woo_id in same | set(items) if str(woo_id) not in bad]
    KeptAside.objects.for_store(store).unresolved().filter(resource=mirror.resource, woo_id__in=good).update(
        resolved_at=at
    )
    return saved


def _seen_before(mirror, store, payloads, saved) -> tuple[list[tuple[Any, str]], set[int]]:
    """The payloads that have to be mapped, with their digests; and the numbers of those that are held to the letter.

    Mapping is most of the work of a page that brings nothing new. Looked up without the lock: an equal one changes nothing, whatever is held by now.
    """
    sources = [(payload, source_of(payload)) for payload in payloads]
    held = _held(mirror, store, [payload["id"] for payload, source in sources if source])
    left, same = [], set()
    for payload, source in sources:
        known = held.get(payload["id"]) if source else None
        if known is None or known.source != source or known.deleted_at:
            left.append((payload, source))
            continue
        same.add(payload["id"])
        saved.unchanged += 1
        saved.newest = max(filter(None, [saved.newest, known.modified]), default=None)
    return left, same


def source_of(payload: Any) -> str:
    """A digest of what the shop sent and of what this program makes of it; empty if it can't be taken."""
    if not isinstance(payload, dict) or not isinstance(payload.get("id"), int) or not values.whole(payload["id"]):
        return ""
    try:
        body = orjson.dumps({key: value for key, value in payload.items() if key not in PASSING})
    except (TypeError, RecursionError):
        return ""
    return hashlib.md5(body + PROGRAM, usedforsecurity=False).hexdigest()[:HALF]


# Different each time it is asked for, or in a webhook, and not mapped.
PASSING = ("_links", "related_ids")
# A program that maps otherwise looks at everything anew.
PROGRAM = (inspect.getsource(mapping) + inspect.getsource(values)).encode()


def _note_sources(mirror, store, items, held) -> None:
    """Remember what unchanged objects look like by now, so that next time they need not be mapped."""
    found = [(item.woo_id, held.get(item.woo_id), item) for item in items if item.source]
    differing = {
        woo_id: known.digest + item.source
        for woo_id, known, item in found
        if known and known.digest == item.digest and known.source != item.source
    }
    if differing:
        with bound_cursor() as cursor:
            cursor.execute(
                f"""
                UPDATE {mirror.table} held SET digest = r.digest
                FROM unnest(%s::bigint[], %s::text[]) AS r(woo_id, digest)
                WHERE held.store_id = %s AND held.woo_id = r.woo_id
                """,
                [list(differing), list(differing.values()), store.pk],
            )


def _map(mirror, sources, saved, broken) -> dict[int, Item]:
    """The newest version of each object among the payloads."""
    items: dict[int, Item] = {}
    for payload, source in sources:
        try:
            if not isinstance(payload, dict):
                raise MappingError("object", payload, "an object was expected")
            item = mirror.map(payload)
            item.source = source
        except MappingError as error:
            broken.append((payload, str(error)))
            continue
        if item.modified and (saved.newest is None or item.modified > saved.newest):
            saved.newest = item.modified
        other = items.get(item.woo_id)
        if other and other.modified and (item.modified is None or item.modified < other.modified):
            saved.older += 1
            continue
        saved.older += other is not None
        if other and other.modified == item.modified and other.digest != item.digest:
            saved.doubtful.add(item.woo_id)
        items[item.woo_id] = item
    return items


def _held(mirror, store, woo_ids) -> dict[int, Held]:
    if not woo_ids:
        return {}
    extra = "".join(f", {name}" for name in mirror.held)
    with bound_cursor() as cursor:
        cursor.execute(
            f"SELECT woo_id, id, date_modified_gmt, digest, deleted_at{extra} FROM {mirror.table} WHERE store_id = %s AND woo_id = ANY(%s)",
            [store.pk, woo_ids],
        )
        return {
            row[0]: Held(
                pk=row[1],
                modified=row[2],
                digest=row[3][:HALF],
                source=row[3][HALF:],
                deleted_at=row[4],
                extra=row[5:],
            )
            for row in cursor.fetchall()
        }


def _is_due(item: Item, held: Held | None, revive: bool, saved: Saved) -> bool:
    if held is None:
        saved.new.add(item.woo_id)
        return True
    if held.modified and (item.modified is None or item.modified < held.modified):
        saved.older += 1
        return False
    if held.deleted_at and not item.is_trashed:
        # What was deleted for good may still be talked about by deliveries that are late.
        is_newer = bool(item.modified and held.modified and item.modified > held.modified)
        saved.older += not (revive or is_newer)
        if is_newer:
            saved.doubtful.add(item.woo_id)
        return revive or is_newer
    if held.digest == item.digest:
        saved.unchanged += 1
        return False
    if held.modified == item.modified:
        saved.doubtful.add(item.woo_id)
    return True


def _write(items, held, write) -> tuple[int, int, list[tuple[dict, str]]]:
    """Write all at once; when PostgreSQL refuses, halve until it is clear which objects it refuses."""
    if not items:
        return 0, 0, []
    try:
        with transaction.atomic():
            return *write(items, held), []
    except (DataError, IntegrityError) as error:
        if len(items) == 1:
            return 0, 0, [(items[0].payload, f"PostgreSQL refuses it: {str(error).splitlines()[0]}")]
    middle = len(items) // 2
    first, second = _write(items[:middle], held, write), _write(items[middle:], held, write)
    return first[0] + second[0], first[1] + second[1], first[2] + second[2]


def keep_aside(resource: str, store: Store, broken: list[tuple[dict, str]], at: datetime, saved: Saved) -> None:
    """Remember what can't be mirrored, so that it can be looked at and tried again."""
    rows = {}
    for payload, error in broken:
        body = _as_text(payload)
        number = payload.get("id") if isinstance(payload, dict) else None
        name = str(number if number is not None else hashlib.md5(body.encode(), usedforsecurity=False).hexdigest())[:60]
        name, error = (part.replace("\x00", "").encode("utf-8", "replace").decode() for part in (name, error))
        rows[name] = KeptAside(store=store, resource=resource, woo_id=name, payload=body, error=error, created_at=at)
        saved.kept_aside.append((name, error))
    KeptAside.objects.bulk_create(
        rows.values(),
        update_conflicts=True,
        unique_fields=["store", "resource", "woo_id"],
        update_fields=["payload", "error", "resolved_at"],
    )


def _as_text(payload) -> str:
    try:
        return json.dumps(payload, ensure_ascii=True, default=str)
    except (RecursionError, ValueError):
        # Nested beyond what JSON libraries write: what can be told of it.
        scalars = {key: value for key, value in payload.items() if isinstance(value, str | int | float | None)}
        return json.dumps(scalars, ensure_ascii=True)


def upsert(
    mirror: Mirror,
    store: Store,
    at: datetime,
    items: list[Item],
    *,
    more: dict[str, str] | None = None,
    joins: str = "",
) -> dict[int, int]:
    """Insert or update rows; returns {woo_id: primary key} of those that were written.

    `more` gives SQL for columns that are not in the JSON, from `joins` onto the record `r`.
    """
    own = [name for name in mirror.columns if not name.startswith("_")]
    more = more or {}
    columns = [*own, *more]
    changes = ", ".join(f"{name} = EXCLUDED.{name}" for name in columns if name != "woo_id")
    sql = f"""
        INSERT INTO {mirror.table} AS held (store_id, digest, synced_at, deleted_at, {", ".join(columns)})
        SELECT %(store)s, r._digest, %(at)s, CASE WHEN r._trashed THEN %(at)s::timestamptz END,
            {", ".join([f"r.{name}" for name in own] + list(more.values()))}
        FROM jsonb_to_recordset(%(rows)s::jsonb) AS r({mirror.record()}, _digest text, _trashed boolean)
        {joins}
        ORDER BY r.woo_id
        ON CONFLICT (store_id, woo_id) DO UPDATE SET
            digest = EXCLUDED.digest, synced_at = EXCLUDED.synced_at,
            deleted_at = CASE WHEN EXCLUDED.deleted_at IS NOT NULL THEN coalesce(held.deleted_at, EXCLUDED.deleted_at) END,
            {changes}
        -- Known already from what was held; stated here as well because it must never be otherwise.
        WHERE held.date_modified_gmt IS NULL OR held.date_modified_gmt <= EXCLUDED.date_modified_gmt
        RETURNING held.woo_id, held.id
    """
    rows = joined(
        b'{"_digest":"%b","_trashed":%b,%b'
        % ((item.digest + item.source).encode(), b"true" if item.is_trashed else b"false", item.json[1:])
        for item in items
    )
    with bound_cursor() as cursor:
        cursor.execute(sql, {"store": store.pk, "at": at, "rows": rows})
        return dict(cursor.fetchall())


def counts(items: Iterable[Item], held: dict[int, Held], written: dict[int, int]) -> tuple[int, int]:
    created = sum(item.woo_id in written and item.woo_id not in held for item in items)
    return created, len(written) - created
