"""What is to be written into the shop."""

from datetime import timedelta

from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.stores.models import Store
from crm.work.models import DueWork


class Push(DueWork):
    """One write into a shop: asked for once, sent outside any transaction, and compared with what the shop made of it."""

    class Outcome(models.TextChoices):
        QUEUED = "queued", _("Queued")
        # A request left and its answer is not known: look before sending it again.
        SENT = "sent", _("Sent, answer unknown")
        CONFIRMED = "confirmed", _("Confirmed")
        REFUSED = "refused", _("Refused by the shop")

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    kind = models.CharField(_("kind"), max_length=40)
    # What makes the write one: for a product review, the answer it came from.
    key = models.CharField(_("key"), max_length=120)
    payload = models.JSONField(_("content"))
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome, default=Outcome.QUEUED, editable=False)
    answer = models.JSONField(_("answer of the shop"), null=True, editable=False)
    woo_id = models.BigIntegerField(_("number in the shop"), null=True, editable=False)

    TRANSACTIONAL = False
    # One request or two a row, and a slow shop may take all of a request's time.
    BATCH = 1
    LEASE = timedelta(minutes=5)

    class Meta(DueWork.Meta):
        verbose_name = _("write to the shop")
        verbose_name_plural = _("writes to the shop")
        constraints = [
            models.UniqueConstraint(fields=["store", "kind", "key"], name="push_once_per_key"),
            models.CheckConstraint(
                condition=~models.Q(state="done") | models.Q(outcome="confirmed"), name="push_done_means_confirmed"
            ),
        ]

    def __str__(self):
        return f"{self.kind} {self.key}"

    @classmethod
    def perform(cls, rows, at):
        from ..push import perform

        perform(rows, at)
