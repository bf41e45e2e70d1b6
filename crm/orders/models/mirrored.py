from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.stores.models import Store


class MirroredQuerySet(models.QuerySet):
    def for_store(self, store):
        return self.filter(store=store)

    def existing(self):
        """Without what was deleted or trashed in the shop."""
        return self.filter(deleted_at=None)


class Mirrored(models.Model):
    """A copy of one of a shop's objects. Field names are WooCommerce's own where it has one."""

    # Without an index of its own, as below where another one begins with the column: each costs an import time.
    store = models.ForeignKey(Store, models.CASCADE, related_name="+", db_index=False, verbose_name=_("store"))
    woo_id = models.BigIntegerField(_("number in the shop"))
    date_created_gmt = models.DateTimeField(_("created in the shop"), null=True)
    date_modified_gmt = models.DateTimeField(_("changed in the shop"), null=True)
    meta_data = models.JSONField(_("meta data"), default=list)
    synced_at = models.DateTimeField(_("synced at"), null=True)
    # Deleted or trashed in the shop; the row stays, since points, mails and tickets refer to it.
    deleted_at = models.DateTimeField(_("deleted at"), null=True, blank=True)
    # Of the mapped fields: a page that changes nothing is not written; and of what they were mapped from: nor is it mapped.
    digest = models.CharField(max_length=32, blank=True)

    objects = MirroredQuerySet.as_manager()

    class Meta:
        abstract = True


def on_the_web(url: str) -> str:
    """An address that may stand in a link or a picture, or nothing: `javascript:` is an address, too."""
    return url if url.startswith(("https://", "http://")) else ""
