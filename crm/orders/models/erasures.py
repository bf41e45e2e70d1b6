from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.stores.models import Store

from .customers import Customer
from .mirrored import MirroredQuerySet


class Erasure(models.Model):
    """That a person was erased, when, by whom, and how much was found: the proof that it was done, without whose it was."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    # Anonymous by now; orders and points hang on the row.
    customer = models.ForeignKey(
        Customer, models.SET_NULL, null=True, related_name="erasures", verbose_name=_("customer")
    )
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("erased by")
    )
    # The shop erased the person, and its copies here followed.
    followed_shop = models.BooleanField(_("followed the shop"), default=False)
    # Rows by what they are: {"Orders": 3, …}
    found = models.JSONField(_("found"), default=dict)
    erased_at = models.DateTimeField(_("erased at"), default=timezone.now)

    objects = MirroredQuerySet.as_manager()

    class Meta:
        verbose_name = _("erasure")
        verbose_name_plural = _("erasures")

    def __str__(self):
        return f"#{self.pk}"
