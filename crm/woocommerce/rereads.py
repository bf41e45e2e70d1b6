"""Hints that an object of the shop may be other than it is held: rows that have it read again."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import connection

from crm.orders.models import Order
from crm.stores.models import Store
from crm.work.batches import batched
from crm.work.wake import wake

from .models import Reread

# The notes of the order of a number: they have no list of their own.
NOTES = "notes"
# The refunds of the order of a number, as their own list has them.
REFUNDS = "refunds"


def ask(objects: Iterable[tuple[int, str, int]], at: datetime, *, after: timedelta = timedelta()) -> None:
    """Have objects read again: (store's primary key, resource, number in the shop). Those that wait already wait once.

    `after` is how long more hints of the same object may come and be answered by one reading.
    """
    rows = sorted(objects)
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO woocommerce_reread (store_id, resource, woo_id, state, attempts, error, due_at, created_at)
            SELECT store_id, resource, woo_id, 'due', 0, '', %s, %s
            FROM unnest(%s::bigint[], %s::text[], %s::bigint[]) AS asked(store_id, resource, woo_id)
            ON CONFLICT (store_id, resource, woo_id)
                WHERE state = 'due' AND attempts = 0 AND settled_at IS NULL DO NOTHING
            """,
            [at + after, at, *map(list, zip(*rows, strict=True))],
        )
    wake(Reread)


def asked_before(store_id: int, resource: str, numbers: Iterable[int]) -> set[int]:
    """Which of these were read again lately."""
    if not numbers:
        return set()
    rows = Reread.objects.filter(store=store_id, resource=resource, woo_id__in=numbers, state=Reread.State.DONE)
    return set(rows.values_list("woo_id", flat=True))


def ask_for_all_notes(store: Store, at: datetime) -> int:
    """Have the notes of every order read that the shop has; returns of how many."""
    numbers = Order.objects.for_store(store).existing().order_by("woo_id").values_list("woo_id", flat=True)
    count = 0
    for chunk in batched(numbers.iterator(), 1000):
        ask(((store.pk, NOTES, number) for number in chunk), at)
        count += len(chunk)
    return count
