from decimal import Decimal

from babel.numbers import get_currency_precision
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.timezone import now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from crm.stores.models import Store

from ..rules import Rule
from .terms import ExpiryTerms, MemberTerms, TierTerms


class ProgramQuerySet(models.QuerySet):
    def for_store(self, store):
        return self.filter(store=store)


def _cap(name):
    return models.PositiveBigIntegerField(
        name, null=True, blank=True, validators=[MinValueValidator(1)], help_text=_("Empty: no limit.")
    )


class Program(MemberTerms, ExpiryTerms, TierTerms, models.Model):
    """How a store's customers earn points. A change of it never changes what was earned before."""

    class Rounding(models.TextChoices):
        DOWN = "down", _("Down: 12.9 points are 12")
        NEAREST = "nearest", _("To the nearest: 12.5 points are 13")
        UP = "up", _("Up: 12.1 points are 13")

    store = models.OneToOneField(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    name = models.CharField(
        _("name"), max_length=100, blank=True, help_text=_("What customers know it by. Empty: “Points”.")
    )
    active = models.BooleanField(
        _("active"), default=True, help_text=_("While it is off nothing is earned; refunds still take points back.")
    )
    rate = models.DecimalField(
        _("points for one unit of money"),
        max_digits=14,
        decimal_places=6,
        default=1,
        validators=[MinValueValidator(Decimal("0.000001"))],
        help_text=_("1 is one point for each €1; 0.1 is one point for each €10."),
    )
    rounding = models.CharField(
        _("rounding"),
        max_length=10,
        choices=Rounding,
        default=Rounding.DOWN,
    )
    rounds_lines = models.BooleanField(
        _("round each line"),
        default=False,
        help_text=_("Off: once for each order, after everything that counts was added up."),
    )
    # What customers pay for the goods always counts, after discounts.
    counts_shipping = models.BooleanField(_("shipping counts"), default=False)
    counts_taxes = models.BooleanField(_("taxes count"), default=False)
    counts_fees = models.BooleanField(_("fees count"), default=False)
    excludes_sale = models.BooleanField(
        _("reduced goods earn nothing"),
        default=False,
        help_text=_("Goods sold for less than their regular price, coupons aside."),
    )
    excludes_gift_cards = models.BooleanField(_("gift cards earn nothing"), default=True)
    minimum_spend = models.DecimalField(
        _("minimum spend"),
        max_digits=16,
        decimal_places=4,
        default=0,
        validators=[MinValueValidator(0)],
        help_text=_("An order of which less counts earns nothing. 0: no minimum."),
    )
    cap_order = _cap(_("most points of an order"))
    cap_day = _cap(_("most points of a customer's orders in a day"))
    cap_month = _cap(_("most points of a customer's orders in a month"))
    cap_customer = _cap(_("most points of all of a customer's orders"))
    stacks_multipliers = models.BooleanField(
        _("multiply multipliers"),
        default=False,
        help_text=_(
            "If a campaign for a tier and another campaign fit: 2 and 3 make 6. Off: the highest counts alone."
        ),
    )
    point_value = models.DecimalField(
        _("what one point is worth"),
        max_digits=14,
        decimal_places=6,
        default=0,
        validators=[MinValueValidator(0)],
        help_text=_("In the store's currency; shown beside balances. 0.01 shows 500 points as €5.00; 0 shows nothing."),
    )
    negative_balance = models.BooleanField(
        _("balances may go below zero"),
        default=False,
        help_text=_(
            "When an order is refunded whose points were already spent. If off, no more is taken back than is there."
        ),
    )
    pending_days = models.PositiveSmallIntegerField(
        _("days until points can be spent"),
        default=0,
        validators=[MaxValueValidator(365)],
        help_text=_(
            "Counted from the delivery of the order, or from its completion where no delivery is known: give the time in which"
            " goods can be sent back. 0: at once."
        ),
    )
    adjust_limit = models.PositiveBigIntegerField(
        _("points one person may adjust in a day"),
        null=True,
        blank=True,
        help_text=_("Beyond this another owner has to approve. Empty: no limit."),
    )
    credit_limit = models.DecimalField(
        _("store credit one person may give or take in a day"),
        max_digits=16,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=_("In the store's currency. Beyond this another owner has to approve. Empty: no limit."),
    )
    credit_code_days = models.PositiveSmallIntegerField(
        _("days a code made of store credit is valid"),
        default=90,
        validators=[MinValueValidator(7), MaxValueValidator(3650)],
        help_text=_(
            "Until the end of the day, by the store's clock; then it is credit again. Credit itself does not expire."
        ),
    )
    starts_at = models.DateTimeField(
        _("earning since"),
        default=now,
        help_text=_("Orders paid before earn nothing. Set anew when the programme is switched on again."),
    )

    objects = ProgramQuerySet.as_manager()

    class Meta:
        verbose_name = _("points programme")
        verbose_name_plural = _("points programmes")
        constraints = [
            models.CheckConstraint(condition=models.Q(rate__gt=0), name="program_rate_positive"),
            models.CheckConstraint(condition=models.Q(point_value__gte=0), name="program_value_not_negative"),
            models.CheckConstraint(condition=models.Q(minimum_spend__gte=0), name="program_minimum_not_negative"),
        ]

    def __str__(self):
        return self.name or gettext("Points")

    @property
    def rule(self) -> Rule:
        """The rule of today, as it is kept on every entry that it makes."""
        return Rule(
            program=self.pk,
            rate=self.rate,
            rounding=self.rounding,
            shipping=self.counts_shipping,
            taxes=self.counts_taxes,
            fees=self.counts_fees,
            by_line=self.rounds_lines,
            minimum=self.minimum_spend,
            cap=self.cap_order,
        )

    def worth(self, points: int) -> Decimal | None:
        return worth_of(points, self.point_value, self.store.currency)


def worth_of(points: int, point_value: Decimal, currency: str) -> Decimal | None:
    """Money value of points, never more than they are worth; None where points have no value that is shown."""
    if not point_value:
        return None
    smallest = Decimal(1).scaleb(-get_currency_precision(currency))
    return (points * point_value).quantize(smallest, "ROUND_DOWN")


class MembershipTerms(Program):
    """The programme as a page of its own: who takes part, and what members get beside the points of their orders."""

    class Meta:
        proxy = True
        verbose_name = _("membership")
        verbose_name_plural = _("membership")


class ProgramLiability(Program):
    """The programme as a page of its own: what it owes its customers."""

    class Meta:
        proxy = True
        verbose_name = _("liability")
        verbose_name_plural = _("liability")
