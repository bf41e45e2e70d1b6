import secrets

from django.db import models
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from crm.stores.encryption import EncryptedTextField
from crm.stores.models import Store

from .rules import OfStoreQuerySet


def new_secret() -> str:
    return secrets.token_urlsafe(32)


class ShopDisplay(models.Model):
    """A store's pages may show a signed-in customer's own points: the secret by which the shop says who that is."""

    store = models.OneToOneField(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    secret = EncryptedTextField(_("secret"), default=new_secret)
    created_at = models.DateTimeField(_("made at"), default=now, editable=False)

    objects = OfStoreQuerySet.as_manager()

    class Meta:
        verbose_name = _("points in the shop")
        verbose_name_plural = _("points in the shop")

    def __str__(self):
        return str(self.store)


class AskedCount(models.Model):
    """How often a caller, or a token, has asked in its present time. Unlogged: worth nothing after a crash."""

    # A digest: nobody's address.
    key = models.CharField(max_length=80, primary_key=True)
    until = models.DateTimeField(db_index=True)
    count = models.PositiveIntegerField()

    def __str__(self):
        return f"{self.key}: {self.count}"
