"""The programme: what orders earn, with an example that follows the form."""

from decimal import Decimal

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, JsonResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from crm.stores import formats
from crm.stores.models import Store
from crm.stores.staff import Role, StoreFilter, StoreScopedAdmin, has_role

from .. import explaining, overview, programs
from ..models import Program
from ..rules import Amounts, Line, Refunded, counted, divide, worth
from .rules import OptionalMinimum, Tryable

PREVIEW = "_preview"


def simplest(program: Program, total: Decimal) -> str:
    """`An order of ₹1,999.00 earns 199 points, worth ₹19.90.`, of goods alone."""
    currency = program.store.currency
    amounts = Amounts(total)
    parts = divide(program.rule, amounts, [])
    points = sum(part.points for part in worth(program.rule, amounts, parts, {}))
    value = program.worth(points)
    values = {
        "total": formats.money(total, currency),
        "points": formats.number(points),
        "worth": "" if value is None else formats.money(value, currency),
    }
    said = (
        _("An order of %(total)s earns %(points)s points.")
        if value is None
        else _("An order of %(total)s earns %(points)s points, worth %(worth)s.")
    )
    return str(said) % values


def everyday(program: Program) -> Decimal:
    """The total of an everyday order: about 200 times what €1 buys, less one."""
    return 200 * Decimal(programs.UNITS.get(program.store.currency, 1)) - 1


def example(program: Program, total: Decimal | None = None) -> str:
    """What the programme does with an order of `total`, and with an invented one and a refund of a part of it, in sentences."""
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
        simplest(program, everyday(program) if total is None else total),
        _(
            "An order of %(total)s (goods %(goods)s, shipping %(shipping)s, tax %(tax)s) counts %(base)s and earns %(points)s points."
        ),
    ]
    if value is not None:
        said.append(_("They are shown as worth %(worth)s."))
    said.append(_("If goods of %(back)s are sent back, %(taken)s points are taken back."))
    return " ".join(str(sentence) % values for sentence in said)


class ProgramForm(OptionalMinimum):
    # For the example alone; it is not kept.
    example_total = forms.DecimalField(
        label=_("An order of"), required=False, min_value=0, max_digits=16, decimal_places=4,
        widget=UnfoldAdminDecimalFieldWidget, help_text=_("Type the total of any order to see what it would earn."),
    )  # fmt: skip

    class Meta:
        model = Program
        fields = [
            "store", "name", "active", "rate", "rounding", "rounds_lines", "counts_shipping", "counts_taxes", "counts_fees",
            "excludes_sale", "excludes_gift_cards", "minimum_spend", "cap_order", "cap_day", "cap_month", "cap_customer",
            "stacks_multipliers", "point_value", "negative_balance", "pending_days", "adjust_limit", "credit_limit",
            "credit_code_days",
        ]  # fmt: skip

    def clean(self):
        cleaned = super().clean()
        self.instance.example_total = cleaned.get("example_total")
        if PREVIEW in self.data:
            # An error keeps it from being saved; the page says it kindly.
            raise forms.ValidationError(_("This is a preview: nothing is saved yet."), code=PREVIEW)
        return cleaned


class SwitchForm(forms.Form):
    on = forms.CharField(required=False, widget=forms.HiddenInput)


def values_of(form: ProgramForm) -> dict:
    return {name: value for name, value in form.cleaned_data.items() if name != "example_total"}


@admin.register(Program)
class ProgramAdmin(Tryable, StoreScopedAdmin):
    form = ProgramForm
    list_display = ["name_shown", "store", "active", "earns", "rounding", "starts_at"]
    list_select_related = ["store"]
    list_filter = [("store", StoreFilter), "active"]
    add_roles = {Role.OWNER}
    fieldsets = [
        (None, {"fields": ["store", "name", "active", "starts_at"]}),
        (_("What an order earns"), {"fields": ["rate", "rounding", "rounds_lines", "counts_shipping", "counts_taxes", "counts_fees"]}),
        (
            _("What earns nothing, and how much at most"),
            {
                "fields": [
                    "excludes_sale", "excludes_gift_cards", "minimum_spend", "cap_order", "cap_day", "cap_month", "cap_customer",
                    "stacks_multipliers",
                ]
            },
        ),
        (_("What points are worth"), {"fields": ["point_value", "negative_balance"]}),
        (_("Safety"), {"fields": ["pending_days", "adjust_limit", "credit_limit", "credit_code_days"]}),
        (_("Example"), {"fields": ["example_total", "example"], "description": _("It follows the fields above as you change them.")}),
        (_("Past orders"), {"fields": ["try_out"]}),
    ]  # fmt: skip
    readonly_fields = ["starts_at", "example", "try_out"]
    change_form_before_template = "admin/loyalty/program/overview.html"
    actions_detail = ["switch"]

    class Media:
        js = ["loyalty/program.js"]

    def get_readonly_fields(self, request, obj=None):
        # Accounts and entries belong to the store; a programme does not move to another.
        return [*self.readonly_fields, "store"] if obj else self.readonly_fields

    def get_urls(self):
        preview = self.admin_site.admin_view(self.preview)
        return [path("example/", preview, name="loyalty_program_example"), *super().get_urls()]

    def get_changeform_initial_data(self, request):
        return programs.SAFE | super().get_changeform_initial_data(request)

    def save_model(self, request, obj, form, change):
        if change and obj.active and "active" in form.changed_data:
            for name, value in programs.going_on(timezone.now()).items():
                setattr(obj, name, value)
        super().save_model(request, obj, form, change)

    def has_switch_permission(self, request, object_id=None):
        program = self.get_queryset(request).filter(pk=object_id).first() if object_id else None
        return has_role(request.user, self.change_roles, program and program.store_id)

    @action(description=_("Pause or resume"), url_path="switch", permissions=["switch"], icon="pause_circle")
    def switch(self, request, object_id):
        program = self.get_object(request, object_id)
        if program is None:
            raise Http404
        page = redirect("admin:loyalty_program_change", program.pk)
        if request.method == "POST":
            # The form says what its button did, so that a page left open does not do the opposite.
            on = request.POST.get("on") == "yes"
            if programs.switch(program, on, timezone.now()):
                self.log_change(request, program, str(_("Resumed") if on else _("Paused")))
            messages.success(request, _("The programme is on.") if on else _("The programme is paused."))
            return page
        context = self.admin_site.each_context(request) | {
            "title": _("Pause or resume"),
            "opts": self.opts,
            "form": SwitchForm(initial={"on": "" if program.active else "yes"}),
            "program": program,
            "back": page.url,
        }
        return render(request, "admin/loyalty/program/switch.html", context)

    def change_view(self, request, object_id, form_url="", extra_context=None):
        program = self.get_object(request, object_id)
        if program is not None:
            shown = {"overview": overview.facts(program, timezone.now()), "pages": overview.pages(program)}
            extra_context = (extra_context or {}) | shown
        return super().change_view(request, object_id, form_url, extra_context)

    def render_change_form(self, request, context, *args, **kwargs):
        form = context["adminform"].form
        if form.is_bound and form.non_field_errors().as_data() and len(form.errors) == 1:
            codes = {error.code for error in form.non_field_errors().as_data()}
            if codes == {PREVIEW}:
                form.errors.clear()
                context["errors"] = None
                messages.info(request, _("This is a preview: nothing is saved yet."))
        return super().render_change_form(request, context, *args, **kwargs)

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
        problems = set(form.errors) & {"rate", "rounding", "point_value", "minimum_spend", "cap_order", "example_total"}
        text = (
            _("Fill in the numbers above.")
            if problems
            else example(Program(**values_of(form) | {"store": store}), form.cleaned_data["example_total"])
        )
        return JsonResponse({"text": str(text)})

    @display(description=_("Programme"))
    def name_shown(self, program):
        return str(program)

    @display(description=_("Earns"))
    def earns(self, program):
        return explaining.rate(program.rate, program.store.currency)

    @display(description=_("For example"))
    def example(self, program):
        total = getattr(program, "example_total", None)
        text = example(program, total) if program.store_id else _("Choose a store first.")
        return format_html(
            '<output data-example="{}" data-store="{}">{}</output><br>'
            '<button type="submit" name="{}" value="1" class="border border-base-200 rounded-default mt-2 px-3 py-2 dark:border-base-700">{}</button>',
            reverse("admin:loyalty_program_example"),
            program.store_id or "",
            text,
            PREVIEW,
            _("Preview"),
        )
