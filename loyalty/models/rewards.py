import uuid
from datetime import datetime
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils.timezone import now
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from crm.orders.models import Order, Product
from crm.stores.models import Store

from .ledger import Account, LedgerEntry
from .limits import Limited
from .tiers import Tier


def _points(name, help_text):
    return models.PositiveBigIntegerField(
        name, null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(10**12)], help_text=help_text
    )


def _plain(value) -> str | None:
    """The shortest way to write a number: 50 and not 50.0000."""
    return None if value is None else f"{Decimal(value).normalize():f}"


class RewardQuerySet(models.QuerySet):
    def for_store(self, store):
        return self.filter(store=store)

    def offered(self, at):
        begun = Q(available_from=None) | Q(available_from__lte=at)
        return self.filter(begun, Q(available_until=None) | Q(available_until__gt=at), active=True).exclude(
            product__deleted_at__isnull=False
        )


class Reward(Limited):
    """What points buy. Whoever took one keeps it as it was then (`Redemption.terms`)."""

    class Kind(models.TextChoices):
        MONEY = "money", _("Money off")
        EXCHANGE = "exchange", _("Money off, as much as the customer chooses")
        PERCENT = "percent", _("Percent off")
        SHIPPING = "shipping", _("Free shipping")
        PRODUCT = "product", _("A product for free")
        STORE_CREDIT = "store_credit", _("Store credit")
        GIFT_CARD = "gift_card", _("Gift card")
        DONATION = "donation", _("A donation")
        ACCESS = "access", _("Early access")

    # What the shop makes no coupon for.
    CODELESS = (Kind.STORE_CREDIT, Kind.DONATION, Kind.ACCESS)

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    amount = models.DecimalField(
        _("amount"),
        max_digits=14,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.0001"))],
        help_text=_(
            "Money in the store's currency, or percent; what a donation costs the shop. Empty for free shipping, a product, early access."
        ),
    )
    name = models.CharField(
        _("name"),
        max_length=80,
        blank=True,
        help_text=_("Customers read it. Empty: what it gives, in words. A donation and early access need one."),
    )
    product = models.ForeignKey(
        Product, models.RESTRICT, null=True, blank=True, related_name="+", verbose_name=_("product")
    )
    points = models.PositiveBigIntegerField(
        _("price in points"),
        validators=[MinValueValidator(1), MaxValueValidator(10**12)],
        help_text=_("If customers choose how much: the points that the amount above stands for."),
    )
    # What a customer may choose; of no meaning to the other kinds.
    fewest = _points(_("fewest points"), _("Empty: the price."))
    most = _points(_("most points"), _("Empty: no limit."))
    step = _points(_("in steps of"), _("Empty: the price."))
    description = models.CharField(_("description"), max_length=300, blank=True, help_text=_("Customers read it."))
    # `{language: {"name", "description"}}`; what is missing is said in the words above.
    translations = models.JSONField(_("in other languages"), default=dict, blank=True)
    individual_use = models.BooleanField(
        _("alone only"), default=True, help_text=_("The code can't be used together with other coupons.")
    )
    valid_days = models.PositiveSmallIntegerField(
        _("days a code is valid"),
        null=True,
        blank=True,
        default=90,
        validators=[MinValueValidator(7), MaxValueValidator(3650)],
        help_text=_("Until the end of the day, by the store's clock. Empty: without end."),
    )
    stock = models.PositiveIntegerField(
        _("how many are left"), null=True, blank=True, help_text=_("Empty: any number.")
    )
    per_customer = models.PositiveIntegerField(
        _("most for one customer"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Empty: any number."),
    )
    per_year = models.PositiveIntegerField(
        _("most for one customer in a year"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Of the calendar. Empty: any number."),
    )
    tier = models.ForeignKey(
        Tier,
        models.RESTRICT,
        null=True,
        blank=True,
        related_name="rewards",
        verbose_name=_("from this tier on"),
        help_text=_("Empty: for all members."),
    )
    returns_expired = models.BooleanField(
        _("points come back when the code expires unused"), default=False, help_text=_("Customers are told before.")
    )
    returns_refunded = models.BooleanField(
        _("points come back when the order is refunded"),
        default=True,
        help_text=_(
            "As much of them as of what the code took off is refunded, and all with the whole order. A cancelled order frees the code itself."
        ),
    )
    available_from = models.DateTimeField(_("offered from"), null=True, blank=True)
    available_until = models.DateTimeField(_("offered until"), null=True, blank=True)
    active = models.BooleanField(_("active"), default=True)
    position = models.PositiveSmallIntegerField(
        _("place"), default=0, help_text=_("Lower ones come first; of equals, the cheaper.")
    )
    created_at = models.DateTimeField(_("made at"), default=now, editable=False)

    objects = RewardQuerySet.as_manager()

    class Meta:
        verbose_name = _("reward")
        verbose_name_plural = _("rewards")
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="shipping", amount=None, product=None)
                | Q(
                    kind__in=["money", "exchange", "store_credit", "gift_card"],
                    amount__isnull=False,
                    amount__gt=0,
                    product=None,
                )
                | Q(kind="percent", amount__isnull=False, amount__gt=0, amount__lte=100, product=None)
                | Q(kind="product", amount=None, product__isnull=False)
                | Q(kind="donation", product=None) & ~Q(name="") & (Q(amount=None) | Q(amount__gt=0))
                | Q(kind="access", amount=None, product=None) & ~Q(name=""),
                name="reward_gives_something",
                violation_error_message=_(
                    "Money off, store credit, a gift card and percent need an amount, percent at most 100. A product needs the product, a donation and early"
                    " access a name. Leave out what the kind does not need."
                ),
            ),
            models.CheckConstraint(condition=Q(points__gt=0), name="reward_costs_points"),
            models.CheckConstraint(
                condition=Q(kind="exchange", most=None)
                | Q(kind="exchange", most__gte=Coalesce("fewest", "points"))
                | Q(fewest=None, most=None, step=None),
                name="reward_choice_in_bounds",
                violation_error_message=_(
                    "Fewest, most and steps are for money off that customers choose; the most is not below the fewest."
                ),
            ),
            models.CheckConstraint(
                condition=(Q(fewest=None) | Q(fewest__gt=0)) & (Q(step=None) | Q(step__gt=0)),
                name="reward_choice_is_points",
            ),
            models.CheckConstraint(condition=Q(valid_days=None) | Q(valid_days__gt=0), name="reward_code_lasts"),
            models.CheckConstraint(
                condition=Q(minimum_order=None) | Q(maximum_order=None) | Q(maximum_order__gte=F("minimum_order")),
                name="reward_orders_in_bounds",
                violation_error_message=_("The largest order is smaller than the smallest."),
            ),
            models.CheckConstraint(
                condition=Q(goods={}) | ~Q(kind__in=["product", "store_credit", "donation", "access"]),
                name="reward_goods_of_a_code",
                violation_error_message=_("Goods are chosen for money off, percent off, free shipping and gift cards."),
            ),
            # Of both the shop would want one each.
            models.CheckConstraint(
                condition=~Q(goods__has_keys=["products", "categories"]),
                name="reward_products_or_categories",
                violation_error_message=_(
                    "Choose products or categories, not both: the shop would want one of each in the order."
                ),
            ),
        ]
        indexes = [models.Index(fields=["store", "position", "points"], name="reward_shelf")]

    def __str__(self):
        from ..rewards import words

        # A form that was sent half empty shows its row, too.
        needs_amount = self.kind not in (self.Kind.SHIPPING, self.Kind.PRODUCT, self.Kind.DONATION, self.Kind.ACCESS)
        incomplete = needs_amount and self.amount is None or self.kind == self.Kind.PRODUCT and not self.product_id
        return self.get_kind_display() if incomplete else words(self.terms)

    def clean(self):
        if self.available_from and self.available_until and self.available_until <= self.available_from:
            raise ValidationError({"available_until": _("This is before it begins.")})
        if self.tier_id and self.store_id and self.tier.program.store_id != self.store_id:
            raise ValidationError({"tier": _("This is a tier of another store.")})
        if self.product_id and self.store_id and self.product.store_id != self.store_id:
            raise ValidationError({"product": _("This is a product of another store.")})
        if self.kind in (self.Kind.STORE_CREDIT, self.Kind.GIFT_CARD) and self.amount and self.store_id:
            from ..units import smallest

            try:
                smallest(self.amount, self.store.currency)
            except ValueError as error:
                raise ValidationError({"amount": _("So little of it can't be paid.")}) from error

    @property
    def is_codeless(self) -> bool:
        return self.kind in self.CODELESS

    @property
    def is_gift(self) -> bool:
        return self.kind == self.Kind.GIFT_CARD

    @property
    def cheapest(self) -> int:
        """The fewest points that buy something of it."""
        return self.fewest or self.points

    @property
    def steps(self) -> int:
        return self.step or self.points

    @property
    def description_shown(self) -> str:
        """In the reader's language, if the shop has said it there."""
        return self.translations.get(get_language(), {}).get("description") or self.description

    @property
    def picture(self) -> str:
        """The address of a picture of the product that it is, as the shop shows it, or nothing."""
        return self.product.picture if self.product else ""

    @property
    def terms(self) -> dict:
        """What customers agree to."""
        names = {language: said["name"] for language, said in self.translations.items() if said.get("name")}
        # Cards from before what is left of them became a code have no such word, and what was agreed then holds for them.
        rest = {"keeps_rest": True} if self.is_gift else {}
        return (
            ({"names": names} if names else {})
            | rest
            | self.limits
            | {
                "kind": self.kind,
                "name": self.name,
                "product": self.product and self.product.woo_id,
                "product_name": self.product.name if self.product else "",
                "amount": _plain(self.amount),
                "currency": self.store.currency,
                "fewest": self.fewest,
                "most": self.most,
                "step": self.step,
                "minimum_order": _plain(self.minimum_order),
                "individual_use": self.individual_use,
                "valid_days": self.valid_days,
                "returns_expired": self.returns_expired,
                "returns_refunded": self.returns_refunded,
                "points": self.points,
            }
        )


class Redemption(models.Model):
    """A reward that a customer took, or store credit that became a code: what was spent for it, and the code that the shop gives.

    What an order leaves of a gift card is another one (`rest_of`), for which nothing was spent.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("On its way")
        READY = "ready", _("Ready")
        USED = "used", _("Used")
        RETURNING = "returning", _("Being handed back")
        RETURNED = "returned", _("Handed back")
        GIVEN = "given", _("Given")
        EXPIRED = "expired", _("Expired")
        FAILED = "failed", _("Failed")
        # Of a gift card's code that is gone: others have what it was worth.
        REPLACED = "replaced", _("Replaced")

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", db_index=False, verbose_name=_("store"))
    account = models.ForeignKey(
        Account, models.RESTRICT, related_name="redemptions", db_index=False, verbose_name=_("account")
    )
    # Empty of a code that store credit was turned into, and of the rest of a gift card.
    reward = models.ForeignKey(
        Reward, models.RESTRICT, null=True, blank=True, related_name="redemptions", verbose_name=_("reward")
    )
    rest_of = models.ForeignKey(
        "self", models.CASCADE, null=True, related_name="rests", verbose_name=_("rest of the gift card")
    )
    # Of the form or request it came by: the same one again is the same redemption. Of a rest, which one of its card's it is.
    key = models.UUIDField(default=uuid.uuid4, editable=False)
    # The reward as it was.
    terms = models.JSONField(_("terms"))
    # Empty for what needs none.
    code = models.CharField(_("code"), max_length=40, blank=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.PENDING)
    # Why the shop has made no coupon of it.
    error = models.TextField(_("error"), blank=True)
    entry = models.OneToOneField(
        LedgerEntry, models.RESTRICT, null=True, related_name="redemption", verbose_name=_("entry")
    )
    returned = models.OneToOneField(
        LedgerEntry, models.RESTRICT, null=True, related_name="+", verbose_name=_("points given back")
    )
    # The order it was used in.
    order = models.ForeignKey(
        Order, models.SET_NULL, null=True, related_name="+", db_index=False, verbose_name=_("order")
    )
    # Of a gift card's code that was used: what its order left of it and nobody gets, in the currency's smallest unit. Empty while that is open.
    lost = models.PositiveBigIntegerField(_("lost"), null=True, editable=False)
    # Of a gift card that owners ended, say because it was stolen: none of its codes comes back.
    ended_at = models.DateTimeField(_("ended"), null=True, editable=False)
    created_at = models.DateTimeField(_("made at"), default=now)

    objects = RewardQuerySet.as_manager()

    class Meta:
        verbose_name = _("redemption")
        verbose_name_plural = _("redemptions")
        constraints = [
            models.UniqueConstraint(fields=["store", "key"], name="redemption_once_per_key"),
            models.UniqueConstraint(fields=["store", "code"], condition=~Q(code=""), name="redemption_code_once"),
            models.CheckConstraint(
                # A code that was used gives back, too, when its order is refunded, or what the order left of it.
                # Points come back for the card, and never for a rest of it.
                condition=Q(rest_of__isnull=False, returned=None, entry=None)
                | Q(rest_of=None) & Q(state__in=["used", "returning"])
                | Q(rest_of=None, state__in=["failed", "returned"], returned__isnull=False)
                | ~Q(state__in=["failed", "returned"]) & Q(rest_of=None, returned=None),
                name="redemption_gives_back_or_not",
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(rest_of=None, returned=None), name="redemption_ends_as_a_card"
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-id"], name="redemption_of_account"),
            models.Index(fields=["store", "-id"], name="redemption_newest"),
            models.Index(fields=["expires_at"], name="redemption_to_expire", condition=Q(state="ready")),
            models.Index(fields=["order"], name="redemption_of_order", condition=Q(order__isnull=False)),
        ]

    def __str__(self):
        # A gift card's code is money: it stands where it is asked for alone.
        return self.words if self.is_gift else self.code or self.words

    @property
    def points(self) -> int:
        return self.terms["points"]

    @property
    def is_credit(self) -> bool:
        """Store credit was turned into it; `points` are of its currency's smallest unit."""
        return self.terms["kind"] == "credit"

    @property
    def gives_credit(self) -> bool:
        """Points were turned into store credit."""
        return self.terms["kind"] == Reward.Kind.STORE_CREDIT

    @property
    def is_gift(self) -> bool:
        """A code for anybody who has it; `gift` says for whom."""
        return self.terms["kind"] == Reward.Kind.GIFT_CARD

    def has_passed(self, at: datetime) -> bool:
        """Whether the code's last day is over."""
        return self.expires_at is not None and self.expires_at < at

    @property
    def is_somebody_elses(self) -> bool:
        """Whether it belongs to a gift card that its recipient has: it is money, and theirs. No query if the card's gift was fetched with its mail."""
        gift = getattr(self.card, "gift", None)
        return bool(gift and gift.is_with_recipient)

    @property
    def card(self) -> "Redemption":
        """The gift card that this is the rest of, or itself."""
        return self.rest_of or self

    @property
    def words(self) -> str:
        from ..rewards import words

        return words(self.terms)
