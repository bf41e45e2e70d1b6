from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from ..fields import MoneyField
from .mirrored import Mirrored, on_the_web


class Category(Mirrored):
    name = models.CharField(_("name"), max_length=300)
    slug = models.CharField(_("slug"), max_length=300)
    parent_woo_id = models.BigIntegerField(_("parent"), default=0)
    image_url = models.TextField(_("picture"), blank=True)
    menu_order = models.IntegerField(_("place in the menu"), default=0)
    count = models.IntegerField(_("products"), default=0)

    class Meta:
        verbose_name = _("category")
        verbose_name_plural = _("categories")
        constraints = [models.UniqueConstraint(fields=["store", "woo_id"], name="category_once_per_store")]

    def __str__(self):
        return self.name


class Product(Mirrored):
    """A product, or (with a parent) one variation of it: both have numbers of one sequence in the shop."""

    parent = models.ForeignKey(
        "self", models.CASCADE, null=True, blank=True, related_name="variations", verbose_name=_("variation of")
    )
    name = models.TextField(_("name"))
    slug = models.CharField(_("slug"), max_length=300, blank=True)
    sku = models.CharField(_("SKU"), max_length=200, blank=True)
    type = models.CharField(_("type"), max_length=60)
    status = models.CharField(_("status"), max_length=60)
    permalink = models.TextField(_("page in the shop"), blank=True)
    image_url = models.TextField(_("picture"), blank=True)
    short_description = models.TextField(_("short description"), blank=True)
    # Empty for a variable product: its variations have prices.
    price = MoneyField(_("price"), null=True, blank=True)
    regular_price = MoneyField(_("regular price"), null=True, blank=True)
    sale_price = MoneyField(_("sale price"), null=True, blank=True)
    stock_status = models.CharField(_("stock"), max_length=60, blank=True)
    stock_quantity = models.IntegerField(_("pieces in stock"), null=True, blank=True)
    reviews_allowed = models.BooleanField(_("reviews allowed"), default=True)
    average_rating = models.DecimalField(_("average rating"), max_digits=4, decimal_places=2, default=0)
    rating_count = models.IntegerField(_("ratings"), default=0)
    attributes = models.JSONField(_("attributes"), default=list)
    # Numbers in the shop, in the merchant's order.
    upsell_ids = ArrayField(models.BigIntegerField(), verbose_name=_("up-sells"), default=list)
    cross_sell_ids = ArrayField(models.BigIntegerField(), verbose_name=_("cross-sells"), default=list)
    categories = models.ManyToManyField(Category, related_name="products", verbose_name=_("categories"))

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        constraints = [models.UniqueConstraint(fields=["store", "woo_id"], name="product_once_per_store")]
        indexes = [models.Index(fields=["store", "sku"], name="product_by_sku")]

    def __str__(self):
        return self.name

    @property
    def page(self) -> str:
        """The address of its page in the shop, or nothing."""
        return on_the_web(self.permalink)

    @property
    def picture(self) -> str:
        """The address of its picture in the shop, of a variation without one its product's, or nothing."""
        return on_the_web(self.image_url or (self.parent.image_url if self.parent else ""))
