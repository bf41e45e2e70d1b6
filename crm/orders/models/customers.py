from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from .mirrored import Mirrored, MirroredQuerySet


class CustomerQuerySet(MirroredQuerySet):
    def with_email(self, email: str):
        return self.filter(email=email.strip().lower())

    def current(self):
        """Without guests who have since been joined to a registered customer."""
        return self.filter(joined_to=None, deleted_at=None)


class Customer(Mirrored):
    """A person who bought: registered in the shop (`woo_id`), or a guest known by the address of an order."""

    woo_id = models.BigIntegerField(_("number in the shop"), null=True, blank=True)
    # Lower case, without spaces around it; empty if the shop has none.
    email = models.CharField(_("e-mail"), max_length=320, blank=True)
    first_name = models.CharField(_("first name"), max_length=200, blank=True)
    last_name = models.CharField(_("last name"), max_length=200, blank=True)
    phone = models.CharField(_("phone"), max_length=60, blank=True)
    username = models.CharField(_("user name"), max_length=200, blank=True)
    role = models.CharField(_("role"), max_length=60, blank=True)
    language = models.CharField(_("language"), max_length=10, blank=True)
    is_paying_customer = models.BooleanField(_("has paid an order"), default=False)
    billing = models.JSONField(_("billing address"), default=dict)
    shipping = models.JSONField(_("shipping address"), default=dict)
    # When the person proved that the address is theirs (a code by mail).
    email_verified_at = models.DateTimeField(_("address proven at"), null=True, blank=True)
    # When the person was erased: the row stays, for orders and points hang on it, and says nothing about anybody.
    erased_at = models.DateTimeField(_("erased at"), null=True, blank=True, editable=False)
    # A guest whose address was proven by a registered customer: orders go there from now on.
    joined_to = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="joined", verbose_name=_("joined to")
    )

    objects = CustomerQuerySet.as_manager()

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        constraints = [
            models.UniqueConstraint(fields=["store", "woo_id"], name="customer_once_per_store"),
            models.UniqueConstraint(
                fields=["store", "email"], condition=models.Q(woo_id=None), name="guest_once_per_address"
            ),
            models.CheckConstraint(
                condition=~models.Q(woo_id=None) | ~models.Q(email=""), name="customer_has_number_or_address"
            ),
        ]
        indexes = [
            models.Index(fields=["store", "email"], name="customer_by_email"),
            models.Index(fields=["store", "-date_created_gmt", "-id"], name="customer_newest"),
            # Each poll asks whether there are any.
            models.Index(
                fields=["store"],
                condition=models.Q(synced_at=None, deleted_at=None, woo_id__isnull=False),
                name="customer_unread",
            ),
        ]

    @property
    def person(self) -> "Customer":
        """The row that stands for the person: of a joined guest the registered customer's, whose points and orders these are."""
        return self.joined_to or self

    @property
    def person_id(self) -> int:
        return self.joined_to_id or self.pk

    def __str__(self):
        if self.erased_at:
            return gettext("Erased (%(number)s)") % {"number": self.pk}
        return self.name or self.email or f"#{self.woo_id}"

    @property
    def name(self) -> str:
        # In the order the shop's form has them; no rule of ours fits the names of every country.
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def is_guest(self) -> bool:
        return self.woo_id is None
