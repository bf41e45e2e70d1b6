"""One walk through one kind of a shop's objects."""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, TypeVar

import orjson
from django.db import connection, transaction
from django.utils import timezone

from crm.stores.models import Store

from .client import Client, Page
from .models import Resource, SyncState
from .readers import Readers
from .saving import Saved

Q = TypeVar("Q")
A = TypeVar("A")

# How far the clock that stamps the objects may be behind the one that dates the answers (a proxy's, say).
SKEW = timedelta(hours=2)
LONGEST_SKEW = timedelta(hours=26)
# Dates are whole seconds, a cursor excludes its own second, and a long request sees an earlier state than its answer's date.
OVERLAP = timedelta(minutes=10)
# What a poll asks for by the time of the last change.
STAMPED = frozenset({Resource.PRODUCTS, Resource.COUPONS, Resource.ORDERS, Resource.TRASH})


class OutOfTime(Exception):
    """This run has had its time; the walk's place is kept."""


class PlaceLost(Exception):
    """Another process has moved this walk on."""


class NotSure(Exception):
    """Something is about to be saved, and nobody has asked yet whose it is. The walk has not moved."""


class Walk:
    """A store, the way to its shop, and the place in the walk."""

    def __init__(
        self,
        store: Store,
        readers: Readers,
        state: SyncState,
        report: Callable,
        deadline: float | None,
        is_sure: bool = True,
    ):
        self.store, self.readers, self.client, self.state = store, readers, readers.client, state
        self.report, self.deadline = report, deadline
        # Whether it is known that this is the right shop (`identity.py`); before that nothing of it is saved.
        self.is_sure = is_sure
        # Whether anything of it is to be noted, and whether anything was news.
        self.has_saved = self.has_written = False

    @property
    def is_full(self) -> bool:
        return self.state.mode == SyncState.Mode.FULL

    def changed_since(self) -> dict[str, Any]:
        """The parameters that ask for what changed: bare seconds in UTC, since with a Z WooCommerce shifts them."""
        after = self.state.window_after
        return {"modified_after": f"{after:%Y-%m-%dT%H:%M:%S}", "dates_are_gmt": "true"} if after else {}

    def dated(self, page: Page) -> None:
        """The first answer's date is the moment up to which the walk will have read."""
        self.state.window_until = self.state.window_until or page.date or timezone.now()

    def step(self, **place) -> "Step":
        """A transaction that saves something and moves the walk's place."""
        self.has_saved = True
        return Step(self, place)

    def move(self, **place) -> None:
        """Move the place where there was nothing to save; `finish` writes it down, and a walk that ends before that looks there again."""
        for name, value in place.items():
            setattr(self.state, name, value)

    @property
    def is_out_of_time(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline

    def take_a_break(self) -> None:
        if self.is_out_of_time:
            raise OutOfTime

    def each(self, ask: Callable[[Client, Q], A], questions: Iterable[Q]) -> Iterator[tuple[Q, A]]:
        """Ask the shop all of this, some ahead; the answers come in the order of the questions. At least one comes before OutOfTime."""
        answers = self.readers.each(ask, questions, self.deadline)
        try:
            yield from answers
        finally:
            answers.close()
        if answers.is_cut_short:
            raise OutOfTime

    def finish(self) -> None:
        """Note that the walk has come to its end; one that saved nothing is only noted when its run calls `write_down`."""
        state = self.state
        until = state.window_until
        # A poll can't tell which customers changed, and reads the new ones alone.
        if until and not (state.resource == Resource.CUSTOMERS and state.mode == SyncState.Mode.CHANGES):
            clock = until
            until = self._read_until(clock)
            # A cursor beyond the shop's clock was taken before that was set back: until it had caught up, changes would be missed.
            state.cursor = max(state.cursor, until) if state.cursor and state.cursor <= clock else until
        state.finished_at, state.error = timezone.now(), ""
        state.complete_until = state.started_at
        if self.has_saved:
            write_down([state])
        self.report(state)

    def _read_until(self, clock: datetime) -> datetime:
        """How far the walk has read, by the clock that stamps the objects: a proxy's, which dates the answers, may be hours from that one."""
        state, newest = self.state, self.state.newest_seen
        if state.resource not in STAMPED:
            return min(clock, max(newest or clock - SKEW, clock - SKEW))
        known = state.cursor if state.cursor and state.cursor <= clock else None
        if newest is None:
            # Nothing has changed since; where nothing ever did, no stamp tells how far behind they are.
            return known or clock - (SKEW if state.cursor else LONGEST_SKEW)
        if known and newest <= known and newest < clock - SKEW:
            # Read twice, and long ago: not once more with each poll, ten minutes of changes may be thousands. What changes from now on is stamped later.
            return newest + OVERLAP
        return min(clock, newest)

    def fail(self, error: str, *, close: bool) -> None:
        """Note why the walk stopped. Left open, the next run goes on here; closed, it begins anew and the others are not kept waiting."""
        self.state.error = error
        self.state.finished_at = timezone.now() if close else None
        self.state.save(update_fields=["error", "finished_at"])


# All at once: a poll that finds nothing finishes ten walks, and shall cost next to nothing.
_WRITE_DOWN = """
    UPDATE woocommerce_syncstate s SET
        cursor = r.cursor, finished_at = r.finished_at, complete_until = r.started_at, error = '', page = r.page, "offset" = r.place, total = r.total,
        position = r.position, window_until = r.window_until
    FROM jsonb_to_recordset(%s::jsonb) AS r(
        id bigint, started_at timestamptz, cursor timestamptz, finished_at timestamptz, page integer, place integer, total integer,
        position bigint, window_until timestamptz)
    WHERE s.id = r.id AND s.started_at = r.started_at
"""


def write_down(states: Iterable[SyncState]) -> None:
    """Save the ends of walks, unless somebody has begun them anew."""
    rows = [
        {"id": state.pk, "place": state.offset}
        | {
            name: getattr(state, name)
            for name in ("started_at", "cursor", "finished_at", "page", "total", "position", "window_until")
        }
        for state in states
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(_WRITE_DOWN, [orjson.dumps(rows).decode()])


class Step:
    """`with walk.step(page=3) as count: count(saved, rows)`: all of it is committed, or nothing."""

    def __init__(self, walk: Walk, place: dict):
        self.walk, self.place = walk, place
        self.atomic = transaction.atomic()

    def __enter__(self):
        self.atomic.__enter__()
        state = self.walk.state
        self.changes = dict(self.place) | {"window_until": state.window_until, "error": ""}
        return self.count

    def count(self, saved: Saved, read: int) -> None:
        if not self.walk.is_sure and (saved.written or saved.kept_aside):
            raise NotSure
        self.walk.has_written |= saved.written > 0
        state = self.walk.state
        newest = max(filter(None, [state.newest_seen, saved.newest, self.changes.get("newest_seen")]), default=None)
        self.changes["newest_seen"] = newest
        counts = {
            "read": read,
            "written": saved.written,
            "kept_aside": len(saved.kept_aside),
            "left_out": saved.ignored,
        }
        for name, more in counts.items():
            self.changes[name] = self.changes.get(name, getattr(state, name)) + more

    def __exit__(self, kind, error, traceback):
        if kind is None:
            try:
                self._move()
            except BaseException as failure:
                self.atomic.__exit__(type(failure), failure, failure.__traceback__)
                raise
        self.atomic.__exit__(kind, error, traceback)
        if kind is None:
            for name, value in self.changes.items():
                setattr(self.walk.state, name, value)
            self.walk.report(self.walk.state)

    def _move(self):
        state = self.walk.state
        here = SyncState.objects.filter(pk=state.pk, started_at=state.started_at, finished_at=None)
        if not here.update(**self.changes):
            raise PlaceLost(f"{state} was started again by another process.")
