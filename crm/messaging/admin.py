from django.contrib import admin, messages
from django.db.models import Q
from django.forms import CheckboxSelectMultiple, MultipleChoiceField
from django.http import Http404
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import action, display

from crm.orders.admin import link_to
from crm.stores.models import Store
from crm.stores.staff import ReadOnlyAdmin, Role, StoreFilter, StoreScopedAdmin, has_role
from crm.work.wake import wake

from . import kinds, preview
from .models import Consent, MailSettings, Message, Suppression

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
