"""What saving a page is, whatever it holds: map, compare with what is held, write what is newer, keep aside what is broken."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import DataError, IntegrityError, transaction

from crm.orders.locking import lock_mirror
from crm.stores.models import Store

from ..models import KeptAside
from .items import HALF, Item, Prepared, joined, prepare
from .statements import array, bound_cursor


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
class Held:
    """What the mirror has of an object."""

    pk: int
    modified: datetime | None
    digest: str
    source: str
    deleted_at: datetime | None
    extra: tuple


def leaves(item: Item, held: Held | None) -> bool:
    """Whether what was held as existing is in the shop's trash now."""
    return bool(held and item.is_trashed and not held.deleted_at)


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


# Within a transaction of the caller's, what fails is the caller's to undo: one savepoint less.
@transaction.atomic(savepoint=False)
def save(
    mirror: Mirror,
    store: Store,
    payloads: Iterable[dict | Prepared],
    at: datetime,
    write: Callable[[list[Item], dict[int, Held]], tuple[int, int]],
    revive: bool = False,
) -> Saved:
    """Save a page; `write(items, held)` writes those that are new or newer and returns how many it (created, updated).

    `revive`: the shop has just been seen to have these, so that one that was marked as deleted comes back.
    """
    saved = Saved()
    broken: list[tuple[dict, str]] = []
    due_to_map, same = _seen_before(mirror, store, prepare(payloads), saved)
    items = _map(mirror, due_to_map, saved, broken)
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
    _resolve(mirror, store, [woo_id for woo_id in same | set(items) if str(woo_id) not in bad], at)
    return saved


def _resolve(mirror, store, numbers: list[int], at) -> None:
    """What was kept aside and is mirrored by now waits no longer. In bare SQL: Django would write out each number."""
    with bound_cursor() as cursor:
        cursor.execute(
            f"UPDATE {KeptAside._meta.db_table} SET resolved_at = %s "
            "WHERE store_id = %s AND resource = %s AND resolved_at IS NULL AND woo_id = ANY(%s::text[])",
            [at, store.pk, mirror.resource, array(numbers)],
        )


def _seen_before(mirror, store, prepared: list[Prepared], saved) -> tuple[list[Prepared], set[int]]:
    """Those that have to be mapped, or are; and the numbers of those that are held to the letter.

    Mapping is most of the work of a page that brings nothing new. Looked up without the lock: an equal one changes nothing, whatever is held by now.
    """
    numbers = [each.payload["id"] for each in prepared if each.source and not each.is_mapped]
    held = _held(replace(mirror, held=()), store, numbers)
    left, same = [], set()
    for each in prepared:
        known = held.get(each.payload["id"]) if each.source and not each.is_mapped else None
        if known is None or known.source != each.source or known.deleted_at:
            left.append(each)
            continue
        same.add(each.payload["id"])
        saved.unchanged += 1
        saved.newest = max(filter(None, [saved.newest, known.modified]), default=None)
    return left, same


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


def _map(mirror, prepared: list[Prepared], saved, broken) -> dict[int, Item]:
    """The newest version of each object."""
    items: dict[int, Item] = {}
    for each in prepared:
        item = each.map(mirror.map).item
        if item is None:
            broken.append((each.payload, each.error))
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
            f"SELECT woo_id, id, date_modified_gmt, digest, deleted_at{extra} FROM {mirror.table} WHERE store_id = %s AND woo_id = ANY(%s::bigint[])",
            [store.pk, array(woo_ids)],
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
    if not broken:
        return
    rows = {}
    for payload, error in broken:
        body = _as_text(payload)
        number = payload.get("id") if isinstance(payload, dict) else None
        name = str(number if number is not None else hashlib.md5(body.encode(), usedforsecurity=False).hexdigest())[:60]
        name, error = (part.replace("\x00", "").encode("utf-8", "replace").decode() for part in (name, error))
        rows[name] = KeptAside(
            store=store, resource=resource, woo_id=name, payload=body, error=error, created_at=at, tried_at=at
        )
        saved.kept_aside.append((name, error))
    # What was dismissed, or put right since, stays so until it comes as something else: each comparison brings it again.
    settled = KeptAside.objects.for_store(store).filter(resource=resource, woo_id__in=rows, resolved_at__isnull=False)
    for kept in settled:
        if (kept.payload, kept.error) == (rows[kept.woo_id].payload, rows[kept.woo_id].error):
            del rows[kept.woo_id]
    KeptAside.objects.bulk_create(
        rows.values(),
        update_conflicts=True,
        unique_fields=["store", "resource", "woo_id"],
        update_fields=["payload", "error", "tried_at", "resolved_at"],
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
    parameters: dict[str, Any] | None = None,
    prepare: bool = False,
) -> dict[int, int]:
    """Insert or update rows; returns {woo_id: primary key} of those that were written.

    `more` gives SQL for columns that are not in the JSON, from `joins` onto the record `r`, and `parameters` what these name.
    `prepare` where no table is joined, so that no statistics can make the plan a bad one.
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
    with bound_cursor(prepare) as cursor:
        cursor.execute(sql, {"store": store.pk, "at": at, "rows": rows} | (parameters or {}))
        return dict(cursor.fetchall())


def counts(items: Iterable[Item], held: dict[int, Held], written: dict[int, int]) -> tuple[int, int]:
    created = sum(item.woo_id in written and item.woo_id not in held for item in items)
    return created, len(written) - created
