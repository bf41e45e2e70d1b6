from django.contrib import admin
from django.db import transaction
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.decorators import display

from crm.orders.admin import MirrorInline, link_to
from crm.stores import formats
from crm.stores.staff import Role, StoreFilter, StoreScopedAdmin

from . import pages, progress
from .models import Shipment, ShipmentItem, ShippingSettings, Status, TrackingEvent

COLOURS = {
    Status.DELIVERED: "success",
    Status.DELAYED: "warning",
    Status.CUSTOMS: "warning",
    Status.ATTEMPT_FAILED: "warning",
    Status.EXCEPTION: "danger",
    Status.LOST: "danger",
    Status.RETURNING: "danger",
    Status.RETURNED: "danger",
}


class ItemInline(MirrorInline):
    model = ShipmentItem
    verbose_name_plural = _("Items")
    fields = readonly_fields = ["line_item", "pieces"]

    @display(description=_("quantity"))
    def pieces(self, item):
        return formats.number(item.quantity)

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("line_item")


class EventInline(TabularInline):
    """What happened so far, and a line to enter what the carrier said. Nothing that was entered is changed."""

    model = TrackingEvent
    verbose_name_plural = _("What happened")
    fields = ["occurred_at", "status", "text", "place", "source"]
    readonly_fields = ["source"]
    extra = 0
    can_delete = False
    hide_title = True

    def has_add_permission(self, request, obj=None):
        return True  # the page itself is guarded

    def has_change_permission(self, request, obj=None):
        return False

    def has_view_permission(self, request, obj=None):
        return True


@admin.register(Shipment)
class ShipmentAdmin(StoreScopedAdmin):
    list_display = ["shown", "order_link", "status_shown", "shipped_at", "delivered_at", "removed_at"]
    list_filter = ["status", "carrier_name", ("store", StoreFilter)]
    list_select_related = ["order"]
    search_fields = ["number", "order__number"]
    ordering = ["-pk"]
    show_full_result_count = False
    change_roles = {Role.OWNER, Role.AGENT}
    fieldsets = [
        (None, {"fields": ["order_link", "status", "carrier_name", "number", "links"]}),
        (_("Times"), {"fields": ["shipped_at", "expected_from", "expected_until", "delivered_at", "removed_at"]}),
    ]
    # The shop says what a parcel is; staff say when it is expected, and enter what happens to it.
    readonly_fields = [
        "order_link", "status", "carrier_name", "number", "links", "shipped_at", "delivered_at", "removed_at",
    ]  # fmt: skip
    inlines = [ItemInline, EventInline]

    def has_add_permission(self, request):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    @display(description=_("parcel"))
    def shown(self, shipment):
        return str(shipment)

    @display(description=_("order"))
    def order_link(self, shipment):
        return link_to(shipment.order)

    @display(description=_("status"), ordering="status", label=COLOURS)
    def status_shown(self, shipment):
        return shipment.status, shipment.get_status_display()

    @display(description=_("pages"))
    def links(self, shipment):
        found = [(pages.path(shipment.order), _("Tracking page"))]
        if shipment.url:
            found.append((shipment.url, _("Carrier’s page")))
        link = '<a class="text-primary-600 dark:text-primary-500 underline" href="{}" rel="noopener noreferrer">{}</a>'
        return format_html_join(" · ", link, found)

    @transaction.atomic
    def save_formset(self, request, form, formset, change):
        if formset.model is not TrackingEvent:
            return super().save_formset(request, form, formset, change)
        formset.save(commit=False)
        for event in formset.new_objects:
            event.source = TrackingEvent.Source.STAFF
            progress.note(event)


@admin.register(ShippingSettings)
class ShippingSettingsAdmin(StoreScopedAdmin):
    list_display = ["store", "completed_means_delivered"]
    list_select_related = ["store"]
    add_roles = {Role.OWNER}
