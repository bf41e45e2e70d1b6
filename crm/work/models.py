"""Work that is due, as rows: who owes what, since when, how often it was tried, and why it failed.

A table of due work is a model that inherits `DueWork` and says how a batch is done in `perform`.
`drain.drain` claims batches of it; `wake.wake` asks for that to happen now.
"""

from datetime import timedelta
from typing import Any, ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

BACKOFF = [timedelta(seconds=s) for s in (10, 60, 5 * 60, 30 * 60, 2 * 3600, 6 * 3600)]


class DueWorkQuerySet(models.QuerySet):
    def due(self, at):
        return self.filter(state=DueWork.State.DUE, due_at__lte=at)

    def lease_expired(self, at):
        return self.filter(state=DueWork.State.RUNNING, leased_until__lt=at)

    def parked(self):
        return self.filter(state=DueWork.State.PARKED)

    def retry(self, at=None):
        """Give parked rows a fresh set of attempts; returns how many. The caller wakes the drain."""
        return self.parked().update(state=DueWork.State.DUE, attempts=0, due_at=at or timezone.now())


class DueWork(models.Model):
    class State(models.TextChoices):
        DUE = "due", _("Due")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        PARKED = "parked", _("Parked")

    state = models.CharField(_("state"), max_length=10, choices=State, default=State.DUE, editable=False)
    due_at = models.DateTimeField(_("due at"), default=timezone.now)
    # Counted when the row is claimed: a row that kills its process must not be tried for ever.
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    # The process that holds the lease (`leases.py`). The default is the database's own, for statements that do not know of it.
    claimed_by = models.CharField(max_length=200, blank=True, db_default="", editable=False)
    error = models.TextField(_("error"), blank=True, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    settled_at = models.DateTimeField(_("settled at"), null=True, editable=False)

    objects = DueWorkQuerySet.as_manager()

    # What a subclass may set.
    BATCH: ClassVar[int] = 100
    # What a row weighs in memory, in bytes, for tables that hold what others sent: a batch ends before MAX_WEIGHT, whatever its number of rows.
    WEIGHT: ClassVar[Any] = models.Value(0)
    MAX_WEIGHT: ClassVar[int] = 16 * 1024 * 1024
    MAX_ATTEMPTS: ClassVar[int] = 6
    # Longer than one batch ever takes; a row whose lease ran out belongs to a process that died.
    LEASE: ClassVar[timedelta] = timedelta(minutes=3)
    # True: `perform` and the settling of its rows share one transaction, so that the effect happens once.
    # False: `perform` talks to the outside; it runs without a transaction and settles row by row.
    TRANSACTIONAL: ClassVar[bool] = True
    # True: a row that is done is of no more use, and is deleted after settings.KEEP_DONE_DAYS.
    FORGET_WHEN_DONE: ClassVar[bool] = False

    class Meta:
        abstract = True
        indexes = [
            models.Index(fields=["due_at"], name="%(class)s_due", condition=models.Q(state="due")),
            models.Index(
                fields=["state", "due_at"],
                name="%(class)s_open",
                condition=models.Q(state__in=["running", "parked"]),
            ),
        ]

    @classmethod
    def perform(cls, rows: list, at) -> None:
        """Do what these claimed rows ask for; an exception fails the batch (it is then tried row by row)."""
        raise NotImplementedError

    @classmethod
    def on_parked(cls, rows: list, at) -> None:
        """What else has to be known once these rows are given up; in one transaction with that."""

    def backoff(self) -> timedelta:
        """How long to wait after the attempt that was just made."""
        return BACKOFF[min(max(self.attempts, 1), len(BACKOFF)) - 1]


class Wake(models.Model):
    """A drain that has been asked for and has not begun; at most one for each table of due work."""

    label = models.CharField(max_length=100, primary_key=True)
    asked_at = models.DateTimeField(default=timezone.now)

    def __str__(self):
        return self.label


class Heartbeat(models.Model):
    """The last sign of life of something that should never stop, such as the task queue."""

    name = models.CharField(_("name"), max_length=100, primary_key=True)
    beat_at = models.DateTimeField(_("last beat"))
    detail = models.CharField(_("detail"), max_length=200, blank=True)

    def __str__(self):
        return self.name


class Job(Heartbeat):
    """The jobs page in admin hangs on this name; it has no rows of its own."""

    class Meta:
        proxy = True
        verbose_name = _("job")
        verbose_name_plural = _("jobs")


class ScheduleRun(models.Model):
    """When a schedule last ran, how long it took and whether it worked."""

    name = models.CharField(_("schedule"), max_length=100, primary_key=True)
    started_at = models.DateTimeField(_("last started"))
    finished_at = models.DateTimeField(_("last finished"), null=True)
    error = models.TextField(_("error"), blank=True)

    class Meta:
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")

    def __str__(self):
        return self.name
