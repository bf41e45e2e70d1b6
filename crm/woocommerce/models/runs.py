"""What each sync did, and what each comparison found: the merchant's record that the mirror can be trusted."""

from decimal import Decimal

from django.db import models
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.orders.fields import MoneyField
from crm.stores.models import Store

from .sync import Resource, SyncState

# To say how fast they were read.
ENOUGH_ORDERS = 100


class SyncRunQuerySet(models.QuerySet):
    def for_store(self, store):
        return self.filter(store=store)

    def waiting(self):
        """Asked for, and not begun."""
        return self.filter(started_at=None, finished_at=None)

    def open(self):
        """Begun and not at its end: on its way, out of time until the next slice, or killed."""
        return self.filter(finished_at=None).exclude(started_at=None)

    def worth_telling(self):
        """Without the polls that found nothing, of which there are hundreds a day."""
        return self.exclude(mode=SyncState.Mode.CHANGES, outcome=SyncRun.Outcome.DONE, written=0, kept_aside=0)

    def with_speed(self):
        """For rows that are read as values: the property of the same name, as a column."""
        speed = models.ExpressionWrapper(F("orders") / F("order_seconds"), models.FloatField())
        is_known = models.When(orders__gte=ENOUGH_ORDERS, order_seconds__gt=0, then=speed)
        return self.annotate(orders_per_second=models.Case(is_known))


class SyncRun(models.Model):
    """One sync of one store, from its start to its end, over all the slices of time and the kills in between."""

    class Outcome(models.TextChoices):
        WAITING = "waiting", _("Waits for a worker")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        INCOMPLETE = "incomplete", _("Done, but the shop refused a part")
        FAILED = "failed", _("Failed")

    store = models.ForeignKey(Store, models.CASCADE, related_name="sync_runs", verbose_name=_("store"))
    mode = models.CharField(_("reads"), max_length=10, choices=SyncState.Mode)
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome, default=Outcome.WAITING)
    asked_at = models.DateTimeField(_("asked for"), default=timezone.now)
    started_at = models.DateTimeField(_("started"), null=True)
    # The last sign of life. The counts are written along with it, about once a second: a kill loses what came since.
    seen_at = models.DateTimeField(_("last heard of"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    # Time at work, without the pauses between slices.
    seconds = models.FloatField(_("seconds at work"), default=0)
    requests = models.PositiveIntegerField(_("requests"), default=0)
    pages = models.PositiveIntegerField(_("pages"), default=0)
    read = models.PositiveIntegerField(_("read"), default=0)
    written = models.PositiveIntegerField(_("written"), default=0)
    kept_aside = models.PositiveIntegerField(_("kept aside"), default=0)
    # Of `written`, what a comparison put right.
    healed = models.PositiveIntegerField(_("healed"), default=0)
    orders = models.PositiveIntegerField(_("orders read"), default=0)
    order_seconds = models.FloatField(default=0, editable=False)
    error = models.TextField(_("error"), blank=True)

    objects = SyncRunQuerySet.as_manager()

    class Meta:
        verbose_name = _("sync run")
        verbose_name_plural = _("sync runs")
        indexes = [models.Index(fields=["store", "-id"], name="sync_run_newest")]
        constraints = [
            # The store's lock lets one run; what it finds open is its own to go on with.
            models.UniqueConstraint(
                fields=["store"], condition=models.Q(outcome="running"), name="sync_run_one_at_a_time"
            ),
            models.UniqueConstraint(
                fields=["store", "mode"], condition=models.Q(outcome="waiting"), name="sync_run_waits_once"
            ),
            models.CheckConstraint(
                condition=models.Q(outcome__in=["waiting", "running"], finished_at=None)
                | models.Q(outcome__in=["done", "incomplete", "failed"], finished_at__isnull=False),
                name="sync_run_ends_with_an_outcome",
            ),
        ]

    def __str__(self):
        return f"{self.store}: {self.get_mode_display()}"

    @property
    def orders_per_second(self) -> float | None:
        """None where too few were read to say."""
        is_known = self.orders >= ENOUGH_ORDERS and self.order_seconds > 0
        return self.orders / self.order_seconds if is_known else None


class DriftQuerySet(models.QuerySet):
    def for_store(self, store):
        return self.filter(store=store)


class Drift(models.Model):
    """What one comparison of one kind of object found: how far the mirror was from the shop, and what was put right.

    Counts and totals come from the numbers, dates and totals of all objects, as the comparison went through them, before anything was put right. The shop's
    own reports are not asked: they count by their own rules (which statuses, which day, before or after refunds), so that they differ from any
    sum of orders without a mistake on either side.
    """

    store = models.ForeignKey(Store, models.CASCADE, related_name="drifts", verbose_name=_("store"))
    resource = models.CharField(_("resource"), max_length=20, choices=Resource)
    # When the walk began, which names it through kills and slices; and the day that was where the shop is.
    started_at = models.DateTimeField(_("compared"))
    day = models.DateField(_("day"))
    in_shop = models.PositiveIntegerField(_("in the shop"), default=0)
    in_mirror = models.PositiveIntegerField(_("in the mirror"), default=0)
    missing = models.PositiveIntegerField(_("missing here"), default=0)
    stale = models.PositiveIntegerField(_("out of date"), default=0)
    trashed = models.PositiveIntegerField(_("in the shop's trash"), default=0)
    gone = models.PositiveIntegerField(_("gone from the shop"), default=0)
    healed = models.PositiveIntegerField(_("put right"), default=0)
    # Of orders in the store's currency, less refunds: what they come to in the shop and here, and by how much they were wrong here, each
    # counted as positive.
    shop_total = MoneyField(_("total in the shop"), default=Decimal(0))
    mirror_total = MoneyField(_("total in the mirror"), default=Decimal(0))
    amount = MoneyField(_("money put right"), default=Decimal(0))

    objects = DriftQuerySet.as_manager()

    class Meta:
        verbose_name = _("drift")
        verbose_name_plural = _("drift")
        constraints = [
            models.UniqueConstraint(fields=["store", "resource", "started_at"], name="drift_once_per_comparison")
        ]
        indexes = [models.Index(fields=["store", "day"], name="drift_by_day")]

    def __str__(self):
        return f"{self.store}: {self.get_resource_display()}, {self.day}"

    @property
    def differing(self) -> int:
        return self.missing + self.stale + self.trashed + self.gone


class OrderDayQuerySet(models.QuerySet):
    def for_store(self, store):
        return self.filter(store=store)

    def equal(self):
        return self.filter(in_shop=F("in_mirror"), shop_total=F("mirror_total"))

    def differing(self):
        return self.exclude(in_shop=F("in_mirror"), shop_total=F("mirror_total"))


class OrderDay(models.Model):
    """What the orders placed on one day come to in the shop and here, as a comparison found them before it put anything right.

    Of the last comparison all days stand here, of those before it the days that differed.
    """

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", db_index=False, verbose_name=_("store"))
    # By the calendar of where the shop is.
    day = models.DateField(_("day"))
    # When the walk of the comparison began, as on its Drift.
    compared_at = models.DateTimeField(_("compared"))
    in_shop = models.PositiveIntegerField(_("in the shop"))
    in_mirror = models.PositiveIntegerField(_("in the mirror"))
    shop_total = MoneyField(_("total in the shop"))
    mirror_total = MoneyField(_("total in the mirror"))

    objects = OrderDayQuerySet.as_manager()

    class Meta:
        verbose_name = _("day of orders")
        verbose_name_plural = _("days of orders")
        constraints = [
            models.UniqueConstraint(fields=["store", "compared_at", "day"], name="order_day_once_per_comparison")
        ]

    def __str__(self):
        return f"{self.store}: {self.day}"
