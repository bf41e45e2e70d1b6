"""Bring a store's mirror up to date with its shop: everything, what changed, or a comparison.

A run is a row of walks, one for each kind of object (`SyncState`). Each page is saved in one transaction with the place of the walk, so that
whoever comes after a kill goes on at the next page. WooCommerce never repeats a failed webhook; the poll of what changed, every
few minutes and with an overlap, closes the gaps, and the comparison finds what no date tells.
"""

import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from crm.stores.models import Store

from . import comparing, identity, runs, walks
from .client import Client
from .errors import WooCommerceError
from .models import KeptAside, Resource, SyncState
from .readers import Readers
from .saving import SAVERS
from .walking import NotSure, OutOfTime, Walk

Mode = SyncState.Mode

# What orders refer to comes before them.
STEPS: dict[str, Callable[[Walk], None]] = {
    Resource.CATEGORIES: walks.categories,
    Resource.PRODUCTS: walks.products,
    Resource.VARIATIONS: walks.variations,
    Resource.CUSTOMERS: walks.customers,
    Resource.COUPONS: walks.coupons,
    Resource.ORDERS: walks.orders,
    Resource.TRASH: walks.trash,
    Resource.BUYERS: walks.buyers,
    Resource.REFUNDS: walks.refunds,
    Resource.REVIEWS: walks.reviews,
}


class Busy(Exception):
    """Another process syncs this store right now."""


@dataclass
class Result:
    # False: the time ran out; the next run goes on there.
    is_finished: bool = True
    errors: list[WooCommerceError] = field(default_factory=list)


def run(
    store: Store,
    *,
    mode: str = Mode.CHANGES,
    seconds: float | None = None,
    client: Client | None = None,
    report: Callable[[SyncState], None] = lambda state: None,
) -> Result:
    """Finish the walks that an earlier run began and did not end; then, or else, walk in `mode`.

    What was never read is read in full whatever the mode. Stops after a page once `seconds` are over. `report` is told of each page.
    Raises Busy, and WooCommerceError when the shop can't be reached; what it refuses of one kind only (no right to see
    coupons) is among the result's errors. What it did is on record as a SyncRun.
    """
    result = Result()
    with (
        alone(store),
        client or Client(store) as client,
        Readers(client, settings.SYNC_READERS) as readers,
        runs.Record(store, mode, client, report) as record,
    ):
        deadline = None if seconds is None else time.monotonic() + seconds
        guard = identity.Guard(store, client)
        retry_kept_aside(store, timezone.now())
        try:
            is_open = plan(store, mode, timezone.now())
            if store.halted or record.run.mode != Mode.CHANGES:
                guard.sure(thorough=True)
            if is_open:
                # Meanwhile other things have changed.
                _walk(store, readers, record, deadline, guard, result)
                plan(store, Mode.CHANGES, timezone.now())
            _walk(store, readers, record, deadline, guard, result)
        except OutOfTime:
            result.is_finished = False
            record.note()
        else:
            record.finish([str(error) for error in result.errors])
    return result


def _walk(store, readers, report, deadline, guard, result) -> None:
    order = list(STEPS)
    states = SyncState.objects.filter(store=store).unfinished()
    for state in sorted(states, key=lambda state: order.index(state.resource)):
        walk = Walk(store, readers, state, report, deadline, guard.is_sure)
        compare = comparing.STEPS.get(state.resource) if state.mode == Mode.COMPARE else None
        step = compare or STEPS[state.resource]
        try:
            try:
                step(walk)
            except NotSure:
                # A poll has found something: now is the time to ask, outside any transaction; its page is read once more.
                guard.sure()
                walk.is_sure = True
                step(walk)
        except WooCommerceError as error:
            is_refused = error.status in (403, 404)
            walk.fail(str(error), close=is_refused)
            if not is_refused:
                raise
            result.errors.append(error)
        else:
            walk.finish()


@contextmanager
def alone(store: Store):
    """Hold the store's sync lock; PostgreSQL lets go of it when this process dies."""
    name = [f"woocommerce.sync:{store.pk}"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", name)
        if not cursor.fetchone()[0]:
            raise Busy
    try:
        yield
    finally:
        if connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", name)


@transaction.atomic
def plan(store: Store, mode: str, at: datetime) -> bool:
    """Open the walks of a run, unless as much is open already; returns whether it is."""
    states = {state.resource: state for state in SyncState.objects.select_for_update().filter(store=store)}
    if any(state.finished_at is None and runs.EXTENT[state.mode] >= runs.EXTENT[mode] for state in states.values()):
        return True
    for resource in STEPS:
        if state := states.get(resource):
            _restart(state, mode, at)
        else:
            SyncState.objects.create(store=store, resource=resource, mode=Mode.FULL, started_at=at)
    return False


def _restart(state: SyncState, mode: str, at: datetime) -> None:
    state.mode, state.started_at, state.finished_at, state.error = mode, at, None, ""
    state.page = state.offset = state.read = state.written = state.kept_aside = state.left_out = 0
    state.total = state.window_until = state.newest_seen = None
    is_poll = mode == Mode.CHANGES
    state.window_after = state.cursor - walks.OVERLAP if is_poll and state.cursor else None
    # Of customers a poll reads those above the highest known number.
    if not is_poll or state.resource != Resource.CUSTOMERS:
        state.position = 0
    state.save()


def retry_kept_aside(store: Store, at: datetime, waiting: QuerySet[KeptAside] | None = None) -> int:
    """Try again what could not be mirrored: this version of the program may know better. Returns how many stay aside."""
    if waiting is None:
        waiting = KeptAside.objects.for_store(store).unresolved()
    rows = list(waiting.order_by("pk")[:500])
    left = 0
    for resource in STEPS:
        if payloads := [kept.as_json() for kept in rows if kept.resource == resource]:
            left += len(SAVERS[resource](store, payloads, at).kept_aside)
    return left
