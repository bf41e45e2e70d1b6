"""What becomes of lots with time: pending ones are released, old ones expire. Set-based, and safe to repeat or to kill anywhere."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone

from crm.events import recording
from crm.events.models import Handling
from crm.stores.models import Store
from crm.work.wake import wake

_TOLD = """
    WITH moved AS MATERIALIZED ({}), facts AS (
        SELECT jsonb_agg(jsonb_build_object(
            'store_id', %s::bigint, 'type', %s::text, 'key', entry_id::text, 'customer_id', customer_id, 'order_id', order_id,
            'data', jsonb_build_object('points', points, 'balance', balance_after), 'occurred_at', %s::timestamptz)) AS told
        FROM moved
    )
    SELECT count(recorded.event_id) FROM facts LEFT JOIN LATERAL events_record(told, %s, %s::text[], %s::text[]) AS recorded ON true
"""
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
    """Move a batch and tell of each lot, in one statement: by the thousand, facts built here would take as long as the rest."""
    types, handlers = recording.subscribers([event])
    facts = [store.pk, event, at, timezone.now(), types, handlers]
    while True:
        with transaction.atomic(savepoint=False), connection.cursor() as cursor:
            cursor.execute(_TOLD.format(statement), [*parameters, *facts])
            [moved] = cursor.fetchone()
            if moved and handlers:
                wake(Handling)
        yield moved
        # Fewer than asked for: what is left, if anything, another process has just done.
        if moved < BATCH:
            return
