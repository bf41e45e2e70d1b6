from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from crm.orders.models import Customer
from crm.stores.models import Store, hex_colour

from .program import Program
from .rules import Campaign


class TierQuerySet(models.QuerySet):
    def for_store(self, store):
        return self.filter(program__store=store)


class Tier(models.Model):
    """A level that members reach within a year, and what it brings."""

    program = models.ForeignKey(Program, models.CASCADE, related_name="tiers", verbose_name=_("programme"))
    # On accounts and in campaigns; the name may change, this does not.
    key = models.SlugField(_("key"), max_length=40, help_text=_("Campaigns name the tier by it."))
    name = models.CharField(_("name"), max_length=60)
    threshold = models.DecimalField(
        _("reached from"),
        max_digits=16,
        decimal_places=2,
        validators=[MinValueValidator(0)],
        help_text=_("Money, points or orders within the year."),
    )
    multiplier = models.DecimalField(
        _("multiplier"),
        max_digits=6,
        decimal_places=2,
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text=_("1.5: members earn half as much again."),
    )
    perks = models.TextField(_("what else it brings"), blank=True, help_text=_("Customers read it."))
    colour = models.CharField(_("colour"), max_length=7, default="#5b6a65", validators=[hex_colour])
    # By which the multiplier reaches the earning of orders.
    campaign = models.OneToOneField(
        Campaign, models.SET_NULL, null=True, editable=False, related_name="+", verbose_name=_("campaign")
    )

    objects = TierQuerySet.as_manager()

    class Meta:
        verbose_name = _("tier")
        verbose_name_plural = _("tiers")
        ordering = ["threshold"]
        constraints = [
            models.UniqueConstraint(fields=["program", "key"], name="tier_key_once"),
            models.UniqueConstraint(fields=["program", "threshold"], name="tier_threshold_once"),
            models.CheckConstraint(condition=Q(threshold__gte=0), name="tier_threshold_not_negative"),
            models.CheckConstraint(
                condition=Q(multiplier__gte=1, multiplier__lte=100), name="tier_multiplier_in_bounds"
            ),
        ]

    def __str__(self):
        return self.name


class TierStanding(models.Model):
    """The tier that a member is in. Kept at least until the end of a year, in which it has to be reached again."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    customer = models.OneToOneField(Customer, models.CASCADE, related_name="tier_standing", verbose_name=_("customer"))
    tier = models.ForeignKey(Tier, models.CASCADE, related_name="standings", verbose_name=_("tier"))
    since = models.DateTimeField(_("since"))
    # The first day after the year, by the store's calendar.
    ends_on = models.DateField(_("year ends"))
    warned_at = models.DateTimeField(_("told what is missing"), null=True)

    class Meta:
        verbose_name = _("member's tier")
        verbose_name_plural = _("members' tiers")
        indexes = [models.Index(fields=["store", "ends_on"], name="standing_by_end")]

    def __str__(self):
        return f"{self.customer}: {self.tier}"


class TierChange(models.Model):
    """A member came to another tier. Rows are added and never changed."""

    class Why(models.TextChoices):
        REACHED = "reached", _("Reached")
        MISSED = "missed", _("Not reached again within the year")
        TERMS = "terms", _("The tiers were changed")
        LEFT = "left", _("Left the programme")
        MERGED = "merged", _("Joined with another account")

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="tier_changes", verbose_name=_("customer"))
    # Names as they were: a tier may be renamed or deleted.
    was = models.CharField(_("from"), max_length=60, blank=True)
    became = models.CharField(_("to"), max_length=60, blank=True)
    # Of the tier that was left: orders that were placed before earn by it.
    was_key = models.CharField(max_length=40, blank=True, editable=False)
    why = models.CharField(_("why"), max_length=10, choices=Why)
    figure = models.DecimalField(_("figure"), max_digits=20, decimal_places=2, null=True)
    at = models.DateTimeField(_("at"), default=now)

    class Meta:
        verbose_name = _("change of tier")
        verbose_name_plural = _("changes of tiers")
        indexes = [models.Index(fields=["customer", "-id"], name="tier_change_of_customer")]

    def __str__(self):
        return f"{self.was or '—'} → {self.became or '—'}"
