"""Adjustments that staff asked for; those beyond a person's limit wait here for a second owner."""

from django import forms
from django.contrib import admin, messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from crm.orders.admin import link_to
from crm.stores import formats
from crm.stores.staff import ReadOnlyAdmin, Role, StoreFilter, has_role

from .. import adjusting, paid, units
from ..ledger import InsufficientPoints
from ..models import Adjustment
from . import downloads
from .accounts import done, link_to_account
from .downloads import Downloads

COLOURS = {
    Adjustment.State.WAITING.label: "warning",
    Adjustment.State.POSTED.label: "success",
    Adjustment.State.REFUSED.label: "danger",
}


class DecisionForm(forms.Form):
    decision = forms.ChoiceField(choices=[("approve", ""), ("refuse", "")])


@admin.register(Adjustment)
class AdjustmentAdmin(Downloads, ReadOnlyAdmin):
    list_display = [
        "when",
        "customer_shown",
        "points_shown",
        "reason",
        "state_shown",
        "asker",
        "decided_by",
        "store",
    ]
    list_display_links = ["when"]
    list_select_related = ["account__customer", "asked_by", "asked_by_key", "decided_by", "store"]
    list_filter = [("store", StoreFilter), "state"]
    search_fields = ["account__customer__email", "reason", "asked_by__email"]
    search_help_text = _("E-mail of the customer or of who asked, or the reason")
    ordering = ["-pk"]
    show_full_result_count = False
    list_per_page = 50
    fields = [
        "account_link", "points_shown", "reason", "order_link", "state_shown", "asker", "asked_at", "decided_by", "decided_at",
        "entry_link",
    ]  # fmt: skip
    readonly_fields = ["account_link", "points_shown", "order_link", "state_shown", "asker", "entry_link"]
    actions_detail = ["decide"]
    download_select_related = ("order", "asked_by", "asked_by_key", "decided_by")
    download_columns = [
        (_("Asked"), lambda row: downloads.when(row.asked_at, row)),
        *downloads.OWNER,
        (_("Points or credit"), lambda row: downloads.amount(row.points, row.account)),
        (_("Unit"), downloads.unit),
        (_("Reason"), lambda row: row.reason),
        (_("Order"), lambda row: row.order.number if row.order else ""),
        (_("State"), lambda row: row.get_state_display()),
        (_("Asked by"), lambda row: str(row.asker)),
        (_("Decided by"), lambda row: str(row.decided_by or "")),
        (_("Decided at"), lambda row: downloads.when(row.decided_at, row)),
    ]
    decide_roles = {Role.OWNER}

    def has_decide_permission(self, request, object_id=None):
        row = self.get_queryset(request).filter(pk=object_id).first() if object_id else None
        return has_role(request.user, self.decide_roles, row and row.store_id)

    @action(description=_("Decide"), url_path="decide", permissions=["decide"], icon="how_to_reg")
    def decide(self, request, object_id):
        adjustment = self.get_object(request, object_id)
        if adjustment is None:
            raise Http404
        page = reverse("admin:loyalty_adjustment_change", args=[adjustment.pk])
        form = DecisionForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            self._decide(request, adjustment, form.cleaned_data["decision"])
            return redirect(page)
        context = self.admin_site.each_context(request) | {
            "title": _("Decide on an adjustment"),
            "opts": self.opts,
            "adjustment": adjustment,
            "balance": units.shown(adjustment.account.balance, adjustment.account.unit),
            "waiting": adjustment.state == Adjustment.State.WAITING,
            "own": adjustment.asking_person_id == request.user.pk,
            "back": page,
        }
        return render(request, "admin/loyalty/adjustment/decide.html", context)

    def _decide(self, request, adjustment, decision):
        try:
            if decision == "refuse":
                adjusting.refuse(adjustment, request.user)
                said = _("Nothing was posted.")
            else:
                entry = adjusting.approve(adjustment, request.user).entry
                said = done(entry)
        except adjusting.NotYours:
            messages.error(request, _("Who asked for it can't approve it: another owner has to."))
        except (adjusting.AlreadyDecided, InsufficientPoints, paid.CannotGiveBack) as error:
            messages.error(request, str(error))
        else:
            self.log_change(request, adjustment, decision)
            messages.success(request, said)

    @display(description=_("Asked"), ordering="asked_at")
    def when(self, adjustment):
        return formats.moment(adjustment.asked_at, adjustment.store.timezone)

    @display(description=_("Customer"), header=True)
    def customer_shown(self, adjustment):
        return [str(adjustment.account.customer), adjustment.account.customer.email]

    @display(description=_("Asked by"))
    def asker(self, adjustment):
        return adjustment.asker

    @display(description=_("Account"))
    def account_link(self, adjustment):
        return link_to_account(adjustment.account)

    @display(description=_("Order"))
    def order_link(self, adjustment):
        return link_to(adjustment.order) if adjustment.order else "–"

    @display(description=_("Entry"))
    def entry_link(self, adjustment):
        return link_to(adjustment.entry)

    @display(description=_("Points or credit"), ordering="points")
    def points_shown(self, adjustment):
        return adjustment.shown

    @display(description=_("State"), ordering="state", label=COLOURS)
    def state_shown(self, adjustment):
        return adjustment.get_state_display()
