"""The event log: what happened to a shop's customers, once each, for ever."""

from datetime import timedelta

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.stores.models import Store
from crm.work.models import DueWork


class EventQuerySet(models.QuerySet):
    def for_store(self, store):
        return self.filter(store=store)


class Event(models.Model):
    """A fact. Rows are written once by `events.record` and never changed."""

    # Without indexes of their own: those below begin with them.
    store = models.ForeignKey(Store, models.CASCADE, related_name="+", db_index=False)
    type = models.CharField(_("type"), max_length=60)
    # What makes the fact one: "order.paid" has the order's number in the shop.
    key = models.CharField(_("key"), max_length=120)
    customer = models.ForeignKey(
        "orders.Customer",
        models.SET_NULL,
        null=True,
        related_name="events",
        db_index=False,
        verbose_name=_("customer"),
    )
    order = models.ForeignKey(
        "orders.Order", models.SET_NULL, null=True, related_name="events", verbose_name=_("order")
    )
    data = models.JSONField(_("data"), default=dict)
    occurred_at = models.DateTimeField(_("occurred at"))
    created_at = models.DateTimeField(_("recorded at"), default=timezone.now)

    objects = EventQuerySet.as_manager()

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        constraints = [models.UniqueConstraint(fields=["store", "type", "key"], name="event_once_per_fact")]
        indexes = [models.Index(fields=["customer", "-occurred_at"], name="event_timeline")]

    def __str__(self):
        return f"{self.type} {self.key}"


class Handling(DueWork):
    """What one subscriber owes one event."""

    event = models.ForeignKey(Event, models.CASCADE, related_name="handlings", db_index=False)
    handler = models.CharField(_("handler"), max_length=120)

    LEASE = timedelta(minutes=2)
    FORGET_WHEN_DONE = True

    class Meta(DueWork.Meta):
        verbose_name = _("handling")
        verbose_name_plural = _("handlings")
        constraints = [models.UniqueConstraint(fields=["event", "handler"], name="handling_once_per_handler")]

    def __str__(self):
        return f"{self.handler}: {self.event_id}"

    @classmethod
    def perform(cls, rows, at):
        from .handling import handle

        handle(rows)
