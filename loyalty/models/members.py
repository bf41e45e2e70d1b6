from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from crm.orders.models import Customer
from crm.stores.models import Store


class MemberQuerySet(models.QuerySet):
    def for_store(self, store):
        return self.filter(store=store)

    def current(self):
        return self.filter(left_at=None)

    def latest(self):
        """Of each customer the last time they took part."""
        return self.order_by("customer_id", "-pk").distinct("customer_id")


class Member(models.Model):
    """A customer takes part in the programme, from joining to leaving. Coming back is another row."""

    class Way(models.TextChoices):
        AUTOMATIC = "automatic", _("By buying")
        PORTAL = "portal", _("In the portal")
        STAFF = "staff", _("By staff")
        API = "api", _("By API")
        REFERRAL = "referral", _("Invited by a friend")

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    customer = models.ForeignKey(
        Customer, models.CASCADE, related_name="loyalty_memberships", verbose_name=_("customer")
    )
    joined_at = models.DateTimeField(_("joined"), default=now)
    joined_by = models.CharField(_("joined by"), max_length=10, choices=Way)
    left_at = models.DateTimeField(_("left"), null=True, blank=True)
    left_by = models.CharField(_("left by"), max_length=10, choices=Way, blank=True)
    # Until then whoever left may come back to their points; then they go.
    points_until = models.DateTimeField(_("points are kept until"), null=True, blank=True)
    points_gone_at = models.DateTimeField(_("points gone"), null=True, blank=True)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("changed by")
    )

    objects = MemberQuerySet.as_manager()

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        constraints = [
            models.UniqueConstraint(fields=["customer"], condition=Q(left_at=None), name="member_once"),
            models.CheckConstraint(
                condition=Q(left_at=None, left_by="", points_until=None, points_gone_at=None)
                | Q(left_at__gte=F("joined_at"), points_until__gte=F("left_at")) & ~Q(left_by=""),
                name="member_left_when_and_how",
            ),
        ]
        indexes = [
            models.Index(fields=["customer", "-id"], name="member_history"),
            models.Index(fields=["store", "-joined_at", "-id"], name="member_newest"),
            models.Index(
                fields=["points_until"],
                name="member_points_to_go",
                condition=Q(points_until__isnull=False, points_gone_at=None),
            ),
        ]

    def __str__(self):
        return str(self.customer)

    @property
    def has_left(self) -> bool:
        return self.left_at is not None


class Birthday(models.Model):
    """Day and month, and nothing more: a gift needs no year."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    customer = models.OneToOneField(Customer, models.CASCADE, related_name="birthday", verbose_name=_("customer"))
    month = models.PositiveSmallIntegerField(_("month"))
    day = models.PositiveSmallIntegerField(_("day"))
    set_at = models.DateTimeField(_("entered"), default=now)

    class Meta:
        verbose_name = _("birthday")
        verbose_name_plural = _("birthdays")
        constraints = [
            models.CheckConstraint(
                condition=Q(month__in=[1, 3, 5, 7, 8, 10, 12], day__range=(1, 31))
                | Q(month__in=[4, 6, 9, 11], day__range=(1, 30))
                | Q(month=2, day__range=(1, 29)),
                name="birthday_exists",
            )
        ]
        indexes = [models.Index(F("store"), F("month") * 100 + F("day"), name="birthday_by_day")]

    def __str__(self):
        return f"{self.day}.{self.month}."
