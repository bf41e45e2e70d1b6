from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.stores.models import Store
from crm.work import drain
from crm.work.models import DueWork, DueWorkQuerySet


class Problem(models.TextChoices):
    """Why a row is not imported, for people."""

    NO_EMAIL = "no_email", _("There is no e-mail address.")
    BAD_EMAIL = "bad_email", _("This is no e-mail address.")
    NO_POINTS = "no_points", _("There are no points.")
    BAD_POINTS = "bad_points", _("This is no whole number.")
    UNCLEAR_POINTS = "unclear_points", _("This may be thousands or a fraction.")
    NEGATIVE = "negative", _("Points below zero.")
    TOO_MANY = "too_many", _("More points than an account can get at once.")
    BAD_DATE = "bad_date", _("This is no day of the calendar as chosen.")
    EXPIRED = "expired", _("They have expired already.")
    ZERO = "zero", _("Nothing to give.")
    TWICE = "twice", _("The same stands in a row above.")
    AGAIN = "again", _("Another file has brought this customer so many points already.")
    UNKNOWN = "unknown", _("The store knows nobody with this address.")


class DateOrder(models.TextChoices):
    ISO = "iso", _("2027-12-31")
    DAY_FIRST = "dmy", _("31.12.2027 or 31/12/2027")
    MONTH_FIRST = "mdy", _("12/31/2027")


class BalanceImportQuerySet(DueWorkQuerySet):
    def for_store(self, store):
        return self.filter(store=store)


class BalanceImport(DueWork):
    """A file of points from elsewhere, on its way into the ledger: uploaded, tried, imported.

    While it waits for a person it is done as due work; each step that is asked for makes it due.
    """

    class Stage(models.TextChoices):
        UPLOADED = "uploaded", _("Columns to be chosen")
        CHECKED = "checked", _("Tried, nothing is imported yet")
        IMPORTED = "imported", _("Imported")

    class Step(models.TextChoices):
        CHECK = "check", _("Try")
        POST = "post", _("Import")

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", db_index=False, verbose_name=_("store"))
    name = models.CharField(_("file"), max_length=200)
    # Of the text and not of the bytes: the same rows saved anew are the same file.
    digest = models.CharField(max_length=64, editable=False)
    # Only until it is imported: it is full of addresses.
    text = models.TextField(blank=True, editable=False)
    columns = models.JSONField(_("columns"), default=dict, editable=False)
    date_order = models.CharField(_("days are written as"), max_length=10, choices=DateOrder, default=DateOrder.ISO)
    guests = models.BooleanField(_("make guests of unknown addresses"), default=False)
    repeats = models.BooleanField(_("rows that another file has brought already count again"), default=False)
    stage = models.CharField(_("stage"), max_length=10, choices=Stage, default=Stage.UPLOADED, editable=False)
    step = models.CharField(_("asked for"), max_length=10, choices=Step, blank=True, editable=False)
    # Why the file as a whole can't be read, for people.
    problem = models.TextField(_("problem"), blank=True, editable=False)
    total = models.PositiveIntegerField(_("rows"), default=0, editable=False)
    progress = models.PositiveIntegerField(_("rows done"), default=0, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("uploaded by")
    )

    objects = BalanceImportQuerySet.as_manager()

    # Minutes for a large file; each batch of its rows is a transaction, and shows in `progress`.
    BATCH = 1
    LEASE = timedelta(minutes=30)
    MAX_ATTEMPTS = 3
    TRANSACTIONAL = False

    class Meta(DueWork.Meta):
        verbose_name = _("import of points")
        verbose_name_plural = _("imports of points")
        constraints = [models.UniqueConstraint(fields=["store", "digest"], name="balanceimport_once_per_file")]

    def __str__(self):
        return self.name

    @property
    def is_busy(self) -> bool:
        return self.state in (DueWork.State.DUE, DueWork.State.RUNNING)

    @classmethod
    def perform(cls, rows, at):
        from .. import importing

        for row in rows:
            importing.perform(row, at)
            drain.settle([row], at)


class ImportRow(models.Model):
    """A row of a file: what is to be given to whom, or why not. Kept, so that the same file gives nothing a second time."""

    class State(models.TextChoices):
        READY = "ready", _("Ready")
        POSTED = "posted", _("Imported")
        WAITING = "waiting", _("Waits for the customer")
        LEFT_OUT = "left_out", _("Left out")
        WRONG = "wrong", _("Wrong")

    of = models.ForeignKey(BalanceImport, models.CASCADE, related_name="rows", db_index=False, verbose_name=_("import"))
    # As a spreadsheet counts: the heading is 1.
    number = models.PositiveIntegerField(_("row"))
    email = models.CharField(_("e-mail"), max_length=320, blank=True)
    points = models.BigIntegerField(_("points"), null=True)
    expires_at = models.DateTimeField(_("expires"), null=True)
    earned_on = models.DateField(_("earned on"), null=True)
    note = models.CharField(_("reason"), max_length=300, blank=True)
    state = models.CharField(_("state"), max_length=10, choices=State)
    problem = models.CharField(_("problem"), max_length=20, choices=Problem, blank=True)
    # What stands in the file where it is wrong.
    value = models.CharField(max_length=100, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["of", "number"], name="importrow_once"),
            models.CheckConstraint(
                condition=Q(state__in=["left_out", "wrong"]) | Q(points__gt=0), name="importrow_gives_points"
            ),
        ]
        indexes = [
            models.Index(fields=["of", "state", "number"], name="importrow_by_state"),
            models.Index(fields=["email"], name="importrow_of_person"),
        ]

    def __str__(self):
        return f"{self.number}: {self.email}"
