from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.timezone import now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from crm.orders.models import Category, Product
from crm.stores.models import Store

from ..exact import ExactDecoder

HIGHEST_RATE = Decimal(1_000_000)
MOST_BONUS = 1_000_000


class OfStoreQuerySet(models.QuerySet):
    def for_store(self, store):
        return self.filter(store=store)


class EarningRule(models.Model):
    """Another rate for one product, one variation or one category. The database keeps each version of it (`RuleVersion`)."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    product = models.ForeignKey(
        Product,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("product"),
        help_text=_("A product with all its variations, or one variation."),
    )
    category = models.ForeignKey(
        Category,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("category"),
        help_text=_("With the categories below it."),
    )
    rate = models.DecimalField(
        _("points for one unit of money"),
        max_digits=14,
        decimal_places=6,
        validators=[MinValueValidator(0), MaxValueValidator(HIGHEST_RATE)],
        help_text=_("0: it earns nothing."),
    )
    # Off: a draft, which can be tried on past orders.
    active = models.BooleanField(_("active"), default=False, help_text=_("Switch it on once you have tried it."))
    created_at = models.DateTimeField(_("made at"), default=now, editable=False)

    objects = OfStoreQuerySet.as_manager()

    class Meta:
        verbose_name = _("earning rule")
        verbose_name_plural = _("earning rules")
        constraints = [
            models.CheckConstraint(
                condition=Q(product=None, category__isnull=False) | Q(product__isnull=False, category=None),
                name="rule_for_one_thing",
                violation_error_message=_("Choose a product or a category, one of them."),
            ),
            models.CheckConstraint(condition=Q(rate__gte=0, rate__lte=HIGHEST_RATE), name="rule_rate_in_bounds"),
            models.UniqueConstraint(
                fields=["store", "product"],
                condition=Q(active=True),
                name="rule_once_per_product",
                violation_error_message=_("Another rule for this is switched on."),
            ),
            models.UniqueConstraint(
                fields=["store", "category"],
                condition=Q(active=True),
                name="rule_once_per_category",
                violation_error_message=_("Another rule for this is switched on."),
            ),
        ]

    def __str__(self):
        return str(self.product or self.category)

    def clean(self):
        if any(thing and thing.store_id != self.store_id for thing in (self.product, self.category)):
            raise ValidationError(_("That is another store's."))


class Campaign(models.Model):
    """More points for a time, for some goods, or for the members of a tier. The database keeps each version of it."""

    class Weekday(models.IntegerChoices):
        MONDAY = 0, _("Monday")
        TUESDAY = 1, _("Tuesday")
        WEDNESDAY = 2, _("Wednesday")
        THURSDAY = 3, _("Thursday")
        FRIDAY = 4, _("Friday")
        SATURDAY = 5, _("Saturday")
        SUNDAY = 6, _("Sunday")

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    name = models.CharField(_("name"), max_length=100, help_text=_("Customers read it beside the points."))
    multiplier = models.DecimalField(
        _("multiplier"),
        max_digits=6,
        decimal_places=2,
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text=_("2 doubles the points. Of several that fit, the highest counts."),
    )
    bonus = models.PositiveIntegerField(
        _("extra points"),
        default=0,
        validators=[MaxValueValidator(MOST_BONUS)],
        help_text=_("Once for each order with something that fits."),
    )
    starts_at = models.DateTimeField(_("from"), null=True, blank=True)
    ends_at = models.DateTimeField(_("until"), null=True, blank=True)
    weekdays = ArrayField(
        models.SmallIntegerField(choices=Weekday),
        verbose_name=_("days of the week"),
        default=list,
        blank=True,
        help_text=_("None: every day. By the shop's time."),
    )
    # Keys of ours; arrays and not relations, so that one row is the whole campaign and a version of it a copy of the row.
    product_ids = ArrayField(models.BigIntegerField(), verbose_name=_("products"), default=list, blank=True)
    category_ids = ArrayField(models.BigIntegerField(), verbose_name=_("categories"), default=list, blank=True)
    tiers = ArrayField(
        models.CharField(max_length=40),
        verbose_name=_("tiers"),
        default=list,
        blank=True,
        help_text=_("Keys of the tiers whose members it is for. None: for everybody."),
    )
    minimum_spend = models.DecimalField(
        _("minimum spend"), max_digits=16, decimal_places=4, default=0, validators=[MinValueValidator(0)]
    )
    active = models.BooleanField(_("active"), default=False, help_text=_("Switch it on once you have tried it."))
    created_at = models.DateTimeField(_("made at"), default=now, editable=False)

    objects = OfStoreQuerySet.as_manager()

    class Meta:
        verbose_name = _("campaign")
        verbose_name_plural = _("campaigns")
        constraints = [
            models.CheckConstraint(
                condition=Q(multiplier__gte=1, multiplier__lte=100, bonus__lte=MOST_BONUS)
                & (Q(multiplier__gt=1) | Q(bonus__gt=0)),
                name="campaign_gives_something",
                violation_error_message=_("Give a multiplier above 1, or extra points."),
            ),
            models.CheckConstraint(
                condition=Q(starts_at=None) | Q(ends_at=None) | Q(ends_at__gt=F("starts_at")),
                name="campaign_ends_after_it_starts",
                violation_error_message=_("It must end after it starts."),
            ),
            models.CheckConstraint(condition=Q(minimum_spend__gte=0), name="campaign_minimum_not_negative"),
        ]

    def __str__(self):
        return self.name


class Occasion(models.Model):
    """Points for something else than buying. Which occasions there are is said by `loyalty.occasions`."""

    class Kind(models.TextChoices):
        SIGN_UP = "sign_up", _("Joining")
        REVIEW = "review", _("A review")
        SURVEY = "survey", _("Answering our questions")
        PROFILE = "profile", _("A complete profile")
        BIRTHDAY = "birthday", _("Birthday")
        REFERRAL = "referral", _("Bringing a friend")
        SOCIAL_SHARE = "social_share", _("Telling others")

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    kind = models.CharField(_("for"), max_length=20, choices=Kind)
    points = models.PositiveIntegerField(_("points"), validators=[MinValueValidator(1), MaxValueValidator(MOST_BONUS)])
    per_month = models.PositiveSmallIntegerField(
        _("times a month"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("At most, for one customer. Empty: no limit, beyond once for the same thing."),
    )
    active = models.BooleanField(_("active"), default=True)

    objects = OfStoreQuerySet.as_manager()

    class Meta:
        verbose_name = _("other way to earn")
        verbose_name_plural = _("other ways to earn")
        constraints = [
            models.UniqueConstraint(
                fields=["store", "kind"],
                name="occasion_once_per_store",
                violation_error_message=_("There is one already: change that."),
            ),
            models.CheckConstraint(condition=Q(points__gte=1, points__lte=MOST_BONUS), name="occasion_gives_points"),
            models.CheckConstraint(condition=Q(per_month=None) | Q(per_month__gte=1), name="occasion_limit_positive"),
        ]

    def __str__(self):
        return self.get_kind_display()


class RuleVersion(models.Model):
    """A programme, rule, campaign or occasion as it was for a time. Written by the database itself with each change; never changed."""

    class Of(models.TextChoices):
        PROGRAM = "program", _("Programme")
        RULE = "rule", _("Earning rule")
        CAMPAIGN = "campaign", _("Campaign")
        OCCASION = "occasion", _("Other way to earn")

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    of = models.CharField(_("of"), max_length=10, choices=Of)
    object_id = models.BigIntegerField(_("which"))
    number = models.PositiveIntegerField(_("version"))
    content = models.JSONField(_("as it was"), encoder=DjangoJSONEncoder, decoder=ExactDecoder)
    valid_from = models.DateTimeField(_("from"))
    valid_until = models.DateTimeField(_("until"), null=True)

    objects = OfStoreQuerySet.as_manager()

    class Meta:
        verbose_name = _("rule version")
        verbose_name_plural = _("rule versions")
        constraints = [
            models.UniqueConstraint(fields=["of", "object_id", "number"], name="version_once"),
            models.UniqueConstraint(
                fields=["of", "object_id"], condition=Q(valid_until=None), name="version_valid_is_one"
            ),
        ]
        indexes = [models.Index(fields=["store", "valid_until"], name="version_by_time")]

    def __str__(self):
        return gettext("%(what)s, version %(number)s") % {"what": self.get_of_display(), "number": self.number}
