from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.utils.translation import gettext_lazy as _

from ..fields import MoneyField
from .customers import Customer
from .mirrored import Mirrored, MirroredQuerySet, on_the_web
from .products import Product


class OrderQuerySet(MirroredQuerySet):
    def newest_first(self):
        return self.order_by("-date_created_gmt", "-pk")

    def with_coupon(self, code: str):
        return self.filter(coupon_codes__contains=[code.strip().lower()])


class Order(Mirrored):
    number = models.CharField(_("number"), max_length=100)
    # WooCommerce's slug; shops add their own, so any text is right.
    status = models.CharField(_("status"), max_length=100)
    currency = models.CharField(_("currency"), max_length=10)
    customer = models.ForeignKey(
        Customer, models.SET_NULL, null=True, related_name="orders", db_index=False, verbose_name=_("customer")
    )
    customer_woo_id = models.BigIntegerField(_("customer's number in the shop"), default=0)
    billing_email = models.CharField(_("e-mail"), max_length=320, blank=True)
    order_key = models.CharField(max_length=100, blank=True)
    created_via = models.CharField(_("made in"), max_length=100, blank=True)
    prices_include_tax = models.BooleanField(_("prices include tax"), default=False)
    # `total` stays what was paid at first: refunds do not lower it.
    total = MoneyField(_("total"))
    total_tax = MoneyField(_("tax"))
    shipping_total = MoneyField(_("shipping"))
    shipping_tax = MoneyField(_("tax on shipping"))
    discount_total = MoneyField(_("discount"))
    discount_tax = MoneyField(_("tax on discount"))
    # Positive; the sum over the order's refunds.
    refunded_total = MoneyField(_("refunded"), default=Decimal(0))
    payment_method = models.CharField(_("payment method"), max_length=200, blank=True)
    payment_method_title = models.TextField(_("paid by"), blank=True)
    customer_note = models.TextField(_("customer's note"), blank=True)
    date_paid_gmt = models.DateTimeField(_("paid"), null=True)
    date_completed_gmt = models.DateTimeField(_("completed"), null=True)
    # Shown and never searched: kept as the shop wrote it.
    billing = models.JSONField(_("billing address"), default=dict)
    shipping = models.JSONField(_("shipping address"), default=dict)
    tax_lines = models.JSONField(_("taxes"), default=list)
    shipping_lines = models.JSONField(_("shipping methods"), default=list)
    fee_lines = models.JSONField(_("fees"), default=list)
    coupon_lines = models.JSONField(_("coupons"), default=list)
    # Of `coupon_lines`, in lower case, as WooCommerce compares them.
    coupon_codes = ArrayField(models.CharField(max_length=200), verbose_name=_("coupon codes"), default=list)
    # Paid by the store's statuses when it was last synced: what "order.paid" is told by.
    is_paid = models.BooleanField(_("is paid"), default=False)

    objects = OrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        constraints = [models.UniqueConstraint(fields=["store", "woo_id"], name="order_once_per_store")]
        indexes = [
            models.Index(fields=["store", "-date_created_gmt", "-id"], name="order_newest"),
            models.Index(fields=["customer", "-date_created_gmt"], name="order_of_customer"),
            models.Index(fields=["store", "number"], name="order_by_number"),
            models.Index(fields=["store", "billing_email"], name="order_by_email"),
            GinIndex(fields=["coupon_codes"], name="order_by_coupon"),
        ]

    def __str__(self):
        return f"#{self.number}"

    @property
    def net_total(self) -> Decimal:
        return self.total - self.refunded_total

    @property
    def first_name(self) -> str:
        """The name on the order, which for a gift account or a shared one differs from the customer's."""
        return self.billing.get("first_name") or (self.customer.first_name if self.customer else "")

    @property
    def needs_shipping(self) -> bool:
        """False for an order of downloads and services: the shop writes neither a method nor an address for it."""
        return bool(self.shipping_lines or self.shipping.get("address_1"))


class LineItem(models.Model):
    """One position of an order."""

    store = models.ForeignKey("stores.Store", models.CASCADE, related_name="+", db_index=False, verbose_name=_("store"))
    order = models.ForeignKey(Order, models.CASCADE, related_name="line_items", db_index=False, verbose_name=_("order"))
    woo_id = models.BigIntegerField(_("number in the shop"))
    # The variation if there is one; nothing once the product is gone from the shop.
    product = models.ForeignKey(
        Product, models.SET_NULL, null=True, related_name="line_items", verbose_name=_("product")
    )
    product_id_in_shop = models.BigIntegerField(default=0)
    variation_id_in_shop = models.BigIntegerField(default=0)
    name = models.TextField(_("name"))
    sku = models.CharField(_("SKU"), max_length=200, blank=True)
    quantity = MoneyField(_("quantity"))
    price = MoneyField(_("price of one"))
    subtotal = MoneyField(_("before discount"))
    subtotal_tax = MoneyField(_("tax before discount"))
    total = MoneyField(_("total"))
    total_tax = MoneyField(_("tax"))
    image_url = models.TextField(_("picture"), blank=True)
    taxes = models.JSONField(_("taxes"), default=list)
    meta_data = models.JSONField(_("meta data"), default=list)

    class Meta:
        verbose_name = _("line item")
        verbose_name_plural = _("line items")
        constraints = [models.UniqueConstraint(fields=["order", "woo_id"], name="line_once_per_order")]

    def __str__(self):
        return self.name

    @property
    def picture(self) -> str:
        """The address of a picture of what was bought, or nothing."""
        return on_the_web(self.image_url or (self.product.image_url if self.product else ""))


class Refund(models.Model):
    """Money given back. `amount` is positive; what the lines say of quantities and totals is positive, too."""

    store = models.ForeignKey("stores.Store", models.CASCADE, related_name="+", verbose_name=_("store"))
    order = models.ForeignKey(Order, models.CASCADE, related_name="refunds", verbose_name=_("order"))
    woo_id = models.BigIntegerField(_("number in the shop"))
    amount = MoneyField(_("amount"))
    reason = models.TextField(_("reason"), blank=True)
    # Unknown until the refund itself was read: an order names only number, reason and amount.
    date_created_gmt = models.DateTimeField(_("refunded"), null=True)
    refunded_payment = models.BooleanField(_("paid back by the gateway"), default=False)
    meta_data = models.JSONField(_("meta data"), default=list)
    lines_synced_at = models.DateTimeField(null=True, editable=False)

    objects = MirroredQuerySet.as_manager()

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        constraints = [models.UniqueConstraint(fields=["store", "woo_id"], name="refund_once_per_store")]
        # Each poll asks whether there are any.
        indexes = [models.Index(fields=["store"], condition=models.Q(lines_synced_at=None), name="refund_unread")]

    def __str__(self):
        return f"#{self.woo_id}"


class RefundLine(models.Model):
    """What part of a line was given back; amounts and quantity are positive."""

    refund = models.ForeignKey(Refund, models.CASCADE, related_name="lines", verbose_name=_("refund"))
    woo_id = models.BigIntegerField(_("number in the shop"))
    line_item = models.ForeignKey(
        LineItem, models.SET_NULL, null=True, related_name="refund_lines", verbose_name=_("line item")
    )
    name = models.TextField(_("name"))
    quantity = MoneyField(_("quantity"))
    total = MoneyField(_("total"))
    total_tax = MoneyField(_("tax"))

    class Meta:
        verbose_name = _("refunded line")
        verbose_name_plural = _("refunded lines")
        constraints = [models.UniqueConstraint(fields=["refund", "woo_id"], name="refund_line_once")]

    def __str__(self):
        return self.name


# How the descriptions of gift cards begin. Their codes are money for whoever reads them.
GIFT_CARD = "Postpurchase: gift card"


class CouponQuerySet(MirroredQuerySet):
    def gift_cards(self):
        return self.filter(description__startswith=GIFT_CARD)

    def without_gift_cards(self):
        return self.exclude(description__startswith=GIFT_CARD)


class Coupon(Mirrored):
    code = models.CharField(_("code"), max_length=200)
    amount = MoneyField(_("amount"))
    discount_type = models.CharField(_("type"), max_length=60)
    status = models.CharField(_("status"), max_length=60, blank=True)
    description = models.TextField(_("description"), blank=True)
    date_expires_gmt = models.DateTimeField(_("expires"), null=True)
    usage_count = models.IntegerField(_("used"), default=0)
    usage_limit = models.IntegerField(_("may be used"), null=True)
    # As WooCommerce has it: numbers of registered customers, addresses of guests; one entry for each use.
    used_by = ArrayField(models.CharField(max_length=320), verbose_name=_("used by"), default=list)
    individual_use = models.BooleanField(_("alone only"), default=False)
    email_restrictions = ArrayField(models.CharField(max_length=320), verbose_name=_("only for"), default=list)

    objects = CouponQuerySet.as_manager()

    class Meta:
        verbose_name = _("coupon")
        verbose_name_plural = _("coupons")
        constraints = [models.UniqueConstraint(fields=["store", "woo_id"], name="coupon_once_per_store")]
        indexes = [models.Index(fields=["store", "code"], name="coupon_by_code")]

    def __str__(self):
        return self.code
