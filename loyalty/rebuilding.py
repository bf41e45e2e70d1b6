"""Caches worked out again from what can't be changed: the entries and their allocations."""

from collections.abc import Iterator

from django.db import connection, transaction

from crm.stores.models import Store

_OF_STORE = "(%(store)s::bigint IS NULL OR store_id = %(store)s)"
# Locked first and in the order of their keys, as every posting does: what is counted then stands still.
_LOCK = f"SELECT id FROM loyalty_account WHERE {_OF_STORE} ORDER BY id FOR NO KEY UPDATE"
_LOTS = f"""
    UPDATE loyalty_lot AS lot SET remaining = granted - used.points
    FROM (
        SELECT lot.id, coalesce(sum(allocation.points), 0) AS points
        FROM loyalty_lot AS lot LEFT JOIN loyalty_allocation AS allocation ON allocation.lot_id = lot.id
        WHERE {_OF_STORE} GROUP BY lot.id
    ) AS used
    WHERE used.id = lot.id AND remaining <> granted - used.points
    RETURNING lot.id, lot.account_id, used.points
"""
_ACCOUNTS = """
    WITH summed AS (
        SELECT account.id, account.balance, account.pending, account.earned, account.posted,
            coalesce(sum(entry.points), 0) AS new_balance, coalesce(sum(entry.pending), 0) AS new_pending,
            coalesce(sum(entry.points + entry.pending - entry.shortfall) FILTER (WHERE entry.kind IN ('earn', 'reverse')), 0) AS new_earned,
            count(entry.id) AS new_posted
        FROM loyalty_account AS account LEFT JOIN loyalty_ledgerentry AS entry ON entry.account_id = account.id
        WHERE %(store)s::bigint IS NULL OR account.store_id = %(store)s GROUP BY account.id
    )
    UPDATE loyalty_account AS account
    SET balance = new_balance, pending = new_pending, earned = new_earned, posted = new_posted
    FROM summed
    WHERE summed.id = account.id AND (summed.balance, summed.pending, summed.earned, summed.posted)
        IS DISTINCT FROM (new_balance, new_pending, new_earned, new_posted)
    RETURNING account.id, summed.balance, summed.pending, new_balance, new_pending
"""


class _Undo(Exception):
    pass


def rebuild(store: Store | None = None, *, dry_run: bool = False) -> list[str]:
    """Set balances, pending and earned points to what the entries say, and what is left in lots to what their allocations say.

    Returns a sentence for each row that was wrong; with `dry_run` nothing is changed. Entries, allocations and what a lot was granted are
    taken as they are: if `ledger_verify` still names a difference afterwards, it is in them.
    """
    done: list[str] = []
    try:
        with transaction.atomic():
            done += _changes({"store": store.pk if store else None})
            if dry_run:
                raise _Undo
    except _Undo:
        pass
    return done


def _changes(values) -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('postpurchase.posting', 'on', true)")
        cursor.execute(_LOCK, values)
        cursor.execute(_LOTS, values)
        for lot, account, points in cursor.fetchall():
            yield f"lot {lot} of account {account}: {points} points of it are gone"
        cursor.execute(_ACCOUNTS, values)
        for account, *numbers in cursor.fetchall():
            yield "account {}: balance {} and {} pending become {} and {}".format(account, *numbers)
        cursor.execute("SELECT set_config('postpurchase.posting', '', true)")
