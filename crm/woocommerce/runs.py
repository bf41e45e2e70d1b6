"""The record of syncs: what was asked for, what runs, what came of it."""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone

from crm.stores.models import Store

from . import incidents
from .client import Client
from .errors import WooCommerceError, named
from .models import Resource, SyncRun, SyncState

Outcome = SyncRun.Outcome
Mode = SyncState.Mode
# A walk of more is not given up for one of less.
EXTENT: dict[str, int] = {Mode.CHANGES: 0, Mode.COMPARE: 1, Mode.FULL: 2}
# How often the counts of a run that goes on are written, in seconds.
NOTED_EVERY = 1.0
COUNTS = ("read", "written", "kept_aside", "page")
# Comparisons begin in these hours by the shop's clock, when it has the fewest visitors.
NIGHT = range(3, 6)
# A machine that is switched off at night compares by day.
LONGEST = timedelta(hours=36)


def ask(store: Store, mode: str, at: datetime) -> tuple[SyncRun, bool]:
    """Note that a sync is wanted; what is asked for again while it waits is the same run. Returns it and whether it is new.

    The caller wakes a worker (`tasks.ask_for_sync`). A run that is asked for while another goes on is not lost: it waits here until that one ends.
    """
    return SyncRun.objects.get_or_create(
        store_id=store.pk, mode=mode, outcome=Outcome.WAITING, defaults={"asked_at": at}
    )


def wanted(stores: Iterable[int]) -> dict[int, str]:
    """The mode of the run that waits, by the store's primary key; of several the one that reads most."""
    modes: dict[int, str] = {}
    waiting = SyncRun.objects.waiting().filter(store__in=list(stores))
    for store_id, mode in waiting.values_list("store_id", "mode"):
        modes[store_id] = max(mode, modes.get(store_id, mode), key=lambda mode: EXTENT[mode])
    return modes


def due_for_comparison(at: datetime) -> list[Store]:
    """The stores to compare now: where it is night and none was begun in it yet, and those that have gone without for longer than a night."""
    last = dict(SyncRun.objects.filter(mode=Mode.COMPARE).values_list("store").annotate(Max("asked_at")))
    return [store for store in Store.objects.connected() if _is_due_for_comparison(store, last.get(store.pk), at)]


def _is_due_for_comparison(store: Store, asked_at: datetime | None, at: datetime) -> bool:
    # The first import is as good as one.
    last = max(filter(None, [asked_at, store.connected_at]), default=None)
    if last is None or at - last >= LONGEST:
        return True
    local = at.astimezone(store.zone)
    # Where an hour comes twice, the night begins with the first.
    begin = local.replace(hour=NIGHT.start, minute=0, second=0, microsecond=0, fold=0)
    return local.hour in NIGHT and last < begin.astimezone(UTC)


@transaction.atomic
def begin(store: Store, mode: str, at: datetime) -> SyncRun:
    """The run that this process, which holds the store's lock, works on: the one that was left open, the one that waits, or a new one."""
    unfinished = list(SyncRun.objects.select_for_update().for_store(store).filter(finished_at=None))
    left = next((run for run in unfinished if run.started_at), None)
    if left and EXTENT[left.mode] >= EXTENT[mode]:
        return left
    if left:
        # Its walks are gone over once more by the one that reads more.
        left.outcome, left.finished_at = Outcome.INCOMPLETE, at
        left.save(update_fields=["outcome", "finished_at"])
    waiting = (run for run in unfinished if run.started_at is None and run.mode == mode)
    run = next(waiting, None) or SyncRun(store=store, mode=mode, asked_at=at)
    run.outcome, run.started_at, run.seen_at = Outcome.RUNNING, at, at
    run.save()
    return run


class Record:
    """Counts what a run does while it goes on. `with Record(…) as record:` around all of it; an exception is its end and its error."""

    def __init__(
        self,
        store: Store,
        run: SyncRun,
        client: Client,
        states: Iterable[SyncState],
        report: Callable[[SyncState], None],
    ):
        self.store, self.run, self.client, self.report = store, run, client, report
        self.more: dict[str, float] = {}
        # What each walk had counted when last looked at: by its primary key, its start and the counts.
        self.seen = {state.pk: (state.started_at, counts_of(state)) for state in states}

    def __enter__(self) -> "Record":
        self.noted = self.heard = time.monotonic()
        self.requests = self.client.requests
        return self

    def __call__(self, state: SyncState) -> None:
        """Take in where a walk is now, and pass it on to whoever else wants to know."""
        started_at, before = self.seen.get(state.pk, (None, {}))
        now = counts_of(state)
        if started_at != state.started_at:
            before = {}
        # A walk may step back a page or two.
        news = {name: max(0, now[name] - before.get(name, 0)) for name in COUNTS}
        self.seen[state.pk] = (state.started_at, now)
        took, self.heard = time.monotonic() - self.heard, time.monotonic()
        self.add(read=news["read"], written=news["written"], kept_aside=news["kept_aside"], pages=news["page"])
        if state.mode == Mode.COMPARE:
            self.add(healed=news["written"])
        if state.resource == Resource.ORDERS:
            self.add(orders=news["read"], order_seconds=took)
        if self.heard - self.noted > NOTED_EVERY:
            self.note()
        self.report(state)

    def add(self, **counts: float) -> None:
        for name, count in counts.items():
            self.more[name] = self.more.get(name, 0) + count

    def note(self, **fields) -> None:
        """Write down what was counted since the last time."""
        now = time.monotonic()
        self.add(requests=self.client.requests - self.requests, seconds=now - self.noted)
        self.requests, self.noted = self.client.requests, now
        counted = {name: F(name) + more for name, more in self.more.items() if more}
        self.more = {}
        SyncRun.objects.filter(pk=self.run.pk).update(seen_at=timezone.now(), **counted, **fields)

    def finish(self, errors: list[str], *, has_failed: bool = False, ends_incident: bool = True) -> None:
        """Note the end of a run, and what the shop refused: a part of it, or what counts most.

        `ends_incident`: whether there was one when the run began.
        """
        now = timezone.now()
        text = "\n".join(named(self.store, error) for error in errors)
        outcome = Outcome.FAILED if has_failed else Outcome.INCOMPLETE if errors else Outcome.DONE
        self.note(outcome=outcome, finished_at=now, error=text)
        if has_failed:
            incidents.sync_failed(self.store, text.partition("\n")[0], now, permanent=True)
        elif ends_incident:
            incidents.sync_worked(self.store, now)

    def __exit__(self, kind, error, traceback) -> None:
        if error is None:
            return
        if isinstance(error, Exception):
            text, now = named(self.store, str(error) or type(error).__name__), timezone.now()
            self.note(outcome=Outcome.FAILED, finished_at=now, error=text)
            tell(self.store, error, text, now)
        else:
            # Whoever ended this process wants no more than that; the next run goes on with it.
            self.note()


def note_failure(store: Store, mode: str, error: WooCommerceError) -> None:
    """Put a run on record that failed before it began: nothing may be asked at the store's address."""
    text, now = named(store, str(error)), timezone.now()
    run = begin(store, mode, now)
    SyncRun.objects.filter(pk=run.pk).update(outcome=Outcome.FAILED, finished_at=now, error=text)
    tell(store, error, text, now)


def tell(store: Store, error: Exception, text: str, at: datetime) -> None:
    incidents.sync_failed(store, text, at, permanent=getattr(error, "permanent", False))


def counts_of(state: SyncState) -> dict[str, int]:
    return {name: getattr(state, name) for name in COUNTS}


def forget_old(at: datetime) -> None:
    """Delete what nobody looks back at: polls that found nothing after a week, every run after `settings.KEEP_DONE_DAYS`."""
    ended = SyncRun.objects.exclude(finished_at=None)
    ended.filter(finished_at__lt=at - timedelta(days=settings.KEEP_DONE_DAYS)).delete()
    kept = SyncRun.objects.worth_telling().values("pk")
    ended.filter(finished_at__lt=at - timedelta(days=7)).exclude(pk__in=kept).delete()
