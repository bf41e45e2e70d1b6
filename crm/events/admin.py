from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AllValuesCheckboxFilter, RangeDateTimeFilter
from unfold.decorators import display

from crm.stores.models import Membership
from crm.stores.staff import ReadOnlyAdmin, StoreFilter
from crm.work.admin import DueWorkAdmin

from .models import Event, Handling


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ["type", "occurred_at", "customer", "order", "data_shown", "store"]
    list_select_related = ["customer", "order", "store"]
    list_filter = [("store", StoreFilter), ("type", AllValuesCheckboxFilter), ("occurred_at", RangeDateTimeFilter)]
    list_filter_submit = True
    search_fields = ["customer__email", "order__number", "key"]
    search_help_text = _("E-mail of the customer, number of the order, key")
    ordering = ["-pk"]
    show_full_result_count = False
    fields = ["type", "key", "customer", "order", "data", "occurred_at", "created_at", "store"]

    @display(description=_("Data"))
    def data_shown(self, event):
        return " · ".join(f"{name}: {value}" for name, value in event.data.items())[:120]


@admin.register(Handling)
class HandlingAdmin(DueWorkAdmin, ReadOnlyAdmin):
    store_path = "event__store"
    view_roles = retry_roles = {Membership.Role.OWNER}
    list_display = ["handler", "event", "created_at", "state_shown", "attempts", "error_shown"]
    list_select_related = ["event"]
    list_filter = ["state", ("handler", AllValuesCheckboxFilter), ("event__store", StoreFilter)]
    fields = ["handler", "event", "state", "attempts", "due_at", "settled_at", "error", "created_at"]
    readonly_fields = ["created_at", "settled_at", "state", "attempts", "error"]
