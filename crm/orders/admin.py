"""The mirror for staff: looked at, searched and filtered, never edited by hand."""

from django.contrib import admin
from django.db.models import Count, Q, Sum
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import AllValuesCheckboxFilter, RangeDateTimeFilter
from unfold.decorators import display

from crm.stores import formats
from crm.stores.staff import ReadOnlyAdmin, StoreFilter

from .customers import addresses
from .models import Category, Coupon, Customer, LineItem, Order, Product, Refund, RefundLine

# WooCommerce's own statuses; a shop's additions are shown without a colour.
STATUS_COLOURS = {
    "processing": "info",
    "completed": "success",
    "on-hold": "warning",
    "pending": "warning",
    "failed": "danger",
    "cancelled": "danger",
    "refunded": "danger",
}


def link_to(obj, text=None):
    """A link to a row's admin page."""
    if obj is None:
        return "—"
    url = reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change", args=[obj.pk])
    return format_html(
        '<a class="text-primary-600 dark:text-primary-500 underline" href="{}">{}</a>', url, text or str(obj)
    )


def address(fields: dict):
    """A postal address as lines; what is missing leaves no gap."""
    lines = [
        f"{fields.get('first_name') or ''} {fields.get('last_name') or ''}".strip(),
        fields.get("company"),
        fields.get("address_1"),
        fields.get("address_2"),
        " ".join(filter(None, [fields.get("postcode"), fields.get("city")])),
        " ".join(filter(None, [fields.get("state"), fields.get("country")])),
        fields.get("phone"),
        fields.get("email"),
    ]
    return format_html_join(mark_safe("<br>"), "{}", ((line,) for line in lines if line)) or "—"


class MirrorInline(TabularInline):
    extra = 0
    can_delete = False
    show_change_link = False
    hide_title = True

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_view_permission(self, request, obj=None):
        return True  # the page itself was allowed


class LineItemInline(MirrorInline):
    model = LineItem
    verbose_name_plural = _("Items")
    fields = readonly_fields = ["name", "sku", "quantity", "price", "total", "total_tax"]
    ordering = ["woo_id"]


class RefundInline(MirrorInline):
    model = Refund
    verbose_name_plural = _("Refunds")
    fields = readonly_fields = ["woo_id", "amount", "reason", "date_created_gmt"]
    ordering = ["woo_id"]


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    list_display = ["number_shown", "when", "customer_shown", "status_shown", "total_shown", "store"]
    list_select_related = ["customer", "store"]
    list_filter = [
        ("store", StoreFilter),
        ("status", AllValuesCheckboxFilter),
        "is_paid",
        ("deleted_at", admin.EmptyFieldListFilter),
        ("date_created_gmt", RangeDateTimeFilter),
    ]
    list_filter_submit = True
    search_fields = ["number", "billing_email", "customer__first_name", "customer__last_name", "line_items__sku"]
    search_help_text = _("Number, e-mail, name or SKU")
    ordering = ["-date_created_gmt", "-pk"]
    show_full_result_count = False
    list_per_page = 50
    inlines = [LineItemInline, RefundInline]
    fieldsets = [
        (None, {"fields": ["number", "status", "when", "customer_link", "store", "customer_note"]}),
        (
            _("Money"),
            {"fields": ["total_shown", "refunded_shown", "discount", "shipping_cost", "taxes", "payment", "coupons"]},
        ),
        (_("Addresses"), {"fields": ["billing_shown", "shipping_shown"]}),
        (
            _("Times"),
            {"fields": ["date_paid_gmt", "date_completed_gmt", "date_modified_gmt", "synced_at", "deleted_at"]},
        ),
        (_("Meta data"), {"classes": ["collapse"], "fields": ["woo_id", "created_via", "meta_data"]}),
    ]
    readonly_fields = [
        "when", "customer_link", "total_shown", "refunded_shown", "discount", "shipping_cost", "taxes", "payment", "coupons",
        "billing_shown", "shipping_shown",
    ]  # fmt: skip

    @display(description=_("Order"), ordering="number", header=True)
    def number_shown(self, order):
        return [f"#{order.number}", order.created_via]

    @display(description=_("Placed"), ordering="date_created_gmt")
    def when(self, order):
        return formats.moment(order.date_created_gmt, order.store.timezone) if order.date_created_gmt else "—"

    @display(description=_("Customer"), ordering="billing_email", header=True)
    def customer_shown(self, order):
        return [str(order.customer or "—"), order.billing_email]

    @display(description=_("Status"), ordering="status", label=STATUS_COLOURS | {"deleted": "danger"})
    def status_shown(self, order):
        return ("deleted", _("deleted")) if order.deleted_at else order.status

    @display(description=_("Total"), ordering="total")
    def total_shown(self, order):
        return formats.money(order.total, order.currency)

    @display(description=_("Refunded"))
    def refunded_shown(self, order):
        return formats.money(order.refunded_total, order.currency)

    @display(description=_("Discount"))
    def discount(self, order):
        return formats.money(order.discount_total, order.currency)

    @display(description=_("Shipping"))
    def shipping_cost(self, order):
        methods = ", ".join(str(line.get("method_title") or "") for line in order.shipping_lines)
        return f"{formats.money(order.shipping_total, order.currency)} {methods}"

    @display(description=_("Tax"))
    def taxes(self, order):
        return formats.money(order.total_tax, order.currency)

    @display(description=_("Paid by"))
    def payment(self, order):
        return order.payment_method_title or "—"

    @display(description=_("Coupons"))
    def coupons(self, order):
        return ", ".join(str(line.get("code") or "") for line in order.coupon_lines) or "—"

    @display(description=_("Customer"))
    def customer_link(self, order):
        return link_to(order.customer)

    @display(description=_("Billing address"))
    def billing_shown(self, order):
        return address(order.billing)

    @display(description=_("Shipping address"))
    def shipping_shown(self, order):
        return address(order.shipping)


class OrderInline(MirrorInline):
    model = Order
    fk_name = "customer"
    verbose_name_plural = _("Orders")
    fields = readonly_fields = ["order", "date_created_gmt", "status", "total_shown"]
    ordering = ["-date_created_gmt"]
    per_page = 10

    @display(description=_("Order"))
    def order(self, order):
        return link_to(order)

    @display(description=_("Total"))
    def total_shown(self, order):
        return formats.money(order.total, order.currency)


class KindFilter(admin.SimpleListFilter):
    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request, model_admin):
        return [("registered", _("Registered")), ("guest", _("Guest"))]

    def queryset(self, request, queryset):
        if self.value() == "registered":
            return queryset.exclude(woo_id=None)
        if self.value() == "guest":
            return queryset.filter(woo_id=None)
        return queryset


@admin.register(Customer)
class CustomerAdmin(ReadOnlyAdmin):
    list_display = ["name_shown", "kind", "orders_count", "spent", "language", "date_created_gmt", "store"]
    list_select_related = ["store"]
    list_filter = [("store", StoreFilter), KindFilter, "is_paying_customer", ("date_created_gmt", RangeDateTimeFilter)]
    list_filter_submit = True
    search_fields = ["email", "first_name", "last_name", "phone"]
    search_help_text = _("E-mail, name or phone")
    ordering = ["-date_created_gmt", "-pk"]
    show_full_result_count = False
    list_per_page = 50
    inlines = [OrderInline]
    fieldsets = [
        (None, {"fields": ["first_name", "last_name", "email", "phone", "kind", "language", "store"]}),
        (_("Purchases"), {"fields": ["orders_count", "spent", "joined_link"]}),
        (_("Addresses"), {"fields": ["billing_shown", "shipping_shown", "used_addresses"]}),
        (_("Times"), {"fields": ["date_created_gmt", "email_verified_at", "synced_at", "deleted_at"]}),
        (_("Meta data"), {"classes": ["collapse"], "fields": ["woo_id", "username", "role", "meta_data"]}),
    ]
    readonly_fields = [
        "kind",
        "orders_count",
        "spent",
        "joined_link",
        "billing_shown",
        "shipping_shown",
        "used_addresses",
    ]

    def get_queryset(self, request):
        paid = Q(orders__is_paid=True)
        return (
            super()
            .get_queryset(request)
            .annotate(
                orders_paid=Count("orders", filter=paid),
                spent_net=Sum("orders__total", filter=paid, default=0)
                - Sum("orders__refunded_total", filter=paid, default=0),
            )
        )

    @display(description=_("Customer"), ordering="email", header=True)
    def name_shown(self, customer):
        return [customer.name or "—", customer.email]

    @display(description=_("Kind"), label={_("Registered"): "success", _("Guest"): "info"})
    def kind(self, customer):
        return _("Guest") if customer.is_guest else _("Registered")

    @display(description=_("Paid orders"), ordering="orders_paid")
    def orders_count(self, customer):
        return customer.orders_paid

    @display(description=_("Spent, less refunds"), ordering="spent_net")
    def spent(self, customer):
        return formats.money(customer.spent_net, customer.store.currency)

    @display(description=_("Joined to"))
    def joined_link(self, customer):
        return link_to(customer.joined_to)

    @display(description=_("Billing address"))
    def billing_shown(self, customer):
        return address(customer.billing)

    @display(description=_("Shipping address"))
    def shipping_shown(self, customer):
        return address(customer.shipping)

    @display(description=_("All addresses, the last used first"))
    def used_addresses(self, customer):
        return format_html_join(mark_safe("<hr>"), "{}", ((address(fields),) for fields in addresses(customer))) or "—"


class VariationInline(MirrorInline):
    model = Product
    fk_name = "parent"
    verbose_name_plural = _("Variations")
    fields = readonly_fields = ["name", "sku", "price", "stock_status"]
    ordering = ["woo_id"]


@admin.register(Product)
class ProductAdmin(ReadOnlyAdmin):
    list_display = ["picture", "name", "sku", "type", "price", "stock_status", "average_rating", "store"]
    list_display_links = ["name"]
    list_select_related = ["store"]
    list_filter = [("store", StoreFilter), ("type", AllValuesCheckboxFilter), ("status", AllValuesCheckboxFilter)]
    list_filter_submit = True
    search_fields = ["name", "sku"]
    ordering = ["name"]
    show_full_result_count = False
    inlines = [VariationInline]
    fields = [
        "picture", "name", "sku", "type", "status", "page", "categories_shown", "price", "regular_price", "sale_price",
        "stock_status", "stock_quantity", "average_rating", "rating_count", "reviews_allowed", "upsell_ids", "cross_sell_ids",
        "woo_id", "date_modified_gmt", "synced_at", "deleted_at", "store",
    ]  # fmt: skip
    readonly_fields = ["picture", "page", "categories_shown"]

    @display(description="")
    def picture(self, product):
        if not product.image_url.startswith(("https://", "http://")):
            return ""
        return format_html(
            '<img src="{}" alt="" width="40" height="40" loading="lazy" style="border-radius:6px">', product.image_url
        )

    @display(description=_("Page in the shop"))
    def page(self, product):
        if not product.permalink.startswith(("https://", "http://")):
            return "—"
        return format_html('<a href="{0}" rel="noopener noreferrer" target="_blank">{0}</a>', product.permalink)

    @display(description=_("Categories"))
    def categories_shown(self, product):
        return ", ".join(category.name for category in product.categories.all()) or "—"


@admin.register(Category)
class CategoryAdmin(ReadOnlyAdmin):
    list_display = ["name", "slug", "count", "store"]
    list_filter = [("store", StoreFilter)]
    search_fields = ["name", "slug"]
    fields = ["name", "slug", "parent_woo_id", "count", "menu_order", "woo_id", "store"]


class RefundLineInline(MirrorInline):
    model = RefundLine
    verbose_name_plural = _("Items")
    fields = readonly_fields = ["name", "quantity", "total", "total_tax"]
    ordering = ["woo_id"]


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    list_display = ["woo_id", "order", "amount_shown", "reason", "date_created_gmt", "store"]
    list_select_related = ["order", "store"]
    list_filter = [("store", StoreFilter), ("date_created_gmt", RangeDateTimeFilter)]
    list_filter_submit = True
    search_fields = ["order__number", "order__billing_email", "reason"]
    ordering = ["-pk"]
    show_full_result_count = False
    inlines = [RefundLineInline]
    fields = ["order_link", "amount_shown", "reason", "date_created_gmt", "refunded_payment", "woo_id", "store"]
    readonly_fields = ["order_link", "amount_shown"]

    @display(description=_("Amount"), ordering="amount")
    def amount_shown(self, refund):
        return formats.money(refund.amount, refund.order.currency)

    @display(description=_("Order"))
    def order_link(self, refund):
        return link_to(refund.order)


@admin.register(Coupon)
class CouponAdmin(ReadOnlyAdmin):
    list_display = ["code", "discount_type", "amount", "usage_count", "usage_limit", "date_expires_gmt", "store"]
    list_filter = [("store", StoreFilter), ("discount_type", AllValuesCheckboxFilter)]
    search_fields = ["code", "email_restrictions"]
    ordering = ["-pk"]
    fields = [
        "code", "discount_type", "amount", "description", "status", "date_expires_gmt", "usage_count", "usage_limit",
        "individual_use", "email_restrictions", "woo_id", "deleted_at", "store",
    ]  # fmt: skip
