"""Notes on orders, for the customer or among staff."""

import html

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from ..client import Client
from ..models import Push
from ..push import Kind, register
from ..rereads import NOTES
from .comparing import compare, words
from .payloads import Number, Payload
from .waiting import HANGS, SLOW


class OrderNotePayload(Payload):
    """Plain text. A note for the customer is mailed by the shop."""

    order = Number()
    note = serializers.CharField(max_length=5000)
    customer_note = serializers.BooleanField(default=False)


class OrderNote(Kind):
    label = _("Note on an order")
    payload = OrderNotePayload
    resource = NOTES
    AT_WORK, HANGS = SLOW, HANGS

    def look(self, client: Client, push: Push) -> dict | None:
        """A note with these words that no other push has made: what customers read bears no marks."""
        asked = push.payload
        others = Push.objects.filter(store=push.store_id, kind=push.kind, payload__order=asked["order"])
        made_by_others = set(others.exclude(pk=push.pk).values_list("woo_id", flat=True))
        notes = client.get(f"orders/{asked['order']}/notes", type="customer" if asked["customer_note"] else "internal")
        same = [
            note
            for note in notes
            if words(note.get("note")) == words(html.escape(asked["note"], quote=False))
            and note.get("id") not in made_by_others
        ]
        # The newest: an older one may be somebody else's.
        return max(same, key=lambda note: note["id"], default=None)

    def send(self, client: Client, push: Push) -> dict:
        asked = push.payload
        # From an administrator's key WordPress takes any HTML.
        note = html.escape(asked["note"], quote=False)
        return client.post(f"orders/{asked['order']}/notes", {"note": note, "customer_note": asked["customer_note"]})

    def confirm(self, push: Push, answer: dict) -> None:
        asked = push.payload
        compare(
            [
                ("note", words(html.escape(asked["note"], quote=False)), words(answer.get("note"))),
                ("customer_note", asked["customer_note"], answer.get("customer_note")),
            ]
        )


register("order_note", OrderNote())
