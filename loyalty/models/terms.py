"""What a programme promises its members, beside how points are earned. Columns of `Program`, by topic."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class MemberTerms(models.Model):
    class Enrolment(models.TextChoices):
        AUTOMATIC = "automatic", _("Everyone who buys takes part")
        JOIN = "join", _("Customers join by themselves, with one click")

    enrolment = models.CharField(
        _("who takes part"),
        max_length=10,
        choices=Enrolment,
        default=Enrolment.AUTOMATIC,
        help_text=_("Whoever holds points when you change this stays a member. Everybody can leave."),
    )
    leaving_days = models.PositiveSmallIntegerField(
        _("days that points are kept after leaving"),
        default=30,
        validators=[MaxValueValidator(3650)],
        help_text=_("Whoever comes back within these days finds their points again; afterwards they are gone."),
    )

    class Meta:
        abstract = True


class ExpiryTerms(models.Model):
    class Expiry(models.TextChoices):
        NEVER = "never", _("Points do not expire")
        LOT = "lot", _("Each earning some months after it was earned")
        INACTIVITY = "inactivity", _("All of them after some months without earning or spending")

    expiry = models.CharField(_("points expire"), max_length=10, choices=Expiry, default=Expiry.NEVER)
    expiry_months = models.PositiveSmallIntegerField(
        _("after so many months"),
        default=12,
        validators=[MinValueValidator(1), MaxValueValidator(120)],
        help_text=_("Members are told 30 and 7 days before. Nothing expires while a customer has an open problem."),
    )
    # A rule that begins today, or goes on after a pause, must not take away today what nobody was warned of.
    expiry_since = models.DateTimeField(null=True, editable=False)

    class Meta:
        abstract = True


class TierTerms(models.Model):
    class Measure(models.TextChoices):
        SPEND = "spend", _("Money spent, less refunds")
        POINTS = "points", _("Points earned")
        ORDERS = "orders", _("Orders paid")

    class Window(models.TextChoices):
        CALENDAR = "calendar", _("In a calendar year")
        ROLLING = "rolling", _("Within the last twelve months")

    tier_measure = models.CharField(_("tiers are reached by"), max_length=10, choices=Measure, default=Measure.SPEND)
    tier_window = models.CharField(_("counted"), max_length=10, choices=Window, default=Window.CALENDAR)
    tier_grace_days = models.PositiveSmallIntegerField(
        _("days of grace"),
        default=30,
        validators=[MaxValueValidator(365)],
        help_text=_("Whoever did not reach the tier again in their year keeps it for so many days more."),
    )
    tier_notice_days = models.PositiveSmallIntegerField(
        _("days of notice"),
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(180)],
        help_text=_("So long before the year ends members are told what is missing to keep their tier."),
    )

    class Meta:
        abstract = True
