"""Parcels of an order, what is in each, and what happened to it on the way."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.orders.fields import MoneyField
from crm.orders.models import LineItem, Order
from crm.stores.models import Store


class Status(models.TextChoices):
    """Where a parcel is, whichever carrier has it."""

    LABEL = "label", _("Announced to the carrier")
    SHIPPED = "shipped", _("Shipped")
    IN_TRANSIT = "in_transit", _("On the way")
    CUSTOMS = "customs", _("At customs")
    DELAYED = "delayed", _("Delayed")
    OUT_FOR_DELIVERY = "out_for_delivery", _("Out for delivery")
    PICKUP = "pickup", _("Ready to be collected")
    ATTEMPT_FAILED = "attempt_failed", _("Delivery was tried")
    EXCEPTION = "exception", _("Held up")
    DELIVERED = "delivered", _("Delivered")
    RETURNING = "returning", _("On the way back")
    RETURNED = "returned", _("Returned to the sender")
    LOST = "lost", _("Lost")
    UNKNOWN = "unknown", _("No news")


class ShipmentQuerySet(models.QuerySet):
    def for_store(self, store):
        return self.filter(store=store)

    def existing(self):
        """Without parcels that the shop has taken back from the order."""
        return self.filter(removed_at=None)


class Shipment(models.Model):
    """One parcel of an order."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    order = models.ForeignKey(Order, models.CASCADE, related_name="shipments", verbose_name=_("order"))
    # What makes the parcel one in its order: the plug-in's number of it, else the carrier's.
    key = models.CharField(max_length=150, editable=False)
    carrier = models.CharField(_("carrier's short name"), max_length=60, blank=True)
    carrier_name = models.CharField(_("carrier"), max_length=150, blank=True)
    number = models.CharField(_("tracking number"), max_length=150, blank=True)
    url = models.TextField(_("carrier's page"), blank=True)
    status = models.CharField(_("status"), max_length=20, choices=Status, default=Status.SHIPPED)
    shipped_at = models.DateTimeField(_("shipped at"), null=True, blank=True)
    expected_from = models.DateField(_("expected from"), null=True, blank=True)
    expected_until = models.DateField(_("expected until"), null=True, blank=True)
    delivered_at = models.DateTimeField(_("delivered at"), null=True, blank=True)
    # The shop took the tracking number back; the parcel is kept, since a mail has told of it.
    removed_at = models.DateTimeField(_("removed at"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    # No column: whether the reading at hand (`parcels.read`) found it first.
    is_new = False

    objects = ShipmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("shipment")
        verbose_name_plural = _("shipments")
        constraints = [
            models.UniqueConstraint(fields=["order", "key"], name="shipment_once_per_order"),
            models.CheckConstraint(
                condition=~models.Q(status="delivered") | models.Q(delivered_at__isnull=False),
                name="shipment_delivered_when",
            ),
        ]
        indexes = [
            models.Index(fields=["store", "-id"], name="shipment_newest"),
            # Of all parcels ever sent only these can be late.
            models.Index(
                fields=["store"],
                name="shipment_under_way",
                condition=~models.Q(status__in=["delivered", "returned"]) & models.Q(removed_at=None),
            ),
        ]

    def __str__(self):
        return f"{self.carrier_name} {self.number}".strip() or self.get_status_display()

    @property
    def is_delivered(self) -> bool:
        return self.status == Status.DELIVERED


class ShipmentItem(models.Model):
    """So many of a line are in this parcel."""

    shipment = models.ForeignKey(Shipment, models.CASCADE, related_name="items", verbose_name=_("shipment"))
    line_item = models.ForeignKey(LineItem, models.CASCADE, related_name="+", verbose_name=_("line item"))
    quantity = MoneyField(_("quantity"))

    class Meta:
        verbose_name = _("item of a shipment")
        verbose_name_plural = _("items of shipments")
        constraints = [
            models.UniqueConstraint(fields=["shipment", "line_item"], name="shipment_item_once"),
            models.CheckConstraint(condition=models.Q(quantity__gt=0), name="shipment_item_some"),
        ]

    def __str__(self):
        return str(self.line_item)


class TrackingEvent(models.Model):
    """Something happened to a parcel. Rows are added and never changed."""

    class Source(models.TextChoices):
        SHOP = "shop", _("Shop")
        STAFF = "staff", _("Staff")
        CARRIER = "carrier", _("Carrier")

    shipment = models.ForeignKey(Shipment, models.CASCADE, related_name="events", verbose_name=_("shipment"))
    occurred_at = models.DateTimeField(_("occurred at"), default=timezone.now)
    status = models.CharField(_("status"), max_length=20, choices=Status)
    text = models.CharField(_("what happened"), max_length=300, blank=True)
    place = models.CharField(_("place"), max_length=150, blank=True)
    source = models.CharField(_("source"), max_length=10, choices=Source, default=Source.STAFF, editable=False)
    created_at = models.DateTimeField(_("entered at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("tracking event")
        verbose_name_plural = _("tracking events")
        ordering = ["-occurred_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["shipment", "occurred_at", "status", "text"], name="tracking_event_once")
        ]

    def __str__(self):
        return self.text or self.get_status_display()


class ShippingSettings(models.Model):
    """How a store's orders speak of parcels; a store without a row follows the defaults."""

    store = models.OneToOneField(Store, models.CASCADE, related_name="shipping_settings", verbose_name=_("store"))
    completed_means_delivered = models.BooleanField(
        _("a completed order is delivered"),
        default=True,
        help_text=_("Turn it off if the shop completes orders when they are handed to the carrier."),
    )

    class Meta:
        verbose_name = _("shipping settings")
        verbose_name_plural = _("shipping settings")

    def __str__(self):
        return str(self.store)


class ReadingCursor(models.Model):
    """How far a store's orders have been read for parcels that no event tells of: those of a first import."""

    store = models.OneToOneField(Store, models.CASCADE, related_name="+", primary_key=True)
    # Primary key of the last order that was read.
    order_id = models.BigIntegerField(default=0)

    def __str__(self):
        return f"{self.store}: {self.order_id}"
