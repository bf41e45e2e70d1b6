"""One walk through one kind of a shop's objects."""

import math
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from crm.stores.models import Store

from .client import PER_PAGE, Client, Page
from .models import SyncState
from .saving import Saved

# How far the clock that stamps the objects may be behind the one that dates the answers (a proxy's, say).
SKEW = timedelta(hours=2)


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
        client: Client,
        state: SyncState,
        report: Callable,
        deadline: float | None,
        is_sure: bool = True,
    ):
        self.store, self.client, self.state = store, client, state
        self.report, self.deadline = report, deadline
        # Whether it is known that this is the right shop (`identity.py`); before that nothing of it is saved.
        self.is_sure = is_sure

    @property
    def is_full(self) -> bool:
        return self.state.mode == SyncState.Mode.FULL

    def changed_since(self) -> dict:
        """The parameters that ask for what changed: bare seconds in UTC, since with a Z WooCommerce shifts them."""
        after = self.state.window_after
        return {"modified_after": f"{after:%Y-%m-%dT%H:%M:%S}", "dates_are_gmt": "true"} if after else {}

    def through(self, endpoint: str, save: Callable[[Store, list[dict], datetime], Saved], **params) -> None:
        """Save all pages of a list, by ascending id, from where the walk is."""
        state = self.state
        patience = 20
        while True:
            page = self.client.page(endpoint, state.page + 1, orderby="id", order="asc", **params)
            self.dated(page)
            if state.page and patience and (back := _pages_back(page, state.total)):
                patience -= 1
                state.page = max(0, state.page - back)
                state.total = page.total or None
                continue
            position = max([state.position, *page.numbered])
            with self.step(page=state.page + 1, total=page.total, position=position) as count:
                count(save(self.store, page.rows, timezone.now()), len(page.rows))
            if page.is_last:
                return
            self.take_a_break()

    def dated(self, page: Page) -> None:
        """The first answer's date is the moment up to which the walk will have read."""
        self.state.window_until = self.state.window_until or page.date or timezone.now()

    def step(self, **place) -> "Step":
        """A transaction that saves something and moves the walk's place."""
        return Step(self, place)

    def take_a_break(self) -> None:
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise OutOfTime

    def finish(self) -> None:
        state = self.state
        until = state.window_until
        if until:
            # What the shop's own stamps say, if they are behind its clock.
            until = min(until, max(state.newest_seen or until - SKEW, until - SKEW))
            state.cursor = max(state.cursor, until) if state.cursor else until
        state.finished_at, state.error = timezone.now(), ""
        state.save(update_fields=["cursor", "finished_at", "error"])
        self.report(state)

    def fail(self, error: str, *, close: bool) -> None:
        """Note why the walk stopped. Left open, the next run goes on here; closed, it begins anew and the others are not kept waiting."""
        self.state.error = error
        self.state.finished_at = timezone.now() if close else None
        self.state.save(update_fields=["error", "finished_at"])


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
        state = self.walk.state
        newest = max(filter(None, [state.newest_seen, saved.newest, self.changes.get("newest_seen")]), default=None)
        self.changes["newest_seen"] = newest
        for name, more in (("read", read), ("written", saved.written), ("kept_aside", len(saved.kept_aside))):
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


def _pages_back(page: Page, total_before: int | None) -> int:
    """How many pages to go back because objects have left the list, so that later ones moved to pages that were read."""
    if page.total == 0 and not page.rows:
        # Past the end, where WooCommerce counts 0: the list has become shorter.
        return 1
    if page.total is None or total_before is None or page.total >= total_before:
        return 0
    return math.ceil((total_before - page.total) / PER_PAGE)
