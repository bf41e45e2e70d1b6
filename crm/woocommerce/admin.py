"""What came from the shops and what goes to them, for their owners to look at and to try again."""

import contextlib
import json

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from crm.stores.models import Membership
from crm.stores.staff import ReadOnlyAdmin, StoreFilter
from crm.work.admin import DueWorkAdmin

from .models import Push, Reread, WebhookDelivery

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
