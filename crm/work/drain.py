"""Claim due rows in batches, do them, settle them, until nothing is due."""

import logging
import time
import traceback
from datetime import datetime, timedelta
from itertools import accumulate

from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.db.models import F
from django.utils import timezone

from . import leases
from .models import DueWork, Wake

logger = logging.getLogger(__name__)

# What this process had claimed when the database went away. It lives, so nobody else may take these before their lease is over.
_left_behind: list[list[DueWork]] = []


class LeaseLost(Exception):
    """Another process took these rows over; what was done for them is rolled back."""


def tables() -> list[type[DueWork]]:
    """Every concrete table of due work, in the order of its app's place in INSTALLED_APPS."""
    return [model for model in apps.get_models() if issubclass(model, DueWork)]


def drain(model: type[DueWork], at: datetime | None = None, seconds: float = 30) -> int:
    """Do all that is due in one table, for at most `seconds`; returns the number of rows claimed.

    Safe to run in any number of processes at once. `at` fixes the clock for tests.
    """
    # Before the first claim: a row that is committed after this asks for another drain.
    Wake.objects.filter(label=model._meta.label).delete()
    _let_go(at or timezone.now())
    deadline = time.monotonic() + seconds
    claimed = 0
    while rows := claim(model, at or timezone.now()):
        claimed += len(rows)
        try:
            _perform(model, rows, at)
        except DatabaseError:
            _left_behind.append(rows)
            raise
        if time.monotonic() > deadline:
            from .wake import wake

            wake(model)
            break
    return claimed


def drain_all(at: datetime | None = None) -> int:
    """Drain every table again and again until none has anything due: what tests and commands want."""
    Wake.objects.all().delete()
    total = 0
    while models := waiting(at or timezone.now()):
        done = sum(drain(model, at) for model in models)
        if not done:
            break  # others have it in hand
        total += done
    return total


def waiting(at: datetime) -> list[type[DueWork]]:
    """The tables in which something is due, or was held too long by a process that died; in one statement."""
    models = tables()
    ask = """
        SELECT {number} WHERE EXISTS (SELECT FROM {table} WHERE state = 'due' AND due_at <= %(at)s)
            OR EXISTS (SELECT FROM {table} WHERE state = 'running' AND leased_until < %(at)s)
    """
    with connection.cursor() as cursor:
        parts = [ask.format(number=number, table=model._meta.db_table) for number, model in enumerate(models)]
        cursor.execute(" UNION ALL ".join(parts), {"at": at})
        return [models[number] for number in sorted(row[0] for row in cursor)]


def claim(model: type[DueWork], at: datetime) -> list[DueWork]:
    """Take the next batch: attempts are counted here, in a transaction of its own."""
    _park_the_hopeless(model, at)
    rows = _claim(model, model.objects.due(at), at, model.BATCH)
    # One at a time: among the rows of a process that died may be the one that killed it.
    return rows or _claim(model, model.objects.lease_expired(at), at, 1)


def _claim(model, queryset, at, limit):
    with transaction.atomic():
        found = list(
            queryset.order_by("due_at", "pk")
            .select_for_update(skip_locked=True, of=("self",))
            .values_list("pk", model.WEIGHT)[:limit]
        )
        if not found:
            return []
        totals = accumulate(weight for _pk, weight in found)
        ids = [
            pk for (pk, _), total in zip(found, totals, strict=True) if pk == found[0][0] or total <= model.MAX_WEIGHT
        ]
        model.objects.filter(pk__in=ids).update(
            state=DueWork.State.RUNNING,
            attempts=F("attempts") + 1,
            leased_until=at + model.LEASE,
            claimed_by=leases.holder(),
        )
        return list(model.objects.filter(pk__in=ids).order_by("due_at", "pk"))


def _let_go(at: datetime) -> None:
    """End the leases of what this process had to leave behind."""
    while _left_behind:
        _owned(_left_behind[-1]).update(leased_until=at - timedelta(seconds=1))
        _left_behind.pop()


def release_the_dead(at: datetime) -> int:
    """End the leases of processes of this machine that are no more; returns how many rows may be claimed again.

    They are then treated as those whose lease ran out by itself.
    """
    freed = 0
    for model in tables():
        leased = model.objects.filter(state=DueWork.State.RUNNING, leased_until__gte=at)
        holders = leased.order_by().values_list("claimed_by", flat=True).distinct()
        if dead := [holder for holder in holders if leases.is_dead(holder)]:
            freed += leased.filter(claimed_by__in=dead).update(leased_until=at - timedelta(seconds=1))
    return freed


def _park_the_hopeless(model, at):
    for row in model.objects.lease_expired(at).filter(attempts__gte=model.MAX_ATTEMPTS):
        fail(row, "The process died each time this was tried.", at, permanent=True)


def _perform(model, rows, at):
    at = at or timezone.now()
    try:
        _perform_batch(model, rows, at)
    except LeaseLost:
        logger.warning("%s: lost the lease of %d rows", model._meta.label, len(rows))
    except Exception as error:
        # A connection that was cut stays so until it is closed; then the next statement makes a new one.
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        if len(rows) == 1:
            # An error that says of itself whether another attempt may help is written for people.
            permanent = getattr(error, "permanent", None)
            fail(rows[0], error if permanent is None else str(error), at, permanent=bool(permanent))
            return
        # One bad row must not hold up the others.
        for row in rows:
            _perform(model, [row], at)


def _perform_batch(model, rows, at):
    if not model.TRANSACTIONAL:
        model.perform(rows, at)
        return
    with transaction.atomic():
        model.perform(rows, at)
        settle(rows, at)


def settle(rows: list[DueWork], at: datetime) -> None:
    """Mark claimed rows as done. Raises LeaseLost when they are no longer this process's."""
    if rows and _owned(rows).update(state=DueWork.State.DONE, settled_at=at, leased_until=None, error="") != len(rows):
        raise LeaseLost


def fail(row: DueWork, error: Exception | str, at: datetime, permanent: bool = False) -> None:
    """Keep the error and try again later, or park the row when that is hopeless."""
    give_up = permanent or row.attempts >= row.MAX_ATTEMPTS
    text = error if isinstance(error, str) else describe(error)
    if give_up:
        try:
            _park(row, text, at)
        except Exception as second:
            # Somebody has to hear of it and can't: better tried once more than given up in silence.
            give_up, text = False, f"{text}\n{describe(second)}"
    if not give_up:
        _owned([row]).update(
            state=DueWork.State.DUE, due_at=at + row.backoff(), leased_until=None, error=text, settled_at=None
        )
    level = logging.ERROR if give_up else logging.WARNING
    logger.log(level, "%s %s: attempt %d failed: %s", row._meta.label, row.pk, row.attempts, text.splitlines()[0])


@transaction.atomic
def _park(row, text, at):
    if _owned([row]).update(state=DueWork.State.PARKED, due_at=at, leased_until=None, error=text, settled_at=at):
        type(row).on_parked([row], at)


def postpone(row: DueWork, until: datetime, error: str) -> None:
    """Put a claimed row back untried: this attempt does not count."""
    _owned([row]).update(
        state=DueWork.State.DUE, due_at=until, attempts=F("attempts") - 1, leased_until=None, error=error
    )


def describe(error: Exception) -> str:
    """The error in one line, then where it happened; never the values of variables."""
    lines = traceback.format_exception(error, chain=False)
    return f"{type(error).__name__}: {error}\n{''.join(lines[-12:])}"[:8000].replace("\x00", "")


def _owned(rows):
    """These rows, if nobody else has claimed them since (a claim counts an attempt)."""
    model = type(rows[0])
    attempts = {row.attempts for row in rows}
    if len(attempts) == 1:
        return model.objects.filter(
            pk__in=[row.pk for row in rows], state=DueWork.State.RUNNING, attempts=attempts.pop()
        )
    query = model.objects.none()
    for count in attempts:
        query = query | model.objects.filter(
            pk__in=[row.pk for row in rows if row.attempts == count], state=DueWork.State.RUNNING, attempts=count
        )
    return query
