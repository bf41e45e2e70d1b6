"""Shops, the staff who work for them, and the keys that programs use."""

import hashlib
import secrets
import uuid
import zoneinfo
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from .encryption import EncryptedTextField

hex_colour = RegexValidator(r"^#[0-9a-fA-F]{6}$", _("Write a colour as # and six digits, such as #0f766e."))


def known_timezone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ValidationError(_("%(name)s is no time zone; Asia/Kolkata and Europe/Berlin are."), params={"name": name})


class UserManager(BaseUserManager):
    def get_by_natural_key(self, email):
        return self.get(email=email.lower())

    def create_user(self, email, password=None, **fields):
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email, password=None, **fields):
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractUser):
    """A person who signs in. For customers it is no more than a proven address; what it sees is decided per store."""

    username = None
    email = models.EmailField(_("e-mail address"), unique=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = []

    objects = UserManager()

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [
            models.CheckConstraint(condition=models.Q(email=models.functions.Lower("email")), name="user_email_lower")
        ]

    def clean(self):
        super().clean()
        self.email = self.email.strip().lower()


class StoreQuerySet(models.QuerySet):
    def for_user(self, user, roles=None):
        """Stores that this member of staff works for, in one of these roles where they are named: all of them for a superuser."""
        if user.is_superuser:
            return self
        in_role = {} if roles is None else {"memberships__role__in": roles}
        return self.filter(memberships__user=user, **in_role)

    def common_zone(self) -> zoneinfo.ZoneInfo:
        """The time zone that all of these stores are in; UTC if there are several."""
        names = self.order_by().values_list("timezone", flat=True).distinct()[:2]
        return zoneinfo.ZoneInfo(names[0] if len(names) == 1 else "UTC")

    def connected(self):
        return self.exclude(consumer_key="")


def default_languages():
    return [code for code, _name in settings.LANGUAGES]


def default_paid_statuses():
    # WooCommerce's own wc_get_is_paid_statuses().
    return ["processing", "completed"]


class Store(models.Model):
    """A WooCommerce shop: its brand, how to reach it, and how it wants to be treated."""

    class Signing(models.TextChoices):
        BASIC = "basic", _("Basic authentication (https)")
        OAUTH = "oauth", _("OAuth 1.0a signature (http)")

    # In webhook addresses, so that they can't be guessed from the slug.
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    slug = models.SlugField(_("short name in addresses"), unique=True)
    name = models.CharField(_("name"), max_length=200)
    url = models.URLField(_("address of the shop"), unique=True)

    # Brand
    # Empty without a logo; its bytes are a `StoreLogo`.
    logo_type = models.CharField(max_length=20, blank=True, editable=False)
    brand_color = models.CharField(_("colour"), max_length=7, default="#0f766e", validators=[hex_colour])
    brand_ink = models.CharField(_("colour of text on it"), max_length=7, default="#ffffff", validators=[hex_colour])
    contact_email = models.EmailField(_("contact e-mail"), blank=True)
    contact_phone = models.CharField(_("contact phone"), max_length=40, blank=True)
    contact_hours = models.CharField(_("opening hours"), max_length=200, blank=True)
    contact_address = models.CharField(_("postal address"), max_length=300, blank=True)

    # Place
    currency = models.CharField(_("currency"), max_length=10, default="EUR")
    country = models.CharField(_("country"), max_length=2, blank=True)
    timezone = models.CharField(_("time zone"), max_length=60, default="UTC", validators=[known_timezone])
    language = models.CharField(_("language"), max_length=10, default="en", choices=settings.LANGUAGES)
    languages = ArrayField(
        models.CharField(max_length=10, choices=settings.LANGUAGES),
        verbose_name=_("languages offered"),
        default=default_languages,
    )

    # The way to WooCommerce
    signing = models.CharField(_("signing"), max_length=10, choices=Signing, default=Signing.BASIC)
    consumer_key = EncryptedTextField(_("consumer key"), blank=True)
    consumer_secret = EncryptedTextField(_("consumer secret"), blank=True)
    webhook_secret = EncryptedTextField(blank=True, editable=False)
    # Plain http and private addresses are for shops on the same machine or network.
    insecure = models.BooleanField(_("allow plain http and private addresses"), default=False)
    wc_version = models.CharField(_("WooCommerce version"), max_length=20, blank=True, editable=False)
    connected_at = models.DateTimeField(_("connected at"), null=True, editable=False)
    # Why nothing passes between this store and its shop: another one seems to stand at the address. Empty: all is well.
    halted = models.TextField(_("stopped, because"), blank=True, editable=False)
    # History is silent: what happened in the shop before this moment is stored and never announced.
    announce_from = models.DateTimeField(_("announce what happens from"), default=now, editable=False)

    # Meaning
    paid_statuses = ArrayField(
        models.CharField(max_length=60), verbose_name=_("statuses that mean paid"), default=default_paid_statuses
    )

    created_at = models.DateTimeField(_("created at"), default=now, editable=False)

    objects = StoreQuerySet.as_manager()

    class Meta:
        verbose_name = _("store")
        verbose_name_plural = _("stores")
        ordering = ["name"]

    def __str__(self):
        return self.name

    @property
    def zone(self):
        return zoneinfo.ZoneInfo(self.timezone)

    def announces(self, when: datetime | None) -> bool:
        """Whether what happened then is news; what has no date is taken for history."""
        return when is not None and when >= self.announce_from

    def language_for(self, *wishes: str) -> str:
        """The first wished language that the store offers (`hi_IN` counts as `hi`), else the store's own."""
        for wish in wishes:
            code = (wish or "").replace("_", "-").split("-")[0].lower()
            if code in self.languages:
                return code
        return self.language

    def category_url(self, slug: str) -> str:
        """A category's page in the shop, at WordPress's default address for it."""
        return f"{self.url.rstrip('/')}/product-category/{slug}/"


class StoreLogo(models.Model):
    """A store's logo apart from the store, which nearly every page and statement reads."""

    store = models.OneToOneField(Store, models.CASCADE, primary_key=True, related_name="logo", verbose_name=_("store"))
    body = models.BinaryField(_("logo"))

    def __str__(self):
        return str(self.store_id)


class Membership(models.Model):
    """A member of staff works for a store, in a role."""

    class Role(models.TextChoices):
        OWNER = "owner", _("Owner: everything in the store")
        AGENT = "agent", _("Agent: answers tickets, sees the rest")
        VIEWER = "viewer", _("Viewer: sees, changes nothing")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships", verbose_name=_("user")
    )
    store = models.ForeignKey(Store, models.CASCADE, related_name="memberships", verbose_name=_("store"))
    role = models.CharField(_("role"), max_length=10, choices=Role, default=Role.AGENT)

    class Meta:
        verbose_name = _("staff membership")
        verbose_name_plural = _("staff memberships")
        constraints = [models.UniqueConstraint(fields=["user", "store"], name="membership_once")]

    def __str__(self):
        return f"{self.user} · {self.store}"


class ApiKeyQuerySet(models.QuerySet):
    def usable(self, at):
        return self.filter(models.Q(expires_at=None) | models.Q(expires_at__gt=at), revoked_at=None)


class ApiKey(models.Model):
    """A merchant's program may use the API of one store. Only a hash is kept; the key is shown once."""

    class Scope(models.TextChoices):
        CUSTOMERS_READ = "customers:read", _("Read customers")
        ORDERS_READ = "orders:read", _("Read orders, refunds, products and shipments")
        TICKETS_READ = "tickets:read", _("Read tickets")
        TICKETS_WRITE = "tickets:write", _("Open and answer tickets")
        LOYALTY_READ = "loyalty:read", _("Read points")
        LOYALTY_WRITE = "loyalty:write", _("Adjust points")
        CREDIT_READ = "credit:read", _("Read store credit")
        CREDIT_WRITE = "credit:write", _("Give, take and spend store credit")
        EVENTS_READ = "events:read", _("Read events")
        PUSHES_READ = "pushes:read", _("Read what is written into the shop")
        PUSHES_WRITE = "pushes:write", _("Write into the shop: coupons, refunds, notes, statuses")
        SYNC_READ = "sync:read", _("Read how up to date the mirror is")
        SYNC_WRITE = "sync:write", _("Ask for syncs, apply deliveries again")

    store = models.ForeignKey(Store, models.CASCADE, related_name="api_keys", verbose_name=_("store"))
    name = models.CharField(_("name"), max_length=100)
    # The start of the key, so that people can tell keys apart.
    prefix = models.CharField(_("begins with"), max_length=12, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=30, choices=Scope), verbose_name=_("scopes"), default=list)
    created_at = models.DateTimeField(_("created at"), default=now, editable=False)
    # Who holds the key: what it asks for, this person can't approve. Empty for one a command made.
    issued_to = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("issued to"),
    )
    last_used_at = models.DateTimeField(_("last used at"), null=True, editable=False)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, editable=False)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")

    def __str__(self):
        return f"{self.name} ({self.prefix}…)"

    @staticmethod
    def digest_of(key: str) -> str:
        # 256 random bits need no slow hash: there is no dictionary to try.
        return hashlib.sha256(key.encode()).hexdigest()

    @classmethod
    def issue(
        cls, store: Store, name: str, scopes: list[str], expires_at=None, *, to: User | None = None
    ) -> tuple["ApiKey", str]:
        """Make a key; returns the row and the key itself, which can't be read again."""
        key = f"pp_{secrets.token_urlsafe(32)}"
        row = cls.objects.create(
            store=store, name=name, prefix=key[:9], digest=cls.digest_of(key), scopes=scopes, expires_at=expires_at,
            issued_to=to,
        )  # fmt: skip
        return row, key
