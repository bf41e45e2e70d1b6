"""Earning rules, campaigns and other ways to earn; which rule wins for a product; and what a draft does to past orders."""

import copy

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelect, AutocompleteSelectMultiple
from django.contrib.postgres.forms import SimpleArrayField
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from crm.orders.models import Category, Product
from crm.stores import formats
from crm.stores.models import Store
from crm.stores.staff import ReadOnlyAdmin, Role, StoreFilter, StoreScopedAdmin

from .. import choosing, explaining, occasions, trials
from ..models import Campaign, EarningRule, Occasion, RuleVersion, Trial

TRY = "_try"


class Tryable:
    """A form with buttons that try what it says on past orders. Nothing is saved for that."""

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        if request.method == "POST" and TRY in request.POST and (trial := self._ask(request, object_id)):
            return redirect("admin:loyalty_trial_change", trial.pk)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def _ask(self, request, object_id):
        obj = self.get_object(request, object_id) if object_id else None
        if object_id and obj is None:
            raise Http404
        if not (self.has_change_permission(request, obj) if obj else self.has_add_permission(request)):
            raise PermissionDenied
        days = request.POST[TRY]
        form = self.get_form(request, obj, change=obj is not None)(request.POST, instance=obj)
        # A form with errors is shown with them by the usual way.
        if form.is_valid() and days in map(str, Trial.Days.values):
            return trials.ask(form.instance, days=int(days), by=request.user)
        return None

    @display(description=_("Try it first"))
    def try_out(self, obj):
        buttons = render_to_string("admin/loyalty/trial/buttons.html", {"name": TRY, "choices": Trial.Days.choices})
        return format_html("{}", buttons)


def of_ones_stores(model, user, roles=None):
    """Rows of the stores that one works for (in these roles): another store's product must not even be named in an error."""
    return model.objects.filter(store__in=Store.objects.for_user(user, roles or None))


class OptionalMinimum(forms.ModelForm):
    """Nothing typed means no minimum."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if "minimum_spend" in self.fields:
            self.fields["minimum_spend"].required = False

    def clean_minimum_spend(self):
        return self.cleaned_data["minimum_spend"] or 0


class ActiveForm(forms.ModelForm):
    def clean(self):
        cleaned = super().clean()
        if TRY in self.data:
            # A draft may stand beside a rule that is on; to switch it on is for another click.
            self.instance.active = False
        return cleaned


@admin.register(EarningRule)
class EarningRuleAdmin(Tryable, StoreScopedAdmin):
    list_display = ["thing", "level", "earns", "active", "store"]
    list_select_related = ["store", "product__parent", "category"]
    list_filter = [("store", StoreFilter), "active"]
    list_filter_submit = True
    search_fields = ["product__name", "product__sku", "category__name"]
    search_help_text = _("Product, SKU or category")
    ordering = ["-pk"]
    add_roles = {Role.OWNER}
    delete_roles = {Role.OWNER}
    autocomplete_fields = ["product", "category"]
    form = ActiveForm
    fields = ["store", "product", "category", "rate", "active", "try_out"]
    readonly_fields = ["try_out"]
    actions_list = ["which"]

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        if db_field.related_model in (Product, Category):
            kwargs["queryset"] = of_ones_stores(db_field.related_model, request.user, self.add_roles)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @action(description=_("Which rule wins?"), url_path="which", icon="rule")
    def which(self, request):
        """For a product: every rule that fits, the winner first, and what it earns today."""
        form = WhichForm(request.GET or None, products=of_ones_stores(Product, request.user))
        product = form.cleaned_data["product"] if form.is_bound and form.is_valid() else None
        context = self.admin_site.each_context(request) | {
            "title": _("Which rule wins?"),
            "opts": self.opts,
            "form": form,
            "media": self.media + form.media,
            "answer": product and choosing.explain(product, timezone.now()),
            "back": reverse("admin:loyalty_earningrule_changelist"),
        }
        return render(request, "admin/loyalty/earningrule/which.html", context)

    @display(description=_("For"))
    def thing(self, rule):
        return explaining.thing(rule)

    @display(description=_("Kind"))
    def level(self, rule):
        return choosing.LEVELS[
            choosing.CATEGORY
            if rule.category_id
            else choosing.VARIATION
            if rule.product.parent_id
            else choosing.PRODUCT
        ]

    @display(description=_("Earns"))
    def earns(self, rule):
        return explaining.rate(rule.rate, rule.store.currency) if rule.rate else _("nothing")


class WhichForm(forms.Form):
    product = forms.ModelChoiceField(
        Product.objects.none(),
        label=_("Product or variation"),
        widget=AutocompleteSelect(EarningRule._meta.get_field("product"), admin.site),
    )

    def __init__(self, *args, products, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["product"].queryset = products


class CampaignForm(OptionalMinimum, ActiveForm):
    weekdays = forms.TypedMultipleChoiceField(
        label=_("Days of the week"), choices=Campaign.Weekday, coerce=int, required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget, help_text=_("None: every day. By the shop's time."),
    )  # fmt: skip
    product_ids = forms.ModelMultipleChoiceField(
        Product.objects.none(), label=_("Products"), required=False, help_text=_("None and no categories: everything."),
        widget=AutocompleteSelectMultiple(EarningRule._meta.get_field("product"), admin.site),
    )  # fmt: skip
    category_ids = forms.ModelMultipleChoiceField(
        Category.objects.none(), label=_("Categories"), required=False, help_text=_("With the categories below them."),
        widget=AutocompleteSelectMultiple(EarningRule._meta.get_field("category"), admin.site),
    )  # fmt: skip

    class Meta:
        model = Campaign
        fields = [
            "store", "name", "multiplier", "bonus", "starts_at", "ends_at", "weekdays", "product_ids", "category_ids", "tiers",
            "minimum_spend", "active",
        ]  # fmt: skip
        field_classes = {"tiers": SimpleArrayField}

    def clean(self):
        cleaned = super().clean()
        store = self.instance.store if self.instance.store_id else cleaned.get("store")
        for name in ("product_ids", "category_ids"):
            chosen = cleaned.get(name) or []
            if any(thing.store_id != (store and store.pk) for thing in chosen):
                self.add_error(name, ValidationError(_("Choose from this store's.")))
            cleaned[name] = sorted(thing.pk for thing in chosen)
        return cleaned


@admin.register(Campaign)
class CampaignAdmin(Tryable, StoreScopedAdmin):
    form = CampaignForm
    list_display = ["name", "gives", "when", "active", "store"]
    list_select_related = ["store"]
    list_filter = [("store", StoreFilter), "active"]
    list_filter_submit = True
    search_fields = ["name"]
    ordering = ["-pk"]
    add_roles = {Role.OWNER}
    delete_roles = {Role.OWNER}
    fieldsets = [
        (None, {"fields": ["store", "name", "multiplier", "bonus", "active"]}),
        (_("When"), {"fields": ["starts_at", "ends_at", "weekdays"]}),
        (_("For what and whom"), {"fields": ["product_ids", "category_ids", "minimum_spend", "tiers"]}),
        (_("Past orders"), {"fields": ["try_out"]}),
    ]
    readonly_fields = ["try_out"]

    def get_form(self, request, obj=None, change=False, **kwargs):
        form = super().get_form(request, obj, change, **kwargs)
        # Copies: the fields as declared are shared by all requests.
        for name, model in (("product_ids", Product), ("category_ids", Category)):
            if name in form.base_fields:
                form.base_fields[name] = copy.deepcopy(form.base_fields[name])
                form.base_fields[name].queryset = of_ones_stores(model, request.user, self.add_roles)
        return form

    @display(description=_("Gives"))
    def gives(self, campaign):
        return explaining.gift(campaign.multiplier, campaign.bonus)

    @display(description=_("When"), ordering="starts_at")
    def when(self, campaign):
        zone = campaign.store.timezone
        starts, ends = (at and formats.moment(at, zone) for at in (campaign.starts_at, campaign.ends_at))
        return " – ".join([starts or "…", ends or "…"]) if starts or ends else _("always")


class OccasionForm(forms.ModelForm):
    class Meta:
        model = Occasion
        fields = ["store", "kind", "points", "per_month", "active"]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if "kind" in self.fields:
            # What nothing in the product would ever give points for is not offered.
            self.fields["kind"].choices = [(kind, kind.label) for kind in occasions.offered()]
            self.fields["kind"].help_text = _(
                "Points for joining come with the first paid order, and once for each mailbox: an address costs nothing."
            )


@admin.register(Occasion)
class OccasionAdmin(StoreScopedAdmin):
    form = OccasionForm
    list_display = ["kind", "points", "per_month", "active", "store"]
    list_select_related = ["store"]
    list_filter = [("store", StoreFilter), "active"]
    ordering = ["store", "kind"]
    add_roles = {Role.OWNER}
    delete_roles = {Role.OWNER}

    def get_readonly_fields(self, request, obj=None):
        fields = super().get_readonly_fields(request, obj)
        return [*fields, "kind"] if obj else fields


@admin.register(RuleVersion)
class RuleVersionAdmin(ReadOnlyAdmin):
    list_display = ["of", "object_id", "number", "valid_from", "valid_until", "store"]
    list_select_related = ["store"]
    list_filter = [("store", StoreFilter), "of"]
    list_filter_submit = True
    ordering = ["-pk"]
    show_full_result_count = False
    fields = ["of", "object_id", "number", "valid_from", "valid_until", "store", "content"]


@admin.register(Trial)
class TrialAdmin(ReadOnlyAdmin):
    list_display = ["name", "of", "days", "state", "created_at", "store"]
    list_select_related = ["store"]
    list_filter = [("store", StoreFilter)]
    ordering = ["-pk"]
    show_full_result_count = False
    fields = ["name", "days", "created_at", "created_by", "outcome"]
    readonly_fields = ["outcome"]

    def get_urls(self):
        adopt = self.admin_site.admin_view(require_POST(self.adopt))
        return [path("<int:object_id>/adopt/", adopt, name="loyalty_trial_adopt"), *super().get_urls()]

    def change_view(self, request, object_id, form_url="", extra_context=None):
        answer = super().change_view(request, object_id, form_url, extra_context)
        trial = self.get_object(request, object_id)
        if trial and trial.state in (Trial.State.DUE, Trial.State.RUNNING):
            answer.headers["Refresh"] = "3"
        return answer

    def adopt(self, request, object_id):
        """Put into force what was tried."""
        trial = self.get_object(request, object_id)
        if trial is None:
            raise Http404
        if not StoreScopedAdmin._allowed(self, request, {Role.OWNER}, trial):
            raise PermissionDenied
        try:
            changed = trials.adopt(trial)
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
            return redirect("admin:loyalty_trial_change", trial.pk)
        of = f"admin:loyalty_{changed._meta.model_name}_change"
        self.log_change(request, trial, str(_("Put into force: %s") % changed))
        messages.success(request, _("It is in force from now on. What was earned before stays as it is."))
        return redirect(of, changed.pk)

    @display(description=_("Result"))
    def outcome(self, trial):
        currency = trial.store.currency
        context = {"trial": trial, "result": trial.result, "currency": currency}
        return render_to_string("admin/loyalty/trial/outcome.html", context)
