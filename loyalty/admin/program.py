"""The programme: what orders earn, with an example that follows the form."""

from decimal import Decimal

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import JsonResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from crm.stores import formats
from crm.stores.models import Store
from crm.stores.staff import Role, StoreFilter, StoreScopedAdmin, has_role

from .. import explaining, programs
from ..models import Program
from ..rules import Amounts, Line, Refunded, counted, divide, worth


def example(program: Program) -> str:
    """What the programme does with an invented order and a refund of a part of it, in sentences."""
    store = program.store
    # An everyday basket: about 65 times what €1 buys.
    unit = Decimal(programs.UNITS.get(store.currency, 1))
    order = Amounts(
        total=Decimal("64.90") * unit,
        total_tax=Decimal("9.90") * unit,
        shipping=5 * unit,
        shipping_tax=Decimal("0.90") * unit,
    )
    rule = program.rule
    parts = divide(rule, order, [Line("goods", order.goods, order.goods_tax)])
    refund = Refunded(Decimal("23.60") * unit, 20 * unit, Decimal("3.60") * unit)
    points, left = (sum(part.points for part in worth(rule, order, parts, {}, refunds)) for refunds in ([], [refund]))
    base = counted(rule, order)
    value = program.worth(points)
    values = {
        "total": formats.money(order.total, store.currency),
        "goods": formats.money(order.goods, store.currency),
        "shipping": formats.money(order.shipping, store.currency),
        "tax": formats.money(order.total_tax, store.currency),
        "base": formats.money(base, store.currency),
        "points": formats.number(points),
        "back": formats.money(20 * unit, store.currency),
        "taken": formats.number(points - left),
        "worth": "" if value is None else formats.money(value, store.currency),
    }
    said = [
        _(
            "An order of %(total)s (goods %(goods)s, shipping %(shipping)s, tax %(tax)s) counts %(base)s and earns %(points)s points."
        )
    ]
    if value is not None:
        said.append(_("They are shown as worth %(worth)s."))
    said.append(_("If goods of %(back)s are sent back, %(taken)s points are taken back."))
    return " ".join(str(sentence) % values for sentence in said)


class ProgramForm(forms.ModelForm):
    class Meta:
        model = Program
        fields = [
            "store", "name", "active", "rate", "rounding", "counts_shipping", "counts_taxes", "counts_fees", "point_value",
            "negative_balance",
        ]  # fmt: skip


@admin.register(Program)
class ProgramAdmin(StoreScopedAdmin):
    form = ProgramForm
    list_display = ["name_shown", "store", "active", "earns", "rounding", "starts_at"]
    list_select_related = ["store"]
    list_filter = [("store", StoreFilter), "active"]
    add_roles = {Role.OWNER}
    fieldsets = [
        (None, {"fields": ["store", "name", "active", "starts_at"]}),
        (_("What an order earns"), {"fields": ["rate", "rounding", "counts_shipping", "counts_taxes", "counts_fees"]}),
        (_("What points are worth"), {"fields": ["point_value", "negative_balance"]}),
        (_("Example"), {"fields": ["example"], "description": _("It follows the fields above as you change them.")}),
    ]
    readonly_fields = ["starts_at", "example"]

    class Media:
        js = ["loyalty/program.js"]

    def get_readonly_fields(self, request, obj=None):
        # Accounts and entries belong to the store; a programme does not move to another.
        return [*self.readonly_fields, "store"] if obj else self.readonly_fields

    def get_urls(self):
        preview = self.admin_site.admin_view(self.preview)
        return [path("example/", preview, name="loyalty_program_example"), *super().get_urls()]

    def save_model(self, request, obj, form, change):
        if change and obj.active and "active" in form.changed_data:
            # What was paid during the pause was not promised any points.
            obj.starts_at = timezone.now()
        super().save_model(request, obj, form, change)

    def preview(self, request):
        """The example for what the form says at this moment; nothing is saved."""
        values = request.GET.copy()
        stores = Store.objects.for_user(request.user)
        store = stores.filter(pk=values.get("store") if values.get("store", "").isdigit() else None).first()
        if store is None or not has_role(request.user, self.change_roles, store.pk):
            raise PermissionDenied
        form = ProgramForm(values)
        form.fields["store"].queryset = stores
        form.is_valid()
        problems = set(form.errors) & {"rate", "rounding", "point_value"}
        text = (
            _("Fill in rate, rounding and value.")
            if problems
            else example(Program(**form.cleaned_data | {"store": store}))
        )
        return JsonResponse({"text": str(text)})

    @display(description=_("Programme"))
    def name_shown(self, program):
        return str(program)

    @display(description=_("Earns"))
    def earns(self, program):
        return explaining.rate(program.rule, program.store.currency)

    @display(description=_("For example"))
    def example(self, program):
        text = example(program) if program.store_id else _("Choose a store first.")
        return format_html(
            '<output data-example="{}" data-store="{}">{}</output>',
            reverse("admin:loyalty_program_example"),
            program.store_id or "",
            text,
        )
