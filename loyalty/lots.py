"""What becomes of lots with time: pending ones are released, old ones expire. Set-based, and safe to repeat or to kill anywhere."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from django.db import connection, transaction

from crm.events import recording
from crm.events.recording import Fact
from crm.stores.models import Store

# Of a store's lots in one transaction: what a process that is killed has to do again.
BATCH = 5000


def release(store: Store, at: datetime) -> int:
    """Make pending points spendable whose day has come; returns how many lots. Records `points.released`."""
    return sum(
        _batches(store, at, "points.released", "SELECT * FROM loyalty_release(%s, %s, %s)", [store.pk, at, BATCH])
    )


def expire(store: Store, at: datetime, *, spare: Iterable[int] = ()) -> int:
    """Take what is left in lots that expired until `at`, but in none of the spared accounts; returns how many lots.

    Records `points.expired`. Pending points do not expire.
    """
    parameters = [store.pk, at, BATCH, list(spare)]
    return sum(
        _batches(store, at, "points.expired", "SELECT * FROM loyalty_expire(%s, %s, %s, %s::bigint[])", parameters)
    )


def _batches(store, at, event, statement, parameters) -> Iterator[int]:
    while True:
        with transaction.atomic(savepoint=False), connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            rows = cursor.fetchall()
            recording.record_many(
                store,
                [
                    Fact(event, str(pk), customer_id, order_id, {"points": points, "balance": balance}, at)
                    for pk, customer_id, order_id, points, balance in rows
                ],
            )
        yield len(rows)
        # Fewer than asked for: what is left, if anything, another process has just done.
        if len(rows) < BATCH:
            return
