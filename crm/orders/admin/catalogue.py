from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AllValuesCheckboxFilter
from unfold.decorators import display

from crm.stores import formats
from crm.stores.models import Store
from crm.stores.staff import ReadOnlyAdmin, Role, StoreFilter

from ..models import Category, Coupon, Product
from ..models.mirrored import on_the_web
from .parts import MirrorInline, money_column


class VariationInline(MirrorInline):
    model = Product
    fk_name = "parent"
    verbose_name_plural = _("Variations")
    fields = readonly_fields = ["name", "sku", "price_shown", "stock_status"]
    ordering = ["woo_id"]
    list_select_related = ["store"]
    price_shown = money_column(Product, "price", "store.currency")


class ChosenAdmin(ReadOnlyAdmin):
    """What is chosen in forms of other pages: what the shop has no more is not offered there, and stays where it was chosen before."""

    def get_search_results(self, request, queryset, search_term):
        if request.resolver_match and request.resolver_match.url_name == "autocomplete":
            queryset = queryset.existing()
        return super().get_search_results(request, queryset, search_term)


@admin.register(Product)
class ProductAdmin(ChosenAdmin):
    list_display = ["picture", "name", "sku", "type", "price_shown", "stock_status", "average_rating", "store"]
    list_display_links = ["name"]
    list_select_related = ["store"]
    list_filter = [("store", StoreFilter), ("type", AllValuesCheckboxFilter), ("status", AllValuesCheckboxFilter)]
    list_filter_submit = True
    search_fields = ["name", "sku"]
    ordering = ["name"]
    show_full_result_count = False
    inlines = [VariationInline]
    fields = [
        "picture", "name", "sku", "type", "status", "page", "categories_shown", "price_shown", "regular_price_shown", "sale_price_shown",
        "stock_status", "stock_quantity", "average_rating", "rating_count", "reviews_allowed", "upsell_ids", "cross_sell_ids",
        "woo_id", "date_modified_gmt", "synced_at", "deleted_at", "store",
    ]  # fmt: skip
    readonly_fields = ["picture", "page", "categories_shown", "price_shown", "regular_price_shown", "sale_price_shown"]
    price_shown = money_column(Product, "price", "store.currency")
    regular_price_shown = money_column(Product, "regular_price", "store.currency")
    sale_price_shown = money_column(Product, "sale_price", "store.currency")

    @display(description="")
    def picture(self, product):
        if not (url := on_the_web(product.image_url)):
            return ""
        return format_html('<img src="{}" alt="" width="40" height="40" loading="lazy" style="border-radius:6px">', url)

    @display(description=_("Page in the shop"))
    def page(self, product):
        if not product.page:
            return "—"
        return format_html('<a href="{0}" rel="noopener noreferrer" target="_blank">{0}</a>', product.page)

    @display(description=_("Categories"))
    def categories_shown(self, product):
        return ", ".join(category.name for category in product.categories.all()) or "—"


@admin.register(Category)
class CategoryAdmin(ChosenAdmin):
    list_display = ["name", "slug", "count", "deleted_at", "store"]
    list_filter = [("store", StoreFilter)]
    search_fields = ["name", "slug"]
    ordering = ["name", "pk"]
    fields = ["name", "slug", "parent_woo_id", "count", "menu_order", "woo_id", "synced_at", "deleted_at", "store"]


@admin.register(Coupon)
class CouponAdmin(ReadOnlyAdmin):
    list_display = ["code", "discount_type", "amount_shown", "usage_count", "usage_limit", "date_expires_gmt", "store"]
    list_select_related = ["store"]
    list_filter = [("store", StoreFilter), ("discount_type", AllValuesCheckboxFilter)]
    search_fields = ["code", "email_restrictions"]
    ordering = ["-pk"]
    fields = [
        "code", "discount_type", "amount_shown", "description", "status", "date_expires_gmt", "usage_count", "usage_limit", "uses",
        "used_by", "individual_use", "email_restrictions", "woo_id", "deleted_at", "store",
    ]  # fmt: skip
    readonly_fields = ["amount_shown", "uses"]

    def get_queryset(self, request):
        coupons = super().get_queryset(request)
        owned = Store.objects.for_user(request.user, {Role.OWNER})
        return coupons.without_gift_cards() | coupons.gift_cards().filter(store__in=owned)

    @display(description=_("amount"), ordering="amount")
    def amount_shown(self, coupon):
        if coupon.discount_type == "percent":
            return f"{formats.number(coupon.amount)} %"
        return formats.money(coupon.amount, coupon.store.currency)

    @display(description=_("Orders with it"))
    def uses(self, coupon):
        query = {"coupon": coupon.code, "store__id__exact": coupon.store_id}
        url = f"{reverse('admin:orders_order_changelist')}?{urlencode(query)}"
        return format_html('<a class="text-primary-600 underline" href="{}">{}</a>', url, _("Show the orders"))
