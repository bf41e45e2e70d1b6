from django.contrib import admin
from django.template.loader import render_to_string
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AllValuesCheckboxFilter, RangeDateTimeFilter
from unfold.decorators import display

from crm.stores import formats
from crm.stores.staff import ReadOnlyAdmin, StoreFilter

from ..models import LineItem, Order, OrderNote, Refund, RefundLine
from ..panels import panels_for
from .parts import MirrorInline, address, count_column, link_to, money_column

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


class CouponFilter(admin.SimpleListFilter):
    """Only by link from a coupon's page: a shop may have thousands of codes."""

    title = _("coupon")
    parameter_name = "coupon"

    def lookups(self, request, model_admin):
        return [(self.value(), self.value())] if self.value() else []

    def has_output(self):
        return bool(self.value())

    def queryset(self, request, queryset):
        return queryset.with_coupon(self.value()) if self.value() else queryset


class LineItemInline(MirrorInline):
    model = LineItem
    verbose_name_plural = _("Items")
    fields = readonly_fields = ["name", "sku", "count", "price_shown", "total_shown", "tax_shown"]
    ordering = ["woo_id"]
    list_select_related = ["order"]
    count = count_column(LineItem, "quantity")
    price_shown = money_column(LineItem, "price")
    total_shown = money_column(LineItem, "total")
    tax_shown = money_column(LineItem, "total_tax")


class RefundInline(MirrorInline):
    model = Refund
    verbose_name_plural = _("Refunds")
    fields = readonly_fields = ["woo_id", "amount_shown", "reason", "date_created_gmt"]
    ordering = ["woo_id"]
    list_select_related = ["order"]
    amount_shown = money_column(Refund, "amount")


class NoteInline(MirrorInline):
    model = OrderNote
    verbose_name_plural = _("Notes")
    fields = readonly_fields = ["when", "words", "author", "customer_note"]
    ordering = ["date_created_gmt", "woo_id"]
    list_select_related = ["order__store"]

    @display(description=_("Written"))
    def when(self, note):
        return formats.moment(note.date_created_gmt, note.order.store.timezone) if note.date_created_gmt else "—"

    @display(description=_("Note"))
    def words(self, note):
        return format_html_join(mark_safe("<br>"), "{}", ((line,) for line in note.text.splitlines()))


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    list_display = ["number_shown", "when", "customer_shown", "status_shown", "total_shown", "store"]
    list_select_related = ["customer", "store"]
    list_filter = [
        ("store", StoreFilter),
        ("status", AllValuesCheckboxFilter),
        "is_paid",
        CouponFilter,
        ("deleted_at", admin.EmptyFieldListFilter),
        ("date_created_gmt", RangeDateTimeFilter),
    ]
    list_filter_submit = True
    search_fields = ["number", "billing_email", "customer__first_name", "customer__last_name", "line_items__sku"]
    search_help_text = _("Number, e-mail, name or SKU")
    ordering = ["-date_created_gmt", "-pk"]
    show_full_result_count = False
    list_per_page = 50
    inlines = [LineItemInline, RefundInline, NoteInline]
    fieldsets = [
        (None, {"fields": ["number", "status", "when", "customer_link", "store", "customer_note", "around"]}),
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
        "billing_shown", "shipping_shown", "around",
    ]  # fmt: skip

    def get_object(self, request, object_id, from_field=None):
        order = super().get_object(request, object_id, from_field)
        if order is not None:
            # Panels offer what the reader may do.
            order.seen_by = request.user
        return order

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

    @display(description=_("Around it"))
    def around(self, order):
        """What other rooms know: points, consent."""
        shown = panels_for(order.store, order.customer, order)
        user = getattr(order, "seen_by", None)
        parts = (render_to_string(template, {"panel": panel, "user": user}) for template, panel in shown)
        return mark_safe("".join(parts)) or "—"

    @display(description=_("Billing address"))
    def billing_shown(self, order):
        return address(order.billing)

    @display(description=_("Shipping address"))
    def shipping_shown(self, order):
        return address(order.shipping)


class RefundLineInline(MirrorInline):
    model = RefundLine
    verbose_name_plural = _("Items")
    fields = readonly_fields = ["name", "count", "total_shown", "tax_shown"]
    ordering = ["woo_id"]
    list_select_related = ["refund__order"]
    count = count_column(RefundLine, "quantity")
    total_shown = money_column(RefundLine, "total", "refund.order.currency")
    tax_shown = money_column(RefundLine, "total_tax", "refund.order.currency")


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
