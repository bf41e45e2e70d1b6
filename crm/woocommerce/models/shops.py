"""Who a shop is, which webhooks it has of ours, and what is wrong between it and us."""

from datetime import datetime

from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.stores.models import Store


class ShopIdentity(models.Model):
    """What a shop was known by when it was first asked. Without a row, the next answer is believed and remembered."""

    store = models.OneToOneField(
        Store, models.CASCADE, primary_key=True, related_name="identity", verbose_name=_("store")
    )
    # WordPress's own word for where the site is; empty where the shop shows it to nobody.
    home = models.CharField(_("address by its own word"), max_length=500, blank=True)
    # Since WooCommerce 8.4; a copy of the shop has the same.
    woo_store_id = models.CharField(_("number by its own word"), max_length=60, blank=True)
    # Orders that were written before then prove nothing: who accepted a shop that lost them knows.
    learned_at = models.DateTimeField(_("remembered since"))
    checked_at = models.DateTimeField(_("last made sure of"))

    class Meta:
        verbose_name = _("shop's identity")
        verbose_name_plural = _("shops' identities")

    def __str__(self):
        return self.home or str(self.store_id)


class ShopWebhookQuerySet(models.QuerySet):
    def for_store(self, store):
        return self.filter(store=store)


class ShopWebhook(models.Model):
    """A webhook of ours in a shop as it was found when it was last looked for, so that no page need ask the shop."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")
        PAUSED = "paused", _("Paused")
        DISABLED = "disabled", _("Switched off by the shop")
        MISSING = "missing", _("Missing")

    store = models.ForeignKey(Store, models.CASCADE, related_name="shop_webhooks", verbose_name=_("store"))
    topic = models.CharField(_("topic"), max_length=100)
    woo_id = models.BigIntegerField(_("number in the shop"), null=True)
    status = models.CharField(_("status"), max_length=10, choices=Status)
    checked_at = models.DateTimeField(_("checked"))
    # The last time it was found switched off, changed or gone, and what was done about it.
    repaired_at = models.DateTimeField(_("last repaired"), null=True)
    problem = models.CharField(_("what was wrong then"), max_length=200, blank=True)

    # Set by `overview`.
    last_delivery_at: datetime | None = None

    objects = ShopWebhookQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        constraints = [models.UniqueConstraint(fields=["store", "topic"], name="shop_webhook_once_per_topic")]

    def __str__(self):
        return self.topic


class IncidentQuerySet(models.QuerySet):
    def for_store(self, store):
        return self.filter(store=store)

    def open(self):
        return self.filter(closed_at=None)


class Incident(models.Model):
    """Something that is wrong between a shop and its mirror, from the first sign until it is over; the merchant is told once."""

    class Kind(models.TextChoices):
        SYNC = "sync", _("The shop can't be read")
        WEBHOOKS = "webhooks", _("Webhooks had to be repaired")
        WRITES = "writes", _("Nothing can be written into the shop")

    store = models.ForeignKey(Store, models.CASCADE, related_name="incidents", verbose_name=_("store"))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    message = models.TextField(_("message"))
    opened_at = models.DateTimeField(_("since"))
    last_seen_at = models.DateTimeField(_("last seen"))
    told_at = models.DateTimeField(_("told"), null=True)
    closed_at = models.DateTimeField(_("over"), null=True)

    objects = IncidentQuerySet.as_manager()

    class Meta:
        verbose_name = _("incident")
        verbose_name_plural = _("incidents")
        constraints = [
            models.UniqueConstraint(
                fields=["store", "kind"], condition=models.Q(closed_at=None), name="incident_open_once_per_kind"
            )
        ]

    def __str__(self):
        return self.message
