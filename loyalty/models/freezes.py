from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from crm.orders.models import Customer
from crm.stores.models import Store


class FreezeQuerySet(models.QuerySet):
    def for_store(self, store):
        return self.filter(store=store)

    def current(self):
        return self.filter(lifted_at=None)

    def of(self, owner):
        """Of a customer (key or OuterRef), and of the guests that were joined to them since."""
        return self.filter(Q(customer=owner) | Q(customer__joined_to=owner))

    def since(self, owner):
        """When the first of theirs began, for an annotation."""
        return models.Subquery(self.of(owner).order_by("placed_at").values("placed_at")[:1])


class Freeze(models.Model):
    """Staff check an account: meanwhile nothing can be bought with its points or its credit. Rows stay, so that it is known who did it and why."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="freezes", verbose_name=_("customer"))
    # For staff alone.
    reason = models.CharField(_("reason"), max_length=300)
    # What the customer reads beside the shop's own sentence.
    note = models.CharField(_("note to the customer"), max_length=300, blank=True)
    placed_at = models.DateTimeField(_("since"), default=now)
    placed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("frozen by")
    )
    lifted_at = models.DateTimeField(_("lifted"), null=True)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("lifted by")
    )

    objects = FreezeQuerySet.as_manager()

    class Meta:
        verbose_name = _("frozen account")
        verbose_name_plural = _("frozen accounts")
        constraints = [
            models.UniqueConstraint(fields=["customer"], condition=Q(lifted_at=None), name="freeze_once"),
            models.CheckConstraint(
                condition=Q(lifted_at=None) | Q(lifted_at__gte=F("placed_at")), name="freeze_lifted_after_it_began"
            ),
        ]

    def __str__(self):
        return str(self.customer)
