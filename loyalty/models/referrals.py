import secrets

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from crm.orders.models import Customer, Order
from crm.stores.models import ApiKey, Store

from .program import Program

# Without what is taken for something else when it is read aloud or typed.
ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"


def new_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(8))


class ReferralTerms(models.Model):
    """What inviting a friend brings to both, and under which conditions. A programme without a row has no invitations."""

    program = models.OneToOneField(Program, models.CASCADE, related_name="referral_terms", verbose_name=_("programme"))
    active = models.BooleanField(_("active"), default=True)
    member_points = models.PositiveIntegerField(
        _("points for the member"), default=100, validators=[MinValueValidator(1), MaxValueValidator(10**9)]
    )
    friend_points = models.PositiveIntegerField(
        _("points for the friend"),
        default=100,
        validators=[MaxValueValidator(10**9)],
        help_text=_("A welcome. 0: none."),
    )
    minimum_spend = models.DecimalField(
        _("first order of at least"), max_digits=16, decimal_places=2, default=0, validators=[MinValueValidator(0)]
    )
    return_days = models.PositiveSmallIntegerField(
        _("days after delivery"),
        default=14,
        validators=[MaxValueValidator(365)],
        help_text=_(
            "Both are rewarded so many days after the friend's order arrived: give the time in which it can be sent back."
        ),
    )
    valid_days = models.PositiveSmallIntegerField(
        _("days to order in"), default=60, validators=[MinValueValidator(1), MaxValueValidator(365)]
    )
    yearly_cap = models.PositiveSmallIntegerField(
        _("rewarded friends a year"), default=10, validators=[MinValueValidator(1)], help_text=_("For one member.")
    )

    class Meta:
        verbose_name = _("invitations")
        verbose_name_plural = _("invitations")

    def __str__(self):
        return str(self.program)


class ReferralCode(models.Model):
    """The end of a member's link."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    customer = models.OneToOneField(Customer, models.CASCADE, related_name="referral_code", verbose_name=_("customer"))
    code = models.CharField(_("code"), max_length=20, default=new_code)
    created_at = models.DateTimeField(_("made"), default=now)

    class Meta:
        verbose_name = _("invitation code")
        verbose_name_plural = _("invitation codes")
        constraints = [models.UniqueConstraint(fields=["store", "code"], name="referral_code_once_per_store")]

    def __str__(self):
        return self.code


class ReferralQuerySet(models.QuerySet):
    def for_store(self, store):
        return self.filter(store=store)

    def undecided(self):
        """Looks odd, and no member of staff has said yes or no yet."""
        return self.exclude(flags=[]).filter(decided_at=None, state__in=Referral.UNDER_WAY)


class Referral(models.Model):
    """A friend who followed a member's link and left an address: from there to the reward, or to the reason why not."""

    class State(models.TextChoices):
        INVITED = "invited", _("Invited")
        ORDERED = "ordered", _("Has ordered")
        DELIVERED = "delivered", _("Order delivered")
        REWARDED = "rewarded", _("Rewarded")
        DECLINED = "declined", _("Not counted")
        LAPSED = "lapsed", _("Did not order in time")

    class Reason(models.TextChoices):
        NOT_NEW = "not_new", _("Had ordered before")
        CAP = "cap", _("Enough friends this year")
        TOO_SMALL = "too_small", _("The first order was too small")
        MEMBER_LEFT = "member_left", _("The member left the programme")
        STAFF = "staff", _("Decided by staff")

    class Flag(models.TextChoices):
        ADDRESS = "address", _("Same postal address as the member")
        PHONE = "phone", _("Same telephone as the member")
        NETWORK = "network", _("Same network as the member or another friend")
        DEVICE = "device", _("Same device as the member or another friend")

    UNDER_WAY = (State.INVITED, State.ORDERED, State.DELIVERED)

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    member = models.ForeignKey(Customer, models.CASCADE, related_name="referrals", verbose_name=_("member"))
    friend_email = models.CharField(_("friend's e-mail"), max_length=320)
    # The mailbox that the address leads to, so that asha+1@… is nobody new.
    mailbox = models.CharField(max_length=320, editable=False)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.INVITED)
    reason = models.CharField(_("not counted because"), max_length=15, choices=Reason, blank=True)
    flags = ArrayField(models.CharField(max_length=10, choices=Flag), verbose_name=_("odd"), default=list, blank=True)
    order = models.ForeignKey(
        Order, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("first order")
    )
    # Hashed, compared with others', and forgotten after 90 days.
    network_hash = models.CharField(max_length=64, blank=True, editable=False)
    device_hash = models.CharField(max_length=64, blank=True, editable=False)
    created_at = models.DateTimeField(_("invited"), default=now)
    lapses_at = models.DateTimeField(_("to order until"))
    ordered_at = models.DateTimeField(_("ordered"), null=True, blank=True)
    delivered_at = models.DateTimeField(_("delivered"), null=True, blank=True)
    # When the return window has passed.
    due_at = models.DateTimeField(_("reward due"), null=True, blank=True)
    rewarded_at = models.DateTimeField(_("rewarded"), null=True, blank=True)
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("decided by")
    )
    # A program decided.
    decided_by_key = models.ForeignKey(
        ApiKey, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("decided by the key")
    )
    decision = models.CharField(_("reason given"), max_length=300, blank=True)

    objects = ReferralQuerySet.as_manager()

    class Meta:
        verbose_name = _("invited friend")
        verbose_name_plural = _("invited friends")
        constraints = [
            # One member for one friend: who came first.
            models.UniqueConstraint(
                fields=["store", "mailbox"], condition=~Q(state="lapsed"), name="referral_once_per_friend"
            ),
            models.CheckConstraint(condition=Q(state="declined") ^ Q(reason=""), name="referral_declined_why"),
            models.CheckConstraint(
                condition=~Q(state="rewarded") | Q(rewarded_at__isnull=False), name="referral_rewarded_when"
            ),
        ]
        indexes = [
            models.Index(fields=["member", "-id"], name="referral_of_member"),
            models.Index(fields=["store", "-id"], name="referral_newest"),
            models.Index(fields=["order"], name="referral_by_order", condition=Q(order__isnull=False)),
            models.Index(fields=["due_at"], name="referral_due", condition=Q(state="delivered")),
        ]

    def __str__(self):
        return self.friend_email

    @property
    def is_undecided(self) -> bool:
        """As `undecided()` asks it of many."""
        return bool(self.flags) and self.decided_at is None and self.state in self.UNDER_WAY


class Sighting(models.Model):
    """From where a member acted in the portal, hashed; compared with friends', and forgotten after 90 days."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="+", verbose_name=_("customer"))
    network_hash = models.CharField(max_length=64)
    device_hash = models.CharField(max_length=64)
    at = models.DateTimeField(_("at"), default=now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["customer", "network_hash", "device_hash"], name="sighting_once")
        ]
        indexes = [models.Index(fields=["at"], name="sighting_by_age")]

    def __str__(self):
        return f"{self.customer_id}: {self.at:%Y-%m-%d}"
