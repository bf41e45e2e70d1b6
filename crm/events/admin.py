from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AllValuesCheckboxFilter, RangeDateTimeFilter
from unfold.decorators import display

from crm.stores.staff import ReadOnlyAdmin, StoreFilter

from .models import Event


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
