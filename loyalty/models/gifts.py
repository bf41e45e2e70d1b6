from django.db import models
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from crm.messaging.models import Message
from crm.stores.models import Store

from .rewards import Redemption


class GiftQuerySet(models.QuerySet):
    def for_store(self, store):
        return self.filter(store=store)

    def undelivered(self):
        return self.filter(mail__outcome__in=Gift.LOST).exclude(recipient="")


class Gift(models.Model):
    """Whom a gift card is for, and the mail that brings it. What it is worth, its code and its end are the redemption's."""

    class Delivery(models.TextChoices):
        BY_HAND = "by_hand", _("Handed over by the giver")
        WAITING = "waiting", _("On its way")
        SENT = "sent", _("Sent")
        UNSURE = "unsure", _("It may not have arrived")
        UNDELIVERED = "undelivered", _("Could not be delivered")

    # The mail will not come.
    LOST = (Message.Outcome.SKIPPED, Message.Outcome.FAILED, Message.Outcome.BOUNCED)

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    redemption = models.OneToOneField(Redemption, models.CASCADE, related_name="gift", verbose_name=_("redemption"))
    # As they were called then; empty where it is no name.
    sender = models.CharField(_("from"), max_length=40, blank=True)
    # Empty: the giver hands it over.
    recipient = models.CharField(_("recipient's e-mail"), max_length=320, blank=True)
    # Erasing a person takes the address, and leaves that a mail brings or brought the code to somebody.
    by_mail = models.BooleanField(default=False, editable=False)
    message = models.CharField(_("message"), max_length=300, blank=True)
    language = models.CharField(_("language"), max_length=10)
    mail = models.ForeignKey(Message, models.SET_NULL, null=True, related_name="+", verbose_name=_("mail"))
    # The giver knows that it did not arrive.
    told = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(_("made at"), default=now)

    objects = GiftQuerySet.as_manager()

    class Meta:
        verbose_name = _("gift card")
        verbose_name_plural = _("gift cards")
        indexes = [models.Index(fields=["store", "recipient", "-created_at"], name="gift_to_address")]

    def __str__(self):
        return str(self.redemption)

    @property
    def delivery(self) -> str:
        if not self.by_mail:
            return self.Delivery.BY_HAND
        outcome = self.mail.outcome if self.mail else Message.Outcome.QUEUED
        if outcome in self.LOST:
            return self.Delivery.UNDELIVERED
        return {
            Message.Outcome.QUEUED: self.Delivery.WAITING,
            Message.Outcome.UNKNOWN: self.Delivery.UNSURE,
        }.get(Message.Outcome(outcome), self.Delivery.SENT)

    @property
    def is_with_recipient(self) -> bool:
        """It arrived, or may still."""
        return self.delivery not in (self.Delivery.BY_HAND, self.Delivery.UNDELIVERED)
