"""What came from the shops and what goes to them, for their owners to look at and to try again."""

import contextlib
import json

from django.contrib import admin, messages
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import action, display

from crm.orders.admin import link_to
from crm.stores.models import Membership, Store
from crm.stores.staff import ReadOnlyAdmin, StoreFilter
from crm.work.admin import DueWorkAdmin

from . import deliveries, order_admin, push, sync, sync_page  # noqa: F401 (writes on an order's page)
from .models import KeptAside, Push, Reread, SyncState, WebhookDelivery

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
    actions = ["retry_selected", "replay_selected"]
    fields = ["topic", "store", "state", "attempts", "due_at", "settled_at", "error", "body_shown"]
    fields += ["source", "webhook_id", "delivery_id", "created_at"]
    readonly_fields = ["body_shown", "created_at", "settled_at", "state", "attempts", "error"]

    @action(description=_("Apply again"), permissions=["retry"])
    def replay_selected(self, request, queryset):
        count = deliveries.replay(queryset, timezone.now())
        text = ngettext("%(count)d delivery is applied again.", "%(count)d deliveries are applied again.", count)
        messages.success(request, text % {"count": count})

    def get_queryset(self, request):
        # A list of up to 16 MiB a row is no list.
        return super().get_queryset(request).defer("body")

    @display(description=_("body"))
    def body_shown(self, delivery):
        text = bytes(delivery.body).decode("utf-8", "replace")
        with contextlib.suppress(ValueError, RecursionError):
            text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        return text if len(text) <= 100_000 else f"{text[:100_000]} …"


@admin.register(Push)
class PushAdmin(ExchangeAdmin):
    list_display = ["kind_named", "about", "outcome_shown", "created_at", "next_try", "error_shown", "store"]
    list_select_related = ["store", "order", "customer"]
    list_filter = [*ExchangeAdmin.list_filter, "kind", "outcome"]
    search_fields = ["key", "order__number", "customer__email", "payload__code"]
    search_help_text = _("Key, order, e-mail or code")
    show_facets = admin.ShowFacets.NEVER
    fields = ["kind_named", "key", "about", "store", "outcome_shown", "attempts", "next_try", "error"]
    fields += ["payload", "answer", "woo_id", "created_at", "sent_at", "settled_at"]
    readonly_fields = [
        "kind_named",
        "about",
        "outcome_shown",
        "next_try",
        "created_at",
        "settled_at",
        "attempts",
        "error",
    ]
    readonly_fields += ["answer", "woo_id", "sent_at"]
    actions = ["retry_selected", "withdraw_selected"]

    @action(description=_("Withdraw"), permissions=["retry"])
    def withdraw_selected(self, request, queryset):
        at = timezone.now()
        done = left = 0
        for row in queryset:
            try:
                is_done = push.withdraw(row, at)
            except push.StillOwed as error:
                messages.error(request, str(error))
            else:
                done += is_done
                left += not is_done
        if done:
            text = ngettext("%(count)d write is withdrawn.", "%(count)d writes are withdrawn.", done)
            messages.success(request, text % {"count": done})
        if left:
            text = ngettext(
                "%(count)d is in the shop, or may be: it can't be withdrawn.",
                "%(count)d are in the shop, or may be: they can't be withdrawn.",
                left,
            )
            messages.warning(request, text % {"count": left})

    @display(description=_("write"), ordering="kind")
    def kind_named(self, row):
        return row.kind_shown

    @display(description=_("about"))
    def about(self, row):
        if row.order_id:
            return link_to(row.order)
        return link_to(row.customer) if row.customer_id else row.payload.get("code") or "—"

    @display(
        description=_("outcome"),
        ordering="outcome",
        label={
            Push.Outcome.QUEUED: "info",
            Push.Outcome.SENT: "warning",
            Push.Outcome.CONFIRMED: "success",
            Push.Outcome.REFUSED: "danger",
            Push.Outcome.GIVEN_UP: "danger",
        },
    )
    def outcome_shown(self, row):
        return row.outcome, row.get_outcome_display()

    @display(description=_("next try"), ordering="due_at")
    def next_try(self, row):
        if row.state not in (Push.State.DUE, Push.State.RUNNING):
            return "—"
        return date_format(timezone.localtime(row.due_at), "DATETIME_FORMAT")


@admin.register(Reread)
class RereadAdmin(ExchangeAdmin):
    list_display = ["resource", "woo_id", "created_at", "state_shown", "attempts", "error_shown", "store"]
    fields = ["resource", "woo_id", "store", "state", "attempts", "due_at", "settled_at", "error", "created_at"]
    readonly_fields = ["created_at", "settled_at", "state", "attempts", "error"]


WALK = ["resource", "mode", "cursor", "read", "written", "kept_aside", "started_at", "finished_at", "error"]


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
    fields = ["woo_id", "resource", "store", "error", "created_at", "tried_at", "resolved_at", "payload"]
    ordering = ["-pk"]
    actions = ["retry_selected", "dismiss_selected"]

    @action(description=_("Dismiss: nothing to do"), permissions=["retry"])
    def dismiss_selected(self, request, queryset):
        messages.success(request, sync_page.dismissed(queryset.dismiss(timezone.now())))

    @action(description=_("Try again"), permissions=["retry"])
    def retry_selected(self, request, queryset):
        at = timezone.now()
        waiting = queryset.unresolved()
        count = waiting.count()
        stores = Store.objects.filter(pk__in=waiting.order_by().values("store"))
        tried = sum(sync.retry_kept_aside(store, at, waiting.filter(store=store)) for store in stores)
        left = waiting.count()
        text = ngettext("%(count)d object is mirrored now.", "%(count)d objects are mirrored now.", count - left)
        messages.success(request, text % {"count": count - left})
        if left:
            text = ngettext("%(count)d object stays aside.", "%(count)d objects stay aside.", left) % {"count": left}
            messages.warning(request, f"{text} {sync_page.not_tried(count - tried)}" if tried < count else text)

    def has_retry_permission(self, request):
        return self._allowed(request, self.retry_roles, None)

    @display(description=_("error"))
    def error_shown(self, kept):
        return kept.error[:160]
