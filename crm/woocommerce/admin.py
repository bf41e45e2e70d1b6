"""What came from the shops and what goes to them, for their owners to look at and to try again."""

import contextlib
import json

from django.contrib import admin, messages
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.admin import TabularInline
from unfold.decorators import action, display

from crm.stores.models import Membership
from crm.stores.staff import ReadOnlyAdmin, StoreFilter
from crm.work.admin import DueWorkAdmin

from . import connect, sync, tasks
from .models import Connection, KeptAside, Push, Reread, SyncState, WebhookDelivery

OWNER = {Membership.Role.OWNER}


class ExchangeAdmin(DueWorkAdmin, ReadOnlyAdmin):
    # Bodies hold all of a customer's data.
    view_roles = retry_roles = OWNER
    list_filter = ["state", ("store", StoreFilter)]
    list_select_related = ["store"]


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ExchangeAdmin):
    list_display = ["topic", "created_at", "state_shown", "attempts", "error_shown", "store"]
    list_filter = [*ExchangeAdmin.list_filter, "topic"]
    fields = ["topic", "store", "state", "attempts", "due_at", "settled_at", "error", "body_shown"]
    fields += ["source", "webhook_id", "delivery_id", "created_at"]
    readonly_fields = ["body_shown", "created_at", "settled_at", "state", "attempts", "error"]

    def get_queryset(self, request):
        # A list of up to 8 MiB a row is no list.
        return super().get_queryset(request).defer("body")

    @display(description=_("body"))
    def body_shown(self, delivery):
        text = bytes(delivery.body).decode("utf-8", "replace")
        with contextlib.suppress(ValueError, RecursionError):
            text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        return text if len(text) <= 100_000 else f"{text[:100_000]} …"


@admin.register(Push)
class PushAdmin(ExchangeAdmin):
    list_display = ["kind", "key", "created_at", "state_shown", "outcome", "woo_id", "error_shown", "store"]
    list_filter = [*ExchangeAdmin.list_filter, "kind", "outcome"]
    search_fields = ["key"]
    fields = ["kind", "key", "store", "state", "outcome", "attempts", "due_at", "settled_at", "error"]
    fields += ["payload", "answer", "woo_id", "created_at"]
    readonly_fields = ["created_at", "settled_at", "state", "attempts", "error", "outcome", "answer", "woo_id"]


@admin.register(Reread)
class RereadAdmin(ExchangeAdmin):
    list_display = ["resource", "woo_id", "created_at", "state_shown", "attempts", "error_shown", "store"]
    fields = ["resource", "woo_id", "store", "state", "attempts", "due_at", "settled_at", "error", "created_at"]
    readonly_fields = ["created_at", "settled_at", "state", "attempts", "error"]


WALK = ["resource", "mode", "cursor", "read", "written", "kept_aside", "started_at", "finished_at", "error"]


class SyncStateInline(TabularInline):
    model = SyncState
    fk_name = "store"
    fields = readonly_fields = WALK
    extra = 0
    can_delete = False

    def has_view_permission(self, request, obj=None):
        return True  # the connection's page itself was allowed

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False


@admin.register(Connection)
class ConnectionAdmin(ReadOnlyAdmin):
    """How each shop is reached and how up to date its mirror is. What asks the shop is done by a worker, and its result shows here."""

    store_path = "pk"
    view_roles = sync_roles = OWNER
    list_display = ["name", "url", "check_shown", "checked_at", "orders_until", "aside_shown"]
    fields = ["name", "url", "signing", "wc_version", "connected_at", "check_shown", "checked_at", "message"]
    readonly_fields = ["check_shown", "checked_at", "message", "wc_version", "connected_at"]
    inlines = [SyncStateInline]
    actions = ["check_connection", "sync_now", "compare_now"]

    def get_queryset(self, request):
        aside = Count("kept_aside_rows", filter=Q(kept_aside_rows__resolved_at=None), distinct=True)
        queryset = super().get_queryset(request).connected().annotate(aside=aside)
        return queryset.select_related("connection_check").prefetch_related("sync_states")

    def has_sync_permission(self, request):
        # Not a change of the mirror: what the clock does anyway, only now.
        return super()._allowed(request, self.sync_roles, None)

    @action(description=_("Check the connection"), permissions=["sync"])
    def check_connection(self, request, queryset):
        for store in queryset:
            connect.ask_for_check(store, timezone.now())
            tasks.enqueue_check(store.pk)
        self._told(request, _("The check runs; its result shows here in a moment."))

    @action(description=_("Sync what changed now"), permissions=["sync"])
    def sync_now(self, request, queryset):
        for store in queryset:
            tasks.ask_for_sync(store)
        self._told(request, _("The sync runs; its progress shows on the connection's page."))

    @action(description=_("Compare with the shop now"), permissions=["sync"])
    def compare_now(self, request, queryset):
        for store in queryset:
            tasks.ask_for_sync(store, sync.Mode.COMPARE)
        self._told(request, _("The comparison runs; its progress shows on the connection's page."))

    def _told(self, request, text):
        messages.success(request, text)

    @display(description=_("connection"), label={"ok": "success", "bad": "danger", "asked": "info", "": "warning"})
    def check_shown(self, store):
        check = self._check(store)
        if check is None:
            return "", _("not checked yet")
        if check.asked_at and (check.checked_at is None or check.asked_at > check.checked_at):
            return "asked", _("is being checked")
        return ("ok", _("works")) if check.is_ok else ("bad", _("does not work"))

    @display(description=_("checked"))
    def checked_at(self, store):
        check = self._check(store)
        return check and check.checked_at

    @display(description=_("result"))
    def message(self, store):
        check = self._check(store)
        return check.message if check else ""

    @display(description=_("orders up to date until"))
    def orders_until(self, store):
        state = next((state for state in store.sync_states.all() if state.resource == "orders"), None)
        if state and state.error:
            return state.error
        return date_format(timezone.localtime(state.cursor), "DATETIME_FORMAT") if state and state.cursor else "–"

    @display(description=_("kept aside"))
    def aside_shown(self, store):
        return store.aside or ""

    def _check(self, store):
        return getattr(store, "connection_check", None)


@admin.register(SyncState)
class SyncStateAdmin(ReadOnlyAdmin):
    view_roles = OWNER
    list_display = ["store", *WALK]
    list_filter = [("store", StoreFilter), "resource"]
    list_select_related = ["store"]
    fields = ["store", *WALK, "page", "total"]


@admin.register(KeptAside)
class KeptAsideAdmin(ReadOnlyAdmin):
    view_roles = retry_roles = OWNER
    list_display = ["woo_id", "resource", "error_shown", "created_at", "resolved_at", "store"]
    list_filter = ["resource", ("resolved_at", admin.EmptyFieldListFilter), ("store", StoreFilter)]
    list_select_related = ["store"]
    search_fields = ["woo_id", "error"]
    fields = ["woo_id", "resource", "store", "error", "created_at", "resolved_at", "payload"]
    ordering = ["-pk"]
    actions = ["retry_selected"]

    @action(description=_("Try again"), permissions=["retry"])
    def retry_selected(self, request, queryset):
        at, left = timezone.now(), 0
        waiting = queryset.unresolved()
        count = waiting.count()
        for store in {kept.store for kept in waiting.select_related("store")}:
            left += sync.retry_kept_aside(store, at, waiting.filter(store=store))
        text = ngettext("%(count)d object is mirrored now.", "%(count)d objects are mirrored now.", count - left)
        messages.success(request, text % {"count": count - left})
        if left:
            text = ngettext("%(count)d object stays aside.", "%(count)d objects stay aside.", left)
            messages.warning(request, text % {"count": left})

    def has_retry_permission(self, request):
        return self._allowed(request, self.retry_roles, None)

    @display(description=_("error"))
    def error_shown(self, kept):
        return kept.error[:160]
