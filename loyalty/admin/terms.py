"""The programme's terms for its members: who takes part, tiers, invitations, expiry."""

from decimal import Decimal

from django import forms
from django.contrib import admin
from django.contrib.postgres.forms import SimpleArrayField
from django.http import Http404
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _
from unfold.admin import StackedInline, TabularInline
from unfold.decorators import action
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from crm.stores import formats
from crm.stores.staff import Role, StoreFilter, StoreScopedAdmin, has_role

from .. import members, reaching, tiers
from ..models import MembershipTerms, Program, ReferralTerms, Tier


class OfTheProgram:
    """An inline whose rows belong to the programme of the page: owners change them, the others look."""

    extra = 0

    def _owns(self, request, obj):
        return obj is not None and has_role(request.user, {Role.OWNER}, obj.store_id)

    def has_view_permission(self, request, obj=None):
        return True  # the page itself is guarded

    def has_add_permission(self, request, obj=None):
        return self._owns(request, obj)

    def has_change_permission(self, request, obj=None):
        return self._owns(request, obj)

    def has_delete_permission(self, request, obj=None):
        return self._owns(request, obj)


class TierForm(forms.ModelForm):
    class Meta:
        model = Tier
        fields = ["name", "key", "threshold", "multiplier", "perks", "colour"]
        widgets = {"perks": UnfoldAdminTextInputWidget}

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if "key" in self.fields:
            self.fields["key"].required = False
            # On accounts and in campaigns already.
            self.fields["key"].disabled = bool(self.instance.pk)

    def clean(self):
        values = super().clean()
        if not values.get("key") and values.get("name"):
            # A name in another script than ours leaves nothing to make a key of.
            values["key"] = slugify(values["name"])[:40] or f"tier-{values.get('threshold', 0):.0f}"
        return values


class TierInline(OfTheProgram, TabularInline):
    model = Tier
    form = TierForm
    verbose_name_plural = _("Tiers")


class ReferralInline(OfTheProgram, StackedInline):
    model = ReferralTerms
    verbose_name_plural = _("Invitations of friends")
    max_num = 1


class PreviewForm(forms.Form):
    tier_measure = forms.ChoiceField(label=_("By"), choices=Program.Measure, widget=UnfoldAdminSelectWidget)
    tier_window = forms.ChoiceField(label=_("Counted"), choices=Program.Window, widget=UnfoldAdminSelectWidget)
    thresholds = SimpleArrayField(
        forms.DecimalField(min_value=0, max_digits=16, decimal_places=2),
        label=_("Thresholds"),
        max_length=20,
        help_text=_("With commas between them."),
        widget=UnfoldAdminTextInputWidget,
    )

    def clean_thresholds(self):
        return sorted(set(self.cleaned_data["thresholds"]))


@admin.register(MembershipTerms)
class MembershipTermsAdmin(StoreScopedAdmin):
    list_display = ["__str__", "store", "enrolment", "expiry", "tier_measure"]
    list_select_related = ["store"]
    list_filter = [("store", StoreFilter)]
    fieldsets = [
        (None, {"fields": ["store"]}),
        (_("Taking part"), {"fields": ["enrolment", "leaving_days"]}),
        (_("Expiry"), {"fields": ["expiry", "expiry_months"]}),
        (_("Tiers"), {"fields": ["tier_measure", "tier_window", "tier_grace_days", "tier_notice_days"]}),
    ]
    inlines = [TierInline, ReferralInline]
    actions_detail = ["preview"]

    def save_model(self, request, obj, form, change):
        if "enrolment" in form.changed_data and obj.enrolment == obj.Enrolment.JOIN:
            members.keep_holders(obj.store, timezone.now())
        if {"expiry", "expiry_months"} & set(form.changed_data):
            obj.expiry_since = timezone.now()
        super().save_model(request, obj, form, change)

    def save_related(self, request, form, formsets, change):
        super().save_related(request, form, formsets, change)
        tiers.settle_campaigns(form.instance)

    def has_preview_permission(self, request, object_id=None):
        terms = self.get_queryset(request).filter(pk=object_id).first() if object_id else None
        return has_role(request.user, self.view_roles, terms and terms.store_id)

    @action(description=_("Try thresholds"), url_path="preview", permissions=["preview"], icon="query_stats")
    def preview(self, request, object_id):
        """How many members would be where; nothing is saved."""
        terms = self.get_object(request, object_id)
        if terms is None:
            raise Http404
        saved = list(terms.tiers.order_by("threshold"))
        initial = {
            "tier_measure": terms.tier_measure,
            "tier_window": terms.tier_window,
            "thresholds": [tier.threshold for tier in saved],
        }
        form = PreviewForm(request.GET if "thresholds" in request.GET else None, initial=initial)
        wanted = form.cleaned_data if form.is_valid() else None if form.is_bound else initial
        rows = []
        if wanted and wanted["thresholds"]:
            terms.tier_measure, terms.tier_window = wanted["tier_measure"], wanted["tier_window"]
            names = {tier.threshold: tier.name for tier in saved}
            counts = reaching.preview(terms, wanted["thresholds"], timezone.now())
            places = zip([None, *wanted["thresholds"]], counts, strict=True)
            rows = [self._row(terms, names, threshold, count) for threshold, count in places]
        context = self.admin_site.each_context(request) | {
            "title": _("Try thresholds"),
            "opts": self.opts,
            "form": form,
            "rows": rows,
            "back": reverse("admin:loyalty_membershipterms_change", args=[terms.pk]),
        }
        return render(request, "admin/loyalty/membershipterms/preview.html", context)

    def _row(self, terms, names, threshold: Decimal | None, count):
        if threshold is None:
            return {"name": _("In no tier"), "threshold": "", "count": formats.number(count)}
        amount = reaching.amount(terms, threshold)
        return {"name": names.get(threshold, "—"), "threshold": amount, "count": formats.number(count)}
