"""Bring a store's mirror up to date with its shop: everything, what changed, or a comparison.

A run is a row of walks, one for each kind of object (`SyncState`). Each page is saved in one transaction with the place of the walk, so that
whoever comes after a kill goes on at the next page. WooCommerce never repeats a failed webhook; the poll of what changed, every
few minutes and with an overlap, closes the gaps, and the comparison finds what no date tells.
"""

import ctypes
import gc
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.stores.models import Store
from crm.work.batches import batched

from . import comparing, connect, identity, incidents, runs, waiting, walks
from .client import Client
from .errors import WooCommerceError, named
from .locks import Busy, alone
from .models import KeptAside, Resource, SyncState
from .readers import Readers
from .saving import SAVERS
from .walking import OVERLAP, NotSure, OutOfTime, Walk, write_down

__all__ = ["STEPS", "Busy", "Mode", "Result", "plan", "retry_kept_aside", "run"]

Mode = SyncState.Mode
# How many objects that are kept aside one sync, or one press of a button, tries again.
RETRIED = 500
# Of glibc's malloc.h.
M_ARENA_MAX, M_MMAP_THRESHOLD = -8, -3

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


@dataclass
class Result:
    # False: the time ran out; the next run goes on there.
    is_finished: bool = True
    # What that one is to be asked for: what was asked for at first, until only the poll after it is left.
    mode: str = Mode.CHANGES
    errors: list[WooCommerceError] = field(default_factory=list)
    # Without the orders, the rest is none.
    has_failed: bool = False


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
    result = Result(mode=mode)
    with (
        alone(store, "sync"),
        client or _client_of(store, mode) as client,
        Readers(client, settings.SYNC_READERS) as readers,
        _begun(store, mode, client, report) as (left_open, states, record),
        program_set_aside(),
    ):
        deadline = None if seconds is None else time.monotonic() + seconds
        guard = identity.Guard(store, client)
        found = waiting.look(store)
        if found.kept_aside:
            retry_kept_aside(store, timezone.now())
        try:
            if store.halted or record.run.mode != Mode.CHANGES:
                guard.sure(thorough=True)
            # Where a run goes on, what the one before it has saved is known to nobody: everything is looked for.
            _walk(states, None if left_open else found.resources, readers, record, deadline, guard, result)
            # Meanwhile other things have changed; of a poll's last slice the next poll is near.
            if left_open and (left_open != Mode.CHANGES or deadline is None):
                result.mode = Mode.CHANGES
                _left_open, states = plan(store, Mode.CHANGES, timezone.now())
                _walk(states, None, readers, record, deadline, guard, result)
        except OutOfTime:
            result.is_finished = False
            record.note()
        else:
            if record.run.mode == Mode.COMPARE:
                _try_the_keys(store, client, result)
            errors = [str(error) for error in result.errors]
            record.finish(errors, has_failed=result.has_failed, ends_incident=found.incident)
    return result


@contextmanager
def _begun(store, mode, client, report) -> Iterator[tuple[str, list[SyncState], runs.Record]]:
    """A run with its walks, on record from here on: both or neither, so that whoever comes after a kill knows what was asked for."""
    at = timezone.now()
    with transaction.atomic():
        left_open, states = plan(store, mode, at)
        # What was never read is read in full.
        is_known = any(state.mode != Mode.FULL or state.cursor for state in states)
        run = runs.begin(store, mode if is_known else Mode.FULL, at)
    with runs.Record(store, run, client, states, report) as record:
        yield left_open, states, record


def _client_of(store: Store, mode: str) -> Client:
    try:
        return Client(store)
    except WooCommerceError as error:
        runs.note_failure(store, mode, error)
        raise


def _try_the_keys(store: Store, client: Client, result: Result) -> None:
    """Keys that were changed to reading alone hold up all that is owed to the shop; better to hear of it in the night than by a customer."""
    at = timezone.now()
    try:
        connect.may_write(client)
    except WooCommerceError as error:
        if error.status not in (401, 403):
            return
        message = _("nothing can be written into the shop: coupons, refunds and notes wait. %(why)s") % {"why": error}
        result.errors.append(WooCommerceError(message, permanent=True, status=error.status))
        incidents.writes_refused(store, named(store, message), at)
    else:
        incidents.writes_work(store, at)


def _walk(states, waits: set[str] | None, readers, record, deadline, guard, result) -> None:
    """Go through the walks. `waits`: the dependent kinds that something waits for as long as nothing new is saved; None where that is not known."""
    order = list(STEPS)
    quiet: list[SyncState] = []
    try:
        for state in sorted(states, key=lambda state: order.index(state.resource)):
            readers.pace.begin()
            walk = Walk(record.store, readers, state, record, deadline, guard.is_sure)
            is_in_vain = (
                waits is not None
                and state.mode == Mode.CHANGES
                and state.resource in waiting.DEPENDENT
                and state.resource not in waits
            )
            try:
                if not is_in_vain:
                    _walk_through(walk, guard)
            except WooCommerceError as error:
                is_refused = error.status in (403, 404)
                walk.fail(str(error), close=is_refused)
                if not is_refused:
                    raise
                result.errors.append(error)
                result.has_failed |= state.resource == Resource.ORDERS
            else:
                walk.finish()
                if not walk.has_saved:
                    quiet.append(state)
            if walk.has_written:
                waits = None
    finally:
        write_down(quiet)


def _walk_through(walk: Walk, guard: identity.Guard) -> None:
    compare = comparing.STEPS.get(walk.state.resource) if walk.state.mode == Mode.COMPARE else None
    step = compare or STEPS[walk.state.resource]
    try:
        step(walk)
    except NotSure:
        # A poll has found something: now is the time to ask, outside any transaction; its page is read once more.
        guard.sure()
        walk.is_sure = True
        step(walk)


@contextmanager
def program_set_aside():
    """Spare Python's garbage collector the whole program each time some pages have made objects: a seventh of an import."""
    _give_memory_back()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _give_memory_back() -> None:
    """Have glibc keep one heap for all readers, and none of a page's text once it is read: eight of an import's megabytes.

    By itself it keeps a heap for each thread, and learns from the first long text to keep room for such. Where there is no glibc, that is nobody's trouble.
    """
    with suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, 128 * 1024)


@transaction.atomic
def plan(store: Store, mode: str, at: datetime) -> tuple[str, list[SyncState]]:
    """Open the walks of a run, unless as much is open already; returns the mode of those, or nothing, and the open walks."""
    states = list(SyncState.objects.select_for_update().filter(store=store))
    left_open = [state for state in states if state.finished_at is None]
    most = max((state.mode for state in left_open), key=runs.EXTENT.__getitem__, default="")
    if most and runs.EXTENT[most] >= runs.EXTENT[mode]:
        return most, left_open
    opened = list(SyncState.objects.raw(_RESTART, _restarting(store, mode, at))) if states else []
    held = {state.resource for state in states}
    opened += SyncState.objects.bulk_create(
        SyncState(store=store, resource=resource, mode=Mode.FULL, started_at=at)
        for resource in STEPS
        if resource not in held
    )
    return "", opened


# In bare SQL, and with what becomes of the walks: Django would put it together anew for every poll.
_RESTART = """
    UPDATE woocommerce_syncstate SET
        mode = %(mode)s, started_at = %(at)s, finished_at = NULL, error = '', total = NULL, window_until = NULL, newest_seen = NULL,
        window_after = CASE WHEN %(is_poll)s THEN cursor - %(overlap)s END,
        -- Of customers a poll reads those above the highest known number.
        position = CASE WHEN %(is_poll)s AND resource = %(customers)s THEN position ELSE 0 END,
        page = 0, "offset" = 0, read = 0, written = 0, kept_aside = 0, left_out = 0
    WHERE store_id = %(store)s
    RETURNING *
"""


def _restarting(store: Store, mode: str, at: datetime) -> dict[str, Any]:
    return {
        "store": store.pk,
        "mode": mode,
        "at": at,
        "is_poll": mode == Mode.CHANGES,
        "overlap": OVERLAP,
        "customers": Resource.CUSTOMERS,
    }


def retry_kept_aside(store: Store, at: datetime, waiting: QuerySet[KeptAside] | None = None) -> int:
    """Try again what could not be mirrored: this version of the program may know better. Returns how many were tried: of all, `RETRIED` at most.

    Those come that were not tried for longest, so that what stays bad keeps nothing else waiting.
    """
    if waiting is None:
        waiting = KeptAside.objects.for_store(store).unresolved()
    pks: dict[str, list[int]] = defaultdict(list)
    for resource, pk in waiting.order_by("tried_at", "pk").values_list("resource", "pk")[:RETRIED]:
        pks[resource].append(pk)
    tried = [pk for group in pks.values() for pk in group]
    # Before it is tried: even one that kills this process gives way to the next.
    KeptAside.objects.filter(pk__in=tried).update(tried_at=at)
    for resource in STEPS:
        # Few at once: what is wrong with one may be its size.
        for chunk in batched(pks[resource], 10):
            rows = KeptAside.objects.filter(pk__in=chunk).order_by("pk")
            SAVERS[resource](store, [kept.as_json() for kept in rows], at)
    return len(tried)
