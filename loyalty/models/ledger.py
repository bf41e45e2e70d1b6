from django.conf import settings
from django.db import models
from django.db.models import F, Func, Q
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from crm.orders.models import Customer, Order
from crm.stores.models import Store

# Where `db_constraint=False` stands, the posting functions take the key from the very row that they hold, and the guards let none of those
# rows go: a check of each would cost more than the posting.


def rule(function: str, *columns: str) -> Func:
    """A check of a row by one of the database's functions (migration 0032).

    PostgreSQL reads the text of a check anew for each statement, and that of a long one takes longer than the row does. A function is read
    once for a connection.
    """
    return Func(*columns, function=function, output_field=models.BooleanField())


class LedgerQuerySet(models.QuerySet):
    def for_store(self, store):
        return self.filter(store=store)


class AccountQuerySet(LedgerQuerySet):
    def points(self):
        return self.filter(unit=Account.Unit.POINTS)

    def credit(self):
        return self.exclude(unit=Account.Unit.POINTS)


class Account(models.Model):
    """What a customer holds of one unit. Its sums are caches that the database moves when it posts, and nothing else does.

    The unit is points, or a currency: then the account is store credit, and its numbers are of the currency's smallest unit.
    """

    class Unit(models.TextChoices):
        POINTS = "points", _("Points")

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    customer = models.ForeignKey(
        Customer, models.RESTRICT, related_name="accounts", db_index=False, verbose_name=_("customer")
    )
    unit = models.CharField(_("unit"), max_length=10, default=Unit.POINTS, editable=False)
    # No index: each posting would have to move it, and a store's accounts are soon sorted.
    balance = models.BigIntegerField(_("balance"), default=0, editable=False)
    # The key of the tier that the customer is in; empty without tiers.
    tier = models.CharField(_("tier"), max_length=40, blank=True, editable=False)
    # Earned, and not to be spent yet.
    pending = models.BigIntegerField(_("pending"), default=0, editable=False)
    # By orders and actions, without what was taken back; spending does not lessen it.
    earned = models.BigIntegerField(_("earned in all"), default=0, editable=False)
    # How many entries there are: the number of the last.
    posted = models.BigIntegerField(_("entries"), default=0, editable=False)
    created_at = models.DateTimeField(_("opened at"), default=now, editable=False)

    objects = AccountQuerySet.as_manager()

    class Meta:
        verbose_name = _("points account")
        verbose_name_plural = _("points accounts")
        constraints = [
            models.UniqueConstraint(fields=["customer", "unit"], name="account_once_per_unit"),
            models.CheckConstraint(condition=Q(pending__gte=0), name="account_pending_not_negative"),
            # Credit is money: nobody owes the shop any.
            models.CheckConstraint(
                condition=rule("loyalty_is_points_or_money", "unit", "balance"),
                name="account_of_points_or_money",
            ),
        ]
        # Few have credit among the many who have points.
        indexes = [models.Index(fields=["store"], condition=~Q(unit="points"), name="account_of_credit")]

    def __str__(self):
        # A form that was sent half empty shows its row, too.
        return str(self.customer) if self.customer_id else ""

    @property
    def is_credit(self) -> bool:
        return self.unit != self.Unit.POINTS


class CreditAccount(Account):
    """Store credit, which has a page of its own in admin. The rows are the same."""

    objects = AccountQuerySet.as_manager()

    class Meta:
        proxy = True
        verbose_name = _("store credit")
        verbose_name_plural = _("store credit")


class LedgerEntry(models.Model):
    """One movement of points, written by the database's own function and never changed: the database refuses it."""

    class Kind(models.TextChoices):
        EARN = "earn", _("Earned")
        RELEASE = "release", _("Became usable")
        REVERSE = "reverse", _("Taken back")
        REDEEM = "redeem", _("Spent")
        RETURN = "return", _("Given back")
        EXPIRE = "expire", _("Expired")
        ADJUST = "adjust", _("Adjusted")

    # On the row as well as on the account, so that a store's entries are one index.
    store = models.ForeignKey(
        Store, models.CASCADE, related_name="+", verbose_name=_("store"), db_constraint=False, db_index=False
    )
    account = models.ForeignKey(
        Account, models.RESTRICT, related_name="entries", verbose_name=_("account"), db_constraint=False, db_index=False
    )
    # The account's first entry is 1, and no number is left out.
    number = models.BigIntegerField(_("number"), editable=False)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    # What the entry does to the balance, and to what is pending. A release moves from one to the other.
    points = models.BigIntegerField(_("points"))
    pending = models.BigIntegerField(_("pending"), default=0)
    # What a reversal wanted and could not take, because it was spent. When the same order earns again, so much of it
    # is with the customer already: that entry then has it with a minus. So has one that takes it after all.
    shortfall = models.BigIntegerField(_("not taken"), default=0)
    balance_after = models.BigIntegerField(_("balance after"))
    # Why: "order:1234:1" is the first posting for order 1234. The same cause posts once.
    cause = models.CharField(_("cause"), max_length=120)
    order = models.ForeignKey(
        Order,
        models.RESTRICT,
        null=True,
        blank=True,
        related_name="points_entries",
        db_index=False,
        verbose_name=_("order"),
    )
    # The entry whose points come back by this one.
    reverses = models.ForeignKey(
        "self",
        models.RESTRICT,
        null=True,
        blank=True,
        related_name="returns",
        db_index=False,
        verbose_name=_("gives back"),
    )
    # The rule, base and result that made the points; `loyalty.explaining` puts it into words.
    rule = models.JSONField(_("rule"), default=dict, blank=True)
    note = models.CharField(_("reason"), max_length=300, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("posted by"),
    )
    created_at = models.DateTimeField(_("posted at"), default=now)

    # No column: of an entry that was posted just now, whose account it is.
    customer_id: int | None = None

    objects = LedgerQuerySet.as_manager()

    class Meta:
        verbose_name = _("points entry")
        verbose_name_plural = _("points entries")
        constraints = [
            models.UniqueConstraint(fields=["account", "kind", "cause"], name="entry_once_per_cause"),
            models.CheckConstraint(
                condition=rule("loyalty_sign_is_of_kind", "kind", "points", "pending", "shortfall"),
                name="entry_sign_of_kind",
            ),
            models.CheckConstraint(
                condition=rule("loyalty_spends_what_is_there", "kind", "points", "balance_after"),
                name="entry_spends_what_is_there",
            ),
            models.CheckConstraint(condition=~Q(cause=""), name="entry_has_cause"),
        ]
        indexes = [
            models.Index(fields=["account", "-id"], name="entry_statement"),
            models.Index(fields=["store", "-id"], name="entry_newest"),
            # Of most entries these are empty, and an index of nothing is work for nothing.
            models.Index(fields=["order"], name="entry_of_order", condition=Q(order__isnull=False)),
            models.Index(fields=["reverses"], name="entry_reverses", condition=Q(reverses__isnull=False)),
            models.Index(fields=["created_by"], name="entry_by_person", condition=Q(created_by__isnull=False)),
        ]

    def __str__(self):
        return f"{self.moved:+d} · {self.get_kind_display()}"

    @property
    def moved(self) -> int:
        """What the entry is about: of a release the points released, else what the customer has more or less by it."""
        return self.points if self.kind == self.Kind.RELEASE else self.points + self.pending

    @property
    def meant(self) -> int:
        """What an order's entry stands for, whether or not it could be taken."""
        return self.points + self.pending - self.shortfall


class Lot(models.Model):
    """Points that came in together: they become usable together, expire together, and are spent from here."""

    store = models.ForeignKey(
        Store, models.CASCADE, related_name="+", verbose_name=_("store"), db_constraint=False, db_index=False
    )
    account = models.ForeignKey(
        Account, models.RESTRICT, related_name="lots", verbose_name=_("account"), db_constraint=False, db_index=False
    )
    # The entry that brought them.
    entry = models.ForeignKey(
        LedgerEntry, models.RESTRICT, related_name="lots", db_constraint=False, verbose_name=_("entry")
    )
    # Whose refund takes from here first.
    order = models.ForeignKey(
        Order, models.RESTRICT, null=True, blank=True, related_name="+", db_index=False, verbose_name=_("order")
    )
    granted = models.BigIntegerField(_("points"))
    remaining = models.BigIntegerField(_("left"))
    # Kept by the database. Indexes ask for it and not for `remaining`, which changes with every spending.
    is_open = models.GeneratedField(expression=Q(remaining__gt=0), output_field=models.BooleanField(), db_persist=True)
    # When they may be spent; empty while nobody knows, because the order is on its way.
    available_from = models.DateTimeField(_("usable from"), null=True, blank=True)
    # When they were released; empty: pending.
    released_at = models.DateTimeField(_("usable since"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)

    objects = LedgerQuerySet.as_manager()

    class Meta:
        verbose_name = _("lot of points")
        verbose_name_plural = _("lots of points")
        constraints = [
            models.CheckConstraint(
                condition=Q(granted__gt=0, remaining__gte=0, remaining__lte=F("granted")), name="lot_not_overdrawn"
            ),
        ]
        indexes = [
            # The order in which they are spent.
            models.Index(
                fields=["account", "expires_at", "id"],
                name="lot_to_spend",
                condition=Q(is_open=True, released_at__isnull=False),
            ),
            models.Index(
                fields=["store", "available_from"],
                name="lot_to_release",
                condition=Q(is_open=True, released_at__isnull=True),
            ),
            models.Index(
                fields=["store", "expires_at"],
                name="lot_to_expire",
                condition=Q(is_open=True, released_at__isnull=False, expires_at__isnull=False),
            ),
            models.Index(fields=["order"], name="lot_of_order", condition=Q(order__isnull=False)),
            models.Index(fields=["account"], name="lot_pending", condition=Q(is_open=True, released_at__isnull=True)),
        ]

    def __str__(self):
        return f"{self.remaining} / {self.granted}"


class Allocation(models.Model):
    """So many points of an entry came out of this lot; with a minus, they went back to it."""

    entry = models.ForeignKey(
        LedgerEntry, models.RESTRICT, related_name="allocations", db_constraint=False, verbose_name=_("entry")
    )
    # With its lot, when a whole store is erased; the database lets it go for nothing else.
    lot = models.ForeignKey(Lot, models.CASCADE, related_name="allocations", db_constraint=False, verbose_name=_("lot"))
    points = models.BigIntegerField(_("points"))

    class Meta:
        verbose_name = _("allocation of points")
        verbose_name_plural = _("allocations of points")
        constraints = [models.CheckConstraint(condition=~Q(points=0), name="allocation_moves_points")]

    def __str__(self):
        return f"{self.points:+d}"
