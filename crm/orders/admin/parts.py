"""What the pages share."""

from operator import attrgetter

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from unfold.admin import TabularInline
from unfold.decorators import display

from crm.stores import formats


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


def money_column(model, name, currency="order.currency"):
    """A column with the amount `name` of each row, in the currency that the path `currency` leads to."""

    @display(description=model._meta.get_field(name).verbose_name, ordering=name)
    def shown(page, row):
        amount = getattr(row, name)
        return "—" if amount is None else formats.money(amount, attrgetter(currency)(row))

    return shown


def count_column(model, name):
    """A column with the number `name` of each row, without the zeros that its column in the database may have."""

    @display(description=model._meta.get_field(name).verbose_name)
    def shown(page, row):
        return formats.number(getattr(row, name))

    return shown


class MirrorInline(TabularInline):
    extra = 0
    can_delete = False
    show_change_link = False
    hide_title = True
    # What the columns read of other tables, as on a list's page.
    list_select_related: list[str] = []

    def get_queryset(self, request):
        rows = super().get_queryset(request)
        # Without names it would read every table that a row refers to.
        return rows.select_related(*self.list_select_related) if self.list_select_related else rows

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_view_permission(self, request, obj=None):
        return True  # the page itself was allowed
