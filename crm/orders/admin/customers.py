from django.contrib import admin, messages
from django.db.models import Count, Q, Sum
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import action, display

from crm.stores import formats
from crm.stores.staff import ReadOnlyAdmin, Role, StoreFilter, has_role

from .. import erasing
from ..customers import addresses
from ..models import Customer, Erasure, Order
from .parts import MirrorInline, address, link_to


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
        (_("Times"), {"fields": ["date_created_gmt", "email_verified_at", "synced_at", "deleted_at", "erased_at"]}),
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

    actions_detail = ["erase"]
    erase_roles = {Role.OWNER}

    def has_erase_permission(self, request, object_id=None):
        customer = self.get_queryset(request).filter(pk=object_id, erased_at=None).first() if object_id else None
        return bool(customer or not object_id) and has_role(
            request.user, self.erase_roles, customer and customer.store_id
        )

    @action(description=_("Erase this person"), url_path="erase", permissions=["erase"], icon="person_remove")
    def erase(self, request, object_id):
        customer = self.get_object(request, object_id)
        if customer is None:
            raise Http404
        person = erasing.of_customer(customer, timezone.now())
        back = reverse("admin:orders_customer_change", args=[customer.pk])
        if request.method == "POST" and request.POST.get("sure"):
            found = erasing.erase(person, by=request.user).found
            customer.refresh_from_db()
            self.log_change(request, customer, "erased")
            text = _("Erased: %(count)d rows. The record of it is among the erasures.")
            messages.success(request, text % {"count": sum(found.values())})
            return redirect(back)
        context = self.admin_site.each_context(request) | {
            "title": _("Erase this person"),
            "opts": self.opts,
            "customer": customer,
            "left": erasing.still_in_shop(person),
            "found": sorted(erasing.preview(person).items()),
            "back": back,
        }
        return render(request, "admin/orders/customer/erase.html", context)

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


@admin.register(Erasure)
class ErasureAdmin(ReadOnlyAdmin):
    """That it was done: what a merchant shows to whoever asked for it."""

    view_roles = {Role.OWNER}
    list_display = ["erased_at", "customer", "by", "followed_shop", "rows", "store"]
    list_select_related = ["customer", "by", "store"]
    list_filter = [("store", StoreFilter), "followed_shop", ("erased_at", RangeDateTimeFilter)]
    list_filter_submit = True
    ordering = ["-pk"]
    fields = ["erased_at", "customer", "by", "followed_shop", "rows_by_kind", "store"]
    readonly_fields = ["rows_by_kind"]

    @display(description=_("Rows"))
    def rows(self, erasure):
        return sum(erasure.found.values())

    @display(description=_("Rows"))
    def rows_by_kind(self, erasure):
        return ", ".join(f"{count} · {name}" for name, count in sorted(erasure.found.items())) or "—"
