from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction

from crm.events.recording import Fact, record_many
from crm.orders.locking import lock_mirror
from crm.orders.models import Order, OrderNote
from crm.stores.models import Store

from .. import mapping
from ..values import MappingError

FIELDS = ["order", "author", "note", "customer_note", "date_created_gmt"]


@transaction.atomic
def save_notes(store: Store, order_woo_id: int, payloads: Any, at: datetime) -> int:
    """Keep the notes of an order as the shop lists them, all of them; returns how many are new.

    Notes of an order that is not held are no business of the mirror. Raises MappingError, and then changes nothing.
    """
    if not isinstance(payloads, list):
        raise MappingError("notes", payloads, "a list was expected")
    rows = {row["woo_id"]: row for row in map(mapping.note, payloads)}
    lock_mirror(store)
    order = Order.objects.for_store(store).filter(woo_id=order_woo_id).only("pk", "customer").first()
    if order is None:
        return 0
    held = set(OrderNote.objects.filter(order=order).values_list("woo_id", flat=True))
    OrderNote.objects.filter(order=order, woo_id__in=held - set(rows)).delete()
    notes = [OrderNote(store=store, order=order, **rows[woo_id]) for woo_id in sorted(rows)]
    OrderNote.objects.bulk_create(notes, update_conflicts=True, unique_fields=["store", "woo_id"], update_fields=FIELDS)
    new = [note for note in notes if note.woo_id not in held]
    record_many(store, _facts(store, order, new))
    return len(new)


def _facts(store: Store, order: Order, new: Iterable[OrderNote]) -> list[Fact]:
    # Nothing of the words: what is recorded stays, and a note may be about a person who wants to be forgotten.
    dated = ((note, datetime.fromisoformat(str(note.date_created_gmt))) for note in new if note.date_created_gmt)
    return [
        Fact("order.noted", str(note.woo_id), order.customer_id, order.pk, {"customer_note": note.customer_note}, when)
        for note, when in dated
        if store.announces(when)
    ]
