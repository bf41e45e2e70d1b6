"""Reviews for staff: read, then publish or hold back for a reason; who was asked, and how a store asks."""

from django.contrib import admin, messages
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import display

from crm.orders.admin import link_to
from crm.stores.staff import ReadOnlyAdmin, Role, StoreFilter, StoreScopedAdmin

from . import publishing
from .forms import DecisionForm
from .models import Answer, Invitation, ReviewSettings

STATE_COLOURS = {"waiting": "warning", "approved": "info", "posted": "success", "declined": "danger"}


class LowFilter(admin.SimpleListFilter):
    title = _("stars")
    parameter_name = "stars"

    def lookups(self, request, model_admin):
        return [("low", _("3 or fewer")), ("high", _("4 or 5")), ("none", _("Not received"))]

    def queryset(self, request, queryset):
        wanted = {"low": {"score__lte": Answer.LOW}, "high": {"score__gt": Answer.LOW}, "none": {"score": None}}
        return queryset.filter(**wanted.get(self.value(), {}))


@admin.register(Answer)
class AnswerAdmin(StoreScopedAdmin):
    change_roles = {Role.OWNER, Role.AGENT}
    list_display = ["stars", "product_name", "text_shown", "customer_shown", "answered_at", "state_shown", "store"]
    list_display_links = ["stars", "product_name"]
    list_select_related = ["store", "invitation__customer"]
    list_filter = [("store", StoreFilter), "state", LowFilter]
    search_fields = ["product_name", "text", "shown_name", "invitation__customer__email", "invitation__order__number"]
    ordering = ["-answered_at", "-pk"]
    show_full_result_count = False
    actions = ["approve"]
    form = DecisionForm
    fieldsets = [
        (None, {"fields": ["stars", "product_link", "text", "shown_name", "state_words"]}),
        (_("Decision"), {"fields": ["obstacle", "decision"]}),
        (_("Where it comes from"), {"fields": ["order_link", "customer_link", "answered_at", "changed_at", "store"]}),
        (_("Decided"), {"fields": ["decline_reason", "decided_by", "decided_at", "woo_id"]}),
    ]

    def has_add_permission(self, request):
        return False

    def get_fieldsets(self, request, obj=None):
        # What waits can be decided, what was decided says how.
        hidden = _("Decided") if obj is None or obj.is_open else _("Decision")
        return [entry for entry in self.fieldsets if entry[0] != hidden]

    def get_readonly_fields(self, request, obj=None):
        # Nobody rewrites what a customer said.
        fields = [field for _name, options in self.fieldsets for field in options["fields"]]
        return [field for field in fields if field != "decision"]

    def save_model(self, request, obj, form, change):
        decision = form.cleaned_data.get("decision")
        if decision == DecisionForm.PUBLISH:
            self._approve(request, [obj])
        elif decision:
            publishing.decline(obj, decision, request.user, timezone.now())
            reason = Answer.DeclineReason(decision).label
            self.message_user(request, _("Held back: %(reason)s") % {"reason": reason}, messages.SUCCESS)

    @admin.action(description=_("Publish in the shop"), permissions=["change"])
    def approve(self, request, queryset):
        self._approve(request, queryset)

    def _approve(self, request, answers):
        done = 0
        for answer in self._mine(request, answers):
            try:
                publishing.approve(answer, request.user, timezone.now())
                done += 1
            except publishing.CannotPublish as error:
                self.message_user(request, f"{answer}: {error}", messages.WARNING)
        if done:
            text = ngettext(
                "%(n)s review is on its way to the shop.", "%(n)s reviews are on their way to the shop.", done
            )
            self.message_user(request, text % {"n": done}, messages.SUCCESS)

    def _mine(self, request, answers):
        """Who owns one store and looks into another decides in the first alone."""
        return [answer for answer in answers if self.has_change_permission(request, answer)]

    @display(description=_("Stars"), ordering="score")
    def stars(self, answer):
        if answer.not_received:
            return _("Not received")
        return format_html(
            '<span aria-label="{}">{}</span>', answer.score, "★" * answer.score + "☆" * (5 - answer.score)
        )

    @display(description=_("Text"))
    def text_shown(self, answer):
        return answer.text[:120] + ("…" if len(answer.text) > 120 else "") or "—"

    @display(description=_("Customer"))
    def customer_shown(self, answer):
        return answer.invitation.customer or "—"

    @display(description=_("State"), ordering="state", label=STATE_COLOURS)
    def state_shown(self, answer):
        return answer.state, answer.get_state_display()

    @display(description=_("State"))
    def state_words(self, answer):
        return answer.get_state_display()

    @display(description=_("Can it be published?"))
    def obstacle(self, answer):
        return publishing.obstacle(answer) or _("Yes")

    @display(description=_("Product"))
    def product_link(self, answer):
        return link_to(answer.product, answer.product_name)

    @display(description=_("Order"))
    def order_link(self, answer):
        return link_to(answer.invitation.order)

    @display(description=_("Customer"))
    def customer_link(self, answer):
        return link_to(answer.invitation.customer)


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    list_display = ["order", "customer", "outcome", "skip_reason", "due_at", "store"]
    list_select_related = ["order", "customer", "store"]
    list_filter = [("store", StoreFilter), "outcome", "skip_reason"]
    search_fields = ["order__number", "customer__email"]
    ordering = ["-due_at"]
    show_full_result_count = False
    fields = ["order", "customer", "store", "outcome", "skip_reason", "due_at", "settled_at", "error"]


@admin.register(ReviewSettings)
class ReviewSettingsAdmin(StoreScopedAdmin):
    add_roles = {Role.OWNER}
    list_display = ["store", "enabled", "days_after"]
    list_select_related = ["store"]

    def get_readonly_fields(self, request, obj=None):
        return [] if obj is None else ["store"]
