"""How the work stands: what is due, what runs, what has been given up, and whether anybody does it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min, Q

from . import drain
from .models import DueWork, Heartbeat, ScheduleRun
from .schedules import SCHEDULES
from .wake import wake

# A worker beats every few seconds.
SILENT = timedelta(minutes=1)
LATE = timedelta(minutes=5)
State = DueWork.State


@dataclass
class Table:
    """One table of due work in figures."""

    label: str
    name: str
    due: int
    oldest: datetime | None
    # Due at a later time: a retry, or a mail for tomorrow.
    later: int
    running: int
    parked: int
    is_late: bool


@dataclass
class Line:
    """A schedule with its last run."""

    name: str
    minutes: int
    run: ScheduleRun | None

    @property
    def took(self) -> timedelta | None:
        return self.run.finished_at - self.run.started_at if self.run and self.run.finished_at else None

    @property
    def problem(self) -> str:
        return self.run.error.partition("\n")[0] if self.run else ""


def tables(at: datetime) -> list[Table]:
    return [_table(model, at) for model in drain.tables()]


def _table(model, at):
    due_now = Q(state=State.DUE, due_at__lte=at)
    # Named in one condition, so that the rows that are done, by far the most, are left aside by the indexes.
    figures = model.objects.filter(state__in=[State.DUE, State.RUNNING, State.PARKED]).aggregate(
        due=Count("pk", filter=due_now),
        oldest=Min("due_at", filter=due_now),
        later=Count("pk", filter=Q(state=State.DUE, due_at__gt=at)),
        running=Count("pk", filter=Q(state=State.RUNNING)),
        parked=Count("pk", filter=Q(state=State.PARKED)),
    )
    is_late = bool(figures["oldest"] and at - figures["oldest"] > LATE)
    return Table(model._meta.label, str(model._meta.verbose_name_plural), is_late=is_late, **figures)


def parked(label: str, limit: int) -> list[DueWork]:
    """Rows that were given up, the latest first."""
    return list(model_of(label).objects.parked().order_by("-settled_at", "-pk")[:limit])


def retry(label: str, at: datetime, pks: list[int] | None = None) -> int:
    """Give parked rows of a table (all of them, or these) a fresh set of attempts, now; returns how many."""
    model = model_of(label)
    rows = model.objects.all() if pks is None else model.objects.filter(pk__in=pks)
    count = rows.retry(at)
    if count:
        wake(model)
    return count


def model_of(label: str) -> type[DueWork]:
    """Raises LookupError for what is no table of due work."""
    for model in drain.tables():
        if model._meta.label == label:
            return model
    raise LookupError(label)


def schedules() -> list[Line]:
    runs = ScheduleRun.objects.in_bulk(list(SCHEDULES))
    return [Line(name, entry.minutes, runs.get(name)) for name, entry in SCHEDULES.items()]


def beats(at: datetime) -> tuple[Heartbeat | None, list[Heartbeat]]:
    """The last sign of life of any worker, and the workers that live."""
    rows = list(Heartbeat.objects.order_by("name"))
    queue = next((row for row in rows if row.name == "queue"), None)
    return queue, [row for row in rows if row.name.startswith("worker ") and at - row.beat_at < SILENT]
