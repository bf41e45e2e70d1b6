from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from crm.orders.models import Customer, Order
from crm.stores.models import Store


class AccountQuerySet(models.QuerySet):
    def for_store(self, store):
        return self.filter(store=store)


class Account(models.Model):
    """A customer's points. The balance is moved by the database itself when an entry is posted, and by nothing else."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    customer = models.OneToOneField(
        Customer, models.RESTRICT, related_name="points_account", verbose_name=_("customer")
    )
    balance = models.BigIntegerField(_("balance"), default=0, editable=False)
    # The key of the tier that the customer is in; empty without tiers.
    tier = models.CharField(_("tier"), max_length=40, blank=True, editable=False)
    created_at = models.DateTimeField(_("opened at"), default=now, editable=False)

    objects = AccountQuerySet.as_manager()

    class Meta:
        verbose_name = _("points account")
        verbose_name_plural = _("points accounts")
        indexes = [models.Index(fields=["store", "-balance"], name="account_by_balance")]

    def __str__(self):
        return str(self.customer)


class LedgerEntryQuerySet(models.QuerySet):
    def for_store(self, store):
        return self.filter(store=store)


class LedgerEntry(models.Model):
    """One movement of points, written by `loyalty.ledger` and never changed: the database refuses it."""

    class Kind(models.TextChoices):
        EARN = "earn", _("Earned")
        REVERSE = "reverse", _("Taken back")
        REDEEM = "redeem", _("Spent")
        EXPIRE = "expire", _("Expired")
        ADJUST = "adjust", _("Adjusted")

    # On the row as well as on the account, so that a store's entries are one index.
    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    account = models.ForeignKey(Account, models.RESTRICT, related_name="entries", verbose_name=_("account"))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    points = models.BigIntegerField(_("points"))
    # What a reversal wanted and could not take, because it was spent. When the same order earns again, so much of it
    # is with the customer already: that entry then has it with a minus.
    shortfall = models.BigIntegerField(_("not taken"), default=0)
    balance_after = models.BigIntegerField(_("balance after"))
    # Why: "order:1234:1" is the first posting for order 1234. The same cause posts once.
    cause = models.CharField(_("cause"), max_length=120)
    order = models.ForeignKey(
        Order, models.RESTRICT, null=True, blank=True, related_name="points_entries", verbose_name=_("order")
    )
    # The rule, base and result that made the points; `loyalty.explaining` puts it into words.
    rule = models.JSONField(_("rule"), default=dict, blank=True)
    note = models.CharField(_("reason"), max_length=300, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("posted by")
    )
    created_at = models.DateTimeField(_("posted at"), default=now)

    objects = LedgerEntryQuerySet.as_manager()

    class Meta:
        verbose_name = _("points entry")
        verbose_name_plural = _("points entries")
        constraints = [
            models.UniqueConstraint(fields=["account", "kind", "cause"], name="entry_once_per_cause"),
            models.CheckConstraint(
                # What was meant (points and shortfall together) has the sign of its kind.
                condition=Q(kind="earn", points__gte=0, shortfall__lte=0, points__gt=F("shortfall"))
                | Q(kind="reverse", points__lte=0, shortfall__gte=0, points__lt=F("shortfall"))
                | Q(kind__in=["redeem", "expire"], points__lt=0, shortfall=0)
                | (Q(kind="adjust", shortfall=0) & ~Q(points=0)),
                name="entry_sign_of_kind",
            ),
            models.CheckConstraint(
                condition=Q(balance_after__gte=0) | Q(points__gte=0) | Q(kind__in=["reverse", "adjust"]),
                name="entry_spends_what_is_there",
            ),
            models.CheckConstraint(condition=~Q(cause=""), name="entry_has_cause"),
        ]
        indexes = [
            models.Index(fields=["account", "-id"], name="entry_statement"),
            models.Index(fields=["store", "-id"], name="entry_newest"),
        ]

    def __str__(self):
        return f"{self.points:+d} · {self.get_kind_display()}"
