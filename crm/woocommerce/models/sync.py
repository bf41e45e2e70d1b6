"""How far the mirror of each store has come, and what could not be mirrored."""

import json
from datetime import datetime

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.stores.models import Store


class Resource(models.TextChoices):
    CATEGORIES = "categories", _("Categories")
    PRODUCTS = "products", _("Products")
    VARIATIONS = "variations", _("Variations")
    CUSTOMERS = "customers", _("Customers")
    COUPONS = "coupons", _("Coupons")
    ORDERS = "orders", _("Orders")
    TRASH = "trash", _("Trashed orders")
    BUYERS = "buyers", _("Customers of changed orders")
    REFUNDS = "refunds", _("Refunds")
    REVIEWS = "reviews", _("Product reviews")


class SyncStateQuerySet(models.QuerySet):
    def unfinished(self):
        return self.filter(finished_at=None)


class SyncState(models.Model):
    """One store's walk through one kind of object: its place commits with each page, so that a kill repeats at most one."""

    class Mode(models.TextChoices):
        FULL = "full", _("Everything")
        CHANGES = "changes", _("What changed")
        COMPARE = "compare", _("Comparison with the shop")

    store = models.ForeignKey(Store, models.CASCADE, related_name="sync_states", verbose_name=_("store"))
    resource = models.CharField(_("resource"), max_length=20, choices=Resource)
    mode = models.CharField(_("reads"), max_length=10, choices=Mode, default=Mode.FULL)
    # By the shop's clock: every change up to then is held. Empty until a first walk has come to its end.
    cursor = models.DateTimeField(_("up to date until"), null=True)

    # By our own clock: what the shop had then is held. When the last walk that came to its end began.
    complete_until = models.DateTimeField(null=True, editable=False)

    # The walk on its way, or the last one.
    window_after = models.DateTimeField(null=True, editable=False)
    window_until = models.DateTimeField(null=True, editable=False)
    newest_seen = models.DateTimeField(null=True, editable=False)
    page = models.PositiveIntegerField(_("pages"), default=0)
    # Where in the list the next page begins.
    offset = models.PositiveIntegerField(default=0, editable=False)
    # What the shop counted on the last page.
    total = models.PositiveIntegerField(_("in the shop"), null=True)
    # The number of the last object that was dealt with, where that and not the page says how far the walk is. For customers
    # it outlives the walk: who has a higher number is new.
    position = models.BigIntegerField(default=0, editable=False)
    read = models.PositiveIntegerField(_("read"), default=0)
    written = models.PositiveIntegerField(_("written"), default=0)
    kept_aside = models.PositiveIntegerField(_("kept aside"), default=0)
    # No business of the mirror: carts, say.
    left_out = models.PositiveIntegerField(_("left out"), default=0)
    started_at = models.DateTimeField(_("started"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    error = models.TextField(_("error"), blank=True)

    objects = SyncStateQuerySet.as_manager()

    class Meta:
        verbose_name = _("sync state")
        verbose_name_plural = _("sync states")
        constraints = [models.UniqueConstraint(fields=["store", "resource"], name="sync_state_once_per_resource")]

    def __str__(self):
        return f"{self.store}: {self.get_resource_display()}"

    @property
    def percent(self) -> int:
        """How much of the walk is done, as far as the shop says how much there is."""
        if self.finished_at:
            return 100
        return min(99, self.offset * 100 // self.total) if self.total else 0


class KeptAsideQuerySet(models.QuerySet):
    def for_store(self, store):
        return self.filter(store=store)

    def unresolved(self):
        return self.filter(resolved_at=None)

    def dismiss(self, at: datetime) -> int:
        """Somebody looked and there is nothing to do, say because the object is gone; it comes back once the shop sends it changed. How many."""
        return self.unresolved().update(resolved_at=at)


class KeptAside(models.Model):
    """An object of the shop that could not be mirrored, with the reason; the rest of its page was."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="kept_aside_rows", verbose_name=_("store"))
    resource = models.CharField(_("resource"), max_length=20, choices=Resource)
    # As text: what is wrong may be the number itself.
    woo_id = models.CharField(_("number in the shop"), max_length=60)
    # JSON as text: what PostgreSQL's own JSON refuses (half a surrogate, a NUL) may be just what is wrong.
    payload = models.TextField(_("as the shop sent it"))
    error = models.TextField(_("error"))
    created_at = models.DateTimeField(_("kept since"), default=timezone.now)
    tried_at = models.DateTimeField(_("last tried"), default=timezone.now)
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)

    objects = KeptAsideQuerySet.as_manager()

    class Meta:
        verbose_name = _("object kept aside")
        verbose_name_plural = _("objects kept aside")
        constraints = [
            models.UniqueConstraint(fields=["store", "resource", "woo_id"], name="kept_aside_once_per_object")
        ]

    def __str__(self):
        return f"{self.get_resource_display()} {self.woo_id}"

    def as_json(self):
        """The object again; NaN and half surrogates included, as Python's own JSON has them."""
        return json.loads(self.payload)


class ConnectionCheck(models.Model):
    """What came of the last look whether a shop can be reached and its keys suffice."""

    store = models.OneToOneField(Store, models.CASCADE, related_name="connection_check", verbose_name=_("store"))
    asked_at = models.DateTimeField(_("asked for"), null=True)
    checked_at = models.DateTimeField(_("checked"), null=True)
    is_ok = models.BooleanField(_("works"), null=True)
    message = models.TextField(_("result"), blank=True)

    class Meta:
        verbose_name = _("connection check")
        verbose_name_plural = _("connection checks")

    def __str__(self):
        return str(self.store)

    @property
    def is_asked(self) -> bool:
        """Somebody waits for its result."""
        return bool(self.asked_at and (self.checked_at is None or self.asked_at > self.checked_at))


class Connection(Store):
    """A store, seen as the shop it is connected to."""

    class Meta:
        proxy = True
        verbose_name = _("connection")
        verbose_name_plural = _("connections")
