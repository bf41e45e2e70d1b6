"""Proof that the books close: balances, entries, lots and allocations say the same, and no entry is missing in between.

First everything is added up in one pass over each table, without sorting, grouping or joining: each number is weighed by a fingerprint of its
account and its place there, so that sums of everything are equal only if they are equal for each account and each link of its chain. Only if
something is wrong, slower queries name it.
"""

import random
from collections.abc import Iterator

from django.db import DataError, connection, transaction

from crm.stores.models import Store

# Weights have 20 bits, so that weighed points fit a bigint. The seed is another at each run: what one run might overlook (one in a million),
# the next does not.
_WEIGHT = "(hashint8extended({}, {}) & 1048575)"
_ENTRY, _LOT = "%(seed)s", "-%(seed)s"
_BRINGS = "kind = 'earn' OR kind = 'adjust' AND points + pending > 0"
_OF_STORE = "(%(store)s::bigint IS NULL OR store_id = %(store)s)"


def _place(account, number):
    return _WEIGHT.format(number, f"{account} # %(seed)s")


def _sums(account):
    return _WEIGHT.format(account, "store_id + %(seed)s")


def _lots(account):
    return _WEIGHT.format(account, "store_id - %(seed)s")


# Each table is read once and makes one number; all of them together are nothing. What is done to a row is done a million times, so there is
# little of it: one sum for four questions, of which each has weights of its own.
_WHOLE = f"""
    WITH account AS (
        SELECT sum(balance * {_place("id", "posted")}
            + (pending + earned * %(factor)s + posted) * {_sums("id")}
            + (greatest(balance, 0) + pending * %(factor)s) * {_lots("id")}) AS total
        FROM loyalty_account WHERE {_OF_STORE}
    ), entry AS (
        -- What one entry ends with, the next begins with: of all links of a chain the last alone is left.
        SELECT sum((balance_after - points) * {_place("account_id", "number - 1")}
            - balance_after * {_place("account_id", "number")}
            - (pending + 1) * {_sums("account_id")}
            + CASE
                WHEN kind = 'earn' THEN (points + pending) * {_WEIGHT.format("id", _ENTRY)}
                    - (points + pending - shortfall) * {_sums("account_id")} * %(factor)s
                WHEN kind = 'reverse' THEN (shortfall - points - pending) * {_sums("account_id")} * %(factor)s
                WHEN {_BRINGS} THEN (points + pending) * {_WEIGHT.format("id", _ENTRY)}
                ELSE 0
            END) AS total
        FROM loyalty_ledgerentry WHERE {_OF_STORE}
    ), lot AS (
        SELECT sum((granted - remaining) * {_WEIGHT.format("id", _LOT)}
            - granted * {_WEIGHT.format("entry_id", _ENTRY)}
            - CASE WHEN released_at IS NULL THEN remaining * %(factor)s ELSE remaining END * {_lots("account_id")}) AS total
        FROM loyalty_lot WHERE {_OF_STORE}
    ), allocation AS (
        SELECT sum(points * {_WEIGHT.format("lot_id", _LOT)}) AS total FROM loyalty_allocation
        WHERE %(store)s::bigint IS NULL OR lot_id IN (SELECT id FROM loyalty_lot WHERE store_id = %(store)s)
    )
    SELECT coalesce(account.total, 0) + coalesce(entry.total, 0) + coalesce(lot.total, 0) = coalesce(allocation.total, 0)
    FROM account, entry, lot, allocation
"""

_DIFFERENCES = f"""
    WITH account AS MATERIALIZED (
        SELECT * FROM loyalty_account WHERE {_OF_STORE}
    ), entry AS MATERIALIZED (
        SELECT *, coalesce(lag(balance_after) OVER own, 0) AS before, row_number() OVER own AS place
        FROM loyalty_ledgerentry WHERE account_id IN (SELECT id FROM account)
        WINDOW own AS (PARTITION BY account_id ORDER BY id)
    ), lot AS MATERIALIZED (
        SELECT * FROM loyalty_lot WHERE account_id IN (SELECT id FROM account)
    ), summed AS (
        SELECT account.*, coalesce(entry.balance, 0) AS entries_balance, coalesce(entry.pending, 0) AS entries_pending,
            coalesce(entry.posted, 0) AS entries_posted, coalesce(entry.earned, 0) AS entries_earned,
            coalesce(lot.balance, 0) AS lots_balance, coalesce(lot.pending, 0) AS lots_pending
        FROM account LEFT JOIN (
            SELECT account_id, sum(points) AS balance, sum(pending) AS pending, count(*) AS posted,
                sum(points + pending - shortfall) FILTER (WHERE kind IN ('earn', 'reverse')) AS earned
            FROM entry GROUP BY account_id
        ) AS entry ON entry.account_id = account.id LEFT JOIN (
            SELECT account_id, sum(remaining) FILTER (WHERE released_at IS NOT NULL) AS balance,
                sum(remaining) FILTER (WHERE released_at IS NULL) AS pending
            FROM lot GROUP BY account_id
        ) AS lot ON lot.account_id = account.id
    ), used AS (
        SELECT lot.id, granted - remaining AS gone, coalesce(sum(points), 0) AS allocated
        FROM lot LEFT JOIN loyalty_allocation AS allocation ON lot_id = lot.id GROUP BY lot.id, granted, remaining
    ), brought AS (
        SELECT entry.id, points + pending AS points, coalesce(sum(granted), 0) AS granted
        FROM entry LEFT JOIN lot ON lot.entry_id = entry.id WHERE {_BRINGS} GROUP BY entry.id, points, pending
    )
    SELECT 'balance', id, balance, entries_balance FROM summed WHERE balance <> entries_balance
    UNION ALL SELECT 'pending', id, pending, entries_pending FROM summed WHERE pending <> entries_pending
    UNION ALL SELECT 'earned', id, earned, entries_earned FROM summed WHERE earned <> entries_earned
    UNION ALL SELECT 'posted', id, posted, entries_posted FROM summed WHERE posted <> entries_posted
    UNION ALL SELECT 'lots', id, balance, lots_balance FROM summed WHERE greatest(balance, 0) <> lots_balance
    UNION ALL SELECT 'pending lots', id, pending, lots_pending FROM summed WHERE pending <> lots_pending
    UNION ALL SELECT 'chain', id, balance_after, before + points FROM entry WHERE balance_after <> before + points
    UNION ALL SELECT 'number', id, number, place FROM entry WHERE number <> place
    UNION ALL SELECT 'used', id, gone, allocated FROM used WHERE gone <> allocated
    UNION ALL SELECT 'brought', id, points, granted FROM brought WHERE points <> granted
    UNION ALL SELECT 'entry store', entry.id, entry.store_id, account.store_id
        FROM entry JOIN account ON account.id = account_id WHERE entry.store_id <> account.store_id
    UNION ALL SELECT 'lot store', lot.id, lot.store_id, account.store_id
        FROM lot JOIN account ON account.id = account_id WHERE lot.store_id <> account.store_id
    ORDER BY 1, 2
"""
_WORDS = {
    "balance": "account {}: its balance is {}, its entries sum up to {}",
    "pending": "account {}: {} points are pending, by its entries {}",
    "earned": "account {}: it says that {} points were earned, by its entries {}",
    "posted": "account {}: it counts {} entries, there are {}",
    "lots": "account {}: its balance is {}, its lots have {} left",
    "pending lots": "account {}: {} points are pending, its pending lots have {} left",
    "chain": "entry {}: it says {} points were left, the entry before it makes that {}",
    "number": "entry {}: it has the number {} and is the account's entry {}",
    "used": "lot {}: {} points of it are gone, its allocations sum up to {}",
    "brought": "entry {}: it brought {} points, its lots were granted {}",
    "entry store": "entry {}: it is booked for store {}, its account is of store {}",
    "lot store": "lot {}: it is booked for store {}, its account is of store {}",
}


def closes(store: Store | None = None) -> bool:
    """Whether the books of one store, or of all, close: one pass over each table."""
    values = {
        "store": store.pk if store else None,
        "seed": random.getrandbits(48),
        "factor": random.randint(2, 1000),
    }
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_WHOLE, values)
            return cursor.fetchone()[0]
    except DataError:
        # Numbers that no posting makes, and that are too large to be weighed.
        return False


def differences(store: Store | None = None) -> Iterator[str]:
    """Each thing that is wrong with the ledger, of one store or of all, in a sentence; nothing if it closes."""
    if closes(store):
        return
    with connection.cursor() as cursor:
        cursor.execute(_DIFFERENCES, {"store": store.pk if store else None})
        for kind, *values in cursor:
            yield _WORDS[kind].format(*values)
