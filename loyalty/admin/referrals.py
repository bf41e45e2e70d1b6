"""Invited friends for staff, who decide where something looks odd."""

from django import forms
from django.contrib import admin, messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget

from crm.orders.admin import link_to
from crm.stores.staff import ReadOnlyAdmin, Role, StoreFilter, has_role

from .. import referrals
from ..models import Referral

COLOURS = {
    Referral.State.INVITED: "info",
    Referral.State.ORDERED: "info",
    Referral.State.DELIVERED: "info",
    Referral.State.REWARDED: "success",
    Referral.State.DECLINED: "danger",
    Referral.State.LAPSED: "warning",
}


class DecideForm(forms.Form):
    reason = forms.CharField(label=_("Reason"), max_length=300, widget=UnfoldAdminTextInputWidget)


class UndecidedFilter(admin.SimpleListFilter):
    title = _("decision")
    parameter_name = "decide"

    def lookups(self, request, model_admin):
        return [("yes", _("To be decided"))]

    def queryset(self, request, queryset):
        return queryset.undecided() if self.value() else queryset


@admin.register(Referral)
class ReferralAdmin(ReadOnlyAdmin):
    list_display = ["friend_email", "member_link", "state_shown", "odd", "created_at", "due_at", "store"]
    list_filter = [UndecidedFilter, "state", ("store", StoreFilter)]
    list_select_related = ["member", "store"]
    search_fields = ["friend_email", "member__email", "member__last_name"]
    search_help_text = _("E-mail of the friend or the member, or the member's last name")
    ordering = ["-pk"]
    show_full_result_count = False
    list_per_page = 50
    fields = [
        "friend_email", "member_link", "state", "reason", "odd", "order_link", "created_at", "lapses_at", "ordered_at",
        "delivered_at", "due_at", "rewarded_at", "decided_at", "decided_by", "decided_by_key", "decision", "store",
    ]  # fmt: skip
    readonly_fields = ["member_link", "order_link", "odd"]
    actions_detail = ["approve", "decline", "reopen"]
    decide_roles = {Role.OWNER}

    def has_decide_permission(self, request, object_id=None):
        referral = self.get_queryset(request).filter(pk=object_id).first() if object_id else None
        return has_role(request.user, self.decide_roles, referral and referral.store_id)

    @action(description=_("Approve"), url_path="approve", permissions=["decide"], icon="check")
    def approve(self, request, object_id):
        return self._decide(request, object_id, referrals.approve, _("Approve the reward"))

    @action(description=_("Decline"), url_path="decline", permissions=["decide"], icon="close")
    def decline(self, request, object_id):
        told = _("The member gets no points and is told so, with the reason you write.")
        return self._decide(request, object_id, referrals.decline, _("Decline the reward"), told)

    @action(description=_("Undo the refusal"), url_path="reopen", permissions=["decide"], icon="undo")
    def reopen(self, request, object_id):
        told = _("It goes on from where the friend's order is now. The member sees it in the portal and gets no mail.")
        return self._decide(request, object_id, _reopen, _("Undo the refusal"), told)

    def _decide(self, request, object_id, verb, title, told=""):
        referral = self.get_object(request, object_id)
        if referral is None:
            raise Http404
        back = redirect("admin:loyalty_referral_change", referral.pk)
        form = DecideForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                verb(referral, request.user, form.cleaned_data["reason"], timezone.now())
            except referrals.Decided as error:
                messages.warning(request, str(error))
            else:
                self.log_change(request, referral, f"{title}: {form.cleaned_data['reason']}")
                messages.success(request, _("Done."))
            return back
        context = self.admin_site.each_context(request) | {
            "title": title,
            "opts": self.opts,
            "form": form,
            "referral": referral,
            "odd": self.odd(referral),
            "told": told,
            "back": reverse("admin:loyalty_referral_change", args=[referral.pk]),
        }
        return render(request, "admin/loyalty/referral/decide.html", context)

    @display(description=_("member"))
    def member_link(self, referral):
        return link_to(referral.member)

    @display(description=_("first order"))
    def order_link(self, referral):
        return link_to(referral.order)

    @display(description=_("state"), ordering="state", label=COLOURS)
    def state_shown(self, referral):
        return referral.state, referral.get_state_display()

    @display(description=_("odd"))
    def odd(self, referral):
        return ", ".join(str(Referral.Flag(flag).label) for flag in referral.flags) or "—"


def _reopen(referral, by, reason, at):
    """Who undid it, and why, stands in the row's history."""
    referrals.reopen(referral, at)
