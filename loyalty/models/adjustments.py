import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from crm.orders.models import Order
from crm.stores.models import ApiKey, Store

from .ledger import Account, LedgerEntry, LedgerQuerySet


class Adjustment(models.Model):
    """What a member of staff or a program asked to add to an account or to take from it; large ones wait for a second person."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting for approval")
        POSTED = "posted", _("Posted")
        REFUSED = "refused", _("Refused")

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", db_index=False, verbose_name=_("store"))
    account = models.ForeignKey(Account, models.RESTRICT, related_name="adjustments", verbose_name=_("account"))
    points = models.BigIntegerField(_("points"))
    reason = models.CharField(_("reason"), max_length=300)
    # Whose money it gives back.
    order = models.ForeignKey(
        Order, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False, verbose_name=_("order")
    )
    # Made with the form that asked: sent twice, it is one.
    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.WAITING)
    entry = models.OneToOneField(
        LedgerEntry, models.RESTRICT, null=True, blank=True, related_name="adjustment", verbose_name=_("entry")
    )
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("asked by")
    )
    # A program asked.
    asked_by_key = models.ForeignKey(
        ApiKey, models.RESTRICT, null=True, blank=True, related_name="+", verbose_name=_("asked by the key")
    )
    asked_at = models.DateTimeField(_("asked at"), default=now)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("decided by")
    )
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)

    objects = LedgerQuerySet.as_manager()

    class Meta:
        verbose_name = _("adjustment of points")
        verbose_name_plural = _("adjustments of points")
        constraints = [
            models.CheckConstraint(condition=~Q(points=0), name="adjustment_moves_points"),
            models.CheckConstraint(condition=Q(order=None) | Q(points__gt=0), name="adjustment_of_order_gives"),
            models.CheckConstraint(condition=~Q(decided_by=F("asked_by")), name="adjustment_second_person"),
            models.CheckConstraint(
                condition=Q(asked_by__isnull=False, asked_by_key=None) | Q(asked_by=None, asked_by_key__isnull=False),
                name="adjustment_asked_by_one",
            ),
            models.CheckConstraint(
                condition=Q(state="posted", entry__isnull=False) | ~Q(state="posted") & Q(entry=None),
                name="adjustment_posted_by_entry",
            ),
        ]
        indexes = [
            models.Index(fields=["store", "-id"], name="adjustment_newest"),
            models.Index(fields=["asked_by", "asked_at"], name="adjustment_of_person"),
            models.Index(fields=["asked_by_key", "asked_at"], name="adjustment_of_key"),
            models.Index(fields=["order"], name="adjustment_of_order", condition=Q(order__isnull=False)),
        ]

    def __str__(self):
        return f"{self.shown} · {self.account}"

    @property
    def shown(self) -> str:
        """`+200` points, `+₹500.00`."""
        from ..units import shown

        return f"{'+' if self.points > 0 else ''}{shown(self.points, self.account.unit)}"

    @property
    def asker(self):
        """The member of staff, or the key of the program."""
        return self.asked_by or self.asked_by_key

    @property
    def asking_person_id(self) -> int | None:
        """Who must not approve it: the member of staff, or whom the program's key was issued to."""
        return self.asked_by_key.issued_to_id if self.asked_by_key else self.asked_by_id
