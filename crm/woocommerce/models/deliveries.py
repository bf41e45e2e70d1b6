"""What the shop told us by itself and what is still to be done about it."""

from datetime import timedelta

from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.stores.models import Store
from crm.work.models import DueWork, DueWorkQuerySet

from .pushes import while_away


class ExchangeQuerySet(DueWorkQuerySet):
    def for_store(self, store):
        return self.filter(store=store)

    def waiting(self):
        """What is neither done nor given up."""
        # Not `IN`: each half has an index of its own.
        return self.filter(models.Q(state=DueWork.State.DUE) | models.Q(state=DueWork.State.RUNNING))

    def due(self, at):
        """Without those of stores that are halted: they wait untried, however long it takes until it is clear whose shop it is."""
        return super().due(at).exclude(store__in=Store.objects.exclude(halted=""))


class WebhookDelivery(DueWork):
    """A webhook's body as it came, kept before anything looked into it."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", db_index=False, verbose_name=_("store"))
    topic = models.CharField(_("topic"), max_length=200)
    # Two deliveries of one second carry the same delivery id, so it is shown and never relied on.
    delivery_id = models.CharField(_("delivery"), max_length=100, blank=True)
    webhook_id = models.CharField(_("webhook"), max_length=20, blank=True)
    source = models.CharField(_("sent by"), max_length=300, blank=True)
    body = models.BinaryField(_("body"))
    # Of the body, by SHA-256.
    digest = models.BinaryField(max_length=32)

    objects = ExchangeQuerySet.as_manager()  # type: ignore[misc]  # as of every model whose base has a manager

    # Half as much work for each as in batches of 100.
    BATCH = 250
    WEIGHT = models.Func("body", function="octet_length", output_field=models.IntegerField())

    FORGET_WHEN_DONE = True

    class Meta(DueWork.Meta):
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        indexes = [
            *DueWork.Meta.indexes,
            models.Index(fields=["store", "-created_at"], name="webhookdelivery_newest"),
        ]
        constraints = [
            # Twins of a delivery that nobody has begun to apply say nothing new. One that was begun (and failed, or was
            # parked and is tried again) stands in nobody's way: what comes after it may matter.
            models.UniqueConstraint(
                fields=["store", "topic", "digest"],
                condition=models.Q(state="due", attempts=0, settled_at=None),
                name="webhookdelivery_once_while_waiting",
            )
        ]

    def __str__(self):
        return f"{self.topic} ({self.store_id})"

    @classmethod
    def perform(cls, rows, at):
        from ..deliveries import apply

        apply(rows, at)


class Reread(DueWork):
    """An object of the shop that may have gone or changed in a way no webhook tells: read it again."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", db_index=False, verbose_name=_("store"))
    resource = models.CharField(_("resource"), max_length=20)
    woo_id = models.BigIntegerField(_("number in the shop"))

    objects = ExchangeQuerySet.as_manager()  # type: ignore[misc]  # as of every model whose base has a manager

    TRANSACTIONAL = False
    FORGET_WHEN_DONE = True
    # One request a row, and a slow shop may take all of a request's time.
    BATCH = 1
    LEASE = timedelta(minutes=5)
    # A shop may be away for three days: no comparison finds notes again, and all that waits for it waits as long as the first.
    MAX_ATTEMPTS = 150

    class Meta(DueWork.Meta):
        verbose_name = _("object to read again")
        verbose_name_plural = _("objects to read again")
        indexes = [
            *DueWork.Meta.indexes,
            models.Index(fields=["store", "resource", "woo_id"], name="reread_by_object"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["store", "resource", "woo_id"],
                condition=models.Q(state="due", attempts=0, settled_at=None),
                name="reread_once_while_waiting",
            )
        ]

    def __str__(self):
        return f"{self.resource} {self.woo_id}"

    @classmethod
    def perform(cls, rows, at):
        from ..deliveries import read_again

        read_again(rows, at)

    def backoff(self) -> timedelta:
        return while_away(self.attempts)
