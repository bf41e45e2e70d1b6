from django.contrib import admin, messages
from django.db.models import Q
from django.forms import CheckboxSelectMultiple, MultipleChoiceField
from django.http import Http404
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import action, display

from crm.orders.admin import link_to
from crm.stores.models import Store
from crm.stores.staff import ReadOnlyAdmin, Role, StoreFilter, StoreScopedAdmin, has_role
from crm.work.wake import wake

from . import holds, kinds, preview
from .models import Consent, Hold, MailSettings, Message, Suppression

OUTCOME_COLOURS = {
    "queued": "info",
    "sent": "success",
    "skipped": "warning",
    "unknown": "warning",
    "failed": "danger",
    "bounced": "danger",
}


class KindFilter(admin.SimpleListFilter):
    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request, model_admin):
        return kinds.choices()

    def queryset(self, request, queryset):
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "kind_shown", "recipient", "subject", "outcome_shown", "sent_at", "order_link"]
    list_filter = ["outcome", KindFilter, "purpose", ("store", StoreFilter)]
    list_select_related = ["order"]
    search_fields = ["recipient", "subject", "order__number"]
    ordering = ["-created_at", "-pk"]
    date_hierarchy = "created_at"
    show_full_result_count = False
    actions = ["retry", "send_again"]
    fieldsets = [
        (None, {"fields": ["kind_shown", "purpose", "recipient", "customer_link", "order_link", "key", "language"]}),
        (
            _("What became of it"),
            {"fields": ["outcome", "skip_reason", "due_at", "attempts", "sent_at", "delivered_at", "error"]},
        ),
        (_("As sent"), {"fields": ["subject", "body"]}),
    ]
    readonly_fields = ["kind_shown", "customer_link", "order_link", "body"]

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("customer", "order", "store")

    def get_urls(self):
        body = self.admin_site.admin_view(self.body_view)
        return [path("<int:pk>/body/", body, name="messaging_message_body"), *super().get_urls()]

    def body_view(self, request, pk):
        message = self.get_queryset(request).filter(pk=pk).first()
        if message is None or not message.html or not self.has_view_permission(request, message):
            raise Http404
        kind = kinds.KINDS.get(message.kind)
        if kind and kind.is_secret and not has_role(request.user, {Role.OWNER}, message.store_id):
            text = _("What this mail says is worth money to whoever reads it: only owners of the store see it.")
            return preview.response(format_html("<p>{}</p>", text))
        return preview.response(message.html)

    @display(description=_("kind"), ordering="kind")
    def kind_shown(self, message):
        return message.kind_label

    @display(description=_("outcome"), ordering="outcome", label=OUTCOME_COLOURS)
    def outcome_shown(self, message):
        return message.outcome, message.get_outcome_display()

    @display(description=_("order"))
    def order_link(self, message):
        return link_to(message.order)

    @display(description=_("customer"))
    def customer_link(self, message):
        return link_to(message.customer)

    @display(description=_("mail"))
    def body(self, message):
        if not message.html:
            return "—"
        url = reverse("admin:messaging_message_body", args=[message.pk])
        return format_html(
            '<iframe src="{}" title="{}" sandbox="{}" width="680" height="720" class="max-w-full border rounded"></iframe>',
            url,
            _("The mail as sent"),
            preview.SANDBOX,
        )

    def has_send_permission(self, request):
        return has_role(request.user, {Role.OWNER, Role.AGENT})

    def _theirs(self, request, queryset):
        """Of the chosen rows those in whose store this member of staff may send."""
        if request.user.is_superuser:
            return queryset
        roles = Q(store__memberships__user=request.user, store__memberships__role__in=[Role.OWNER, Role.AGENT])
        return Message.objects.filter(pk__in=queryset.filter(roles).values("pk"))

    @action(description=_("Try again: failed messages"), permissions=["send"])
    def retry(self, request, queryset):
        self._tell(request, self._theirs(request, queryset).retry())

    @action(description=_("Send again although it may have arrived: unknown messages"), permissions=["send"])
    def send_again(self, request, queryset):
        self._tell(request, self._theirs(request, queryset).send_again())

    def _tell(self, request, count):
        if count:
            wake(Message)
        messages.success(request, ngettext("%d message is sent now.", "%d messages are sent now.", count) % count)


@admin.register(Consent)
class ConsentAdmin(ReadOnlyAdmin):
    list_display = ["at", "email", "purpose", "given", "source", "store"]
    list_filter = ["given", ("store", StoreFilter)]
    list_select_related = ["store"]
    search_fields = ["email"]
    ordering = ["-at", "-pk"]
    fields = ["store", "email", "purpose", "given", "at", "source", "proof"]


@admin.register(Suppression)
class SuppressionAdmin(StoreScopedAdmin):
    list_display = ["email", "reason", "created_at", "store"]
    list_filter = ["reason", ("store", StoreFilter)]
    list_select_related = ["store"]
    search_fields = ["email"]
    ordering = ["-created_at"]
    fields = ["store", "email", "reason", "detail"]
    add_roles = delete_roles = {Role.OWNER, Role.AGENT}
    change_roles: set[str] = set()

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.related_model is Store:
            # Only whoever looks after all stores may close an address for all of them.
            field.required = not request.user.is_superuser
        return field


class OpenFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "open"

    def lookups(self, request, model_admin):
        return [("yes", _("Open")), ("no", _("Over"))]

    def queryset(self, request, queryset):
        active = Hold.objects.active(timezone.now()).values("pk")
        if self.value() == "yes":
            return queryset.filter(pk__in=active)
        return queryset.exclude(pk__in=active) if self.value() == "no" else queryset


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    """Why somebody gets no marketing at the moment and their points do not expire; staff may know better and lift it."""

    list_display = ["customer_shown", "kind", "reason", "placed_at", "ends_at", "lifted_at", "store"]
    list_filter = [OpenFilter, "kind", ("store", StoreFilter)]
    list_select_related = ["customer", "store"]
    search_fields = ["customer__email", "customer__last_name", "reason"]
    ordering = ["-placed_at", "-pk"]
    show_full_result_count = False
    actions = ["lift"]
    fields = ["customer_link", "kind", "reason", "placed_at", "ends_at", "lifted_at", "lifted_by", "store"]
    readonly_fields = ["customer_link"]

    @display(description=_("customer"), header=True)
    def customer_shown(self, hold):
        return [str(hold.customer), hold.customer.email]

    @display(description=_("customer"))
    def customer_link(self, hold):
        return link_to(hold.customer)

    def has_lift_permission(self, request):
        return has_role(request.user, {Role.OWNER, Role.AGENT})

    @action(description=_("Lift: the problem is solved"), permissions=["lift"])
    def lift(self, request, queryset):
        count = 0
        # Who froze an account unfreezes it: its points must not expire before.
        for hold in queryset.filter(lifted_at=None).exclude(kind=holds.Kind.REVIEW).select_related("store"):
            if has_role(request.user, {Role.OWNER, Role.AGENT}, hold.store_id):
                count += holds.lift(hold.store, [hold.reason], timezone.now(), request.user)
        messages.success(request, ngettext("%d hold is lifted.", "%d holds are lifted.", count) % count)


@admin.register(MailSettings)
class MailSettingsAdmin(StoreScopedAdmin):
    list_display = ["store", "from_email", "reply_to"]
    list_select_related = ["store"]
    fields = ["store", "from_email", "reply_to", "switched_off"]
    add_roles = {Role.OWNER}

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        if db_field.name == "switched_off":
            return MultipleChoiceField(
                choices=kinds.choices(),
                widget=CheckboxSelectMultiple,
                required=False,
                label=db_field.verbose_name,
                help_text=db_field.help_text,
            )
        return super().formfield_for_dbfield(db_field, request, **kwargs)
