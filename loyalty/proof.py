"""Proof that the books close: balances, entries, lots and allocations say the same, and no entry is missing in between.

First everything is added up in one pass over each table. Where a comparison row by row would need sorting or joining there are fingerprints:
each entry's balance, by its number, must be met by what the next one starts from. Only if something is wrong, slower queries name it.
"""

import random
from collections.abc import Iterator

from django.db import connection

from crm.stores.models import Store

# Where an account stood after its n-th entry. The seed is another at each run: what one run might overlook, the next does not.
_PLACE = "hashint8extended({}, hashint8extended({}, {} + %(seed)s))"
# A weight of a row by its key, as two numbers of 20 bits, so that the weighted points fit a bigint.
_WEIGHED = (
    "coalesce(sum({0} * (hashint8extended({1}, %(seed)s) & 1048575)), 0)"
    " - coalesce(sum({0} * (hashint8extended({1}, %(seed)s) >> 20 & 1048575)), 0) * 3"
)
_BRINGS = "kind = 'earn' OR kind = 'adjust' AND points + pending > 0"
_OF_STORE = "(%(store)s::bigint IS NULL OR store_id = %(store)s)"

_WHOLE = f"""
    WITH entry AS (
        SELECT account_id, min(store_id) AS lowest, max(store_id) AS highest, count(*) AS posted,
            sum(points) AS balance, sum(pending) AS pending,
            sum(points + pending - shortfall) FILTER (WHERE kind IN ('earn', 'reverse')) AS earned,
            sum({_PLACE.format("balance_after", "number", "account_id")}) AS ends,
            sum({_PLACE.format("balance_after - points", "number - 1", "account_id")}) AS begins,
            {_WEIGHED.format(f"CASE WHEN {_BRINGS} THEN points + pending ELSE 0 END", "id")} AS brought
        FROM loyalty_ledgerentry WHERE {_OF_STORE} GROUP BY account_id
    ), lot AS (
        SELECT account_id, min(store_id) AS lowest, max(store_id) AS highest,
            coalesce(sum(remaining) FILTER (WHERE released_at IS NOT NULL), 0) AS balance,
            coalesce(sum(remaining) FILTER (WHERE released_at IS NULL), 0) AS pending,
            {_WEIGHED.format("granted", "entry_id")} AS brought,
            {_WEIGHED.format("(granted - remaining)", "id")} AS used
        FROM loyalty_lot WHERE {_OF_STORE} GROUP BY account_id
    )
    SELECT coalesce(bool_and(
            account.balance = coalesce(entry.balance, 0) AND account.pending = coalesce(entry.pending, 0)
            AND account.posted = coalesce(entry.posted, 0) AND account.earned = coalesce(entry.earned, 0)
            AND greatest(account.balance, 0) = coalesce(lot.balance, 0) AND account.pending = coalesce(lot.pending, 0)
            AND coalesce(entry.ends - entry.begins, 0) = CASE WHEN account.posted = 0 THEN 0 ELSE
                {_PLACE.format("account.balance", "account.posted", "account.id")}::numeric
                - {_PLACE.format("0", "0", "account.id")} END
            AND coalesce(entry.brought, 0) = coalesce(lot.brought, 0)
            AND account.store_id = ALL (ARRAY[entry.lowest, entry.highest, lot.lowest, lot.highest]) IS NOT FALSE
        ), true)
        AND coalesce(sum(lot.used), 0) = (
            SELECT {_WEIGHED.format("points", "lot_id")} FROM loyalty_allocation
            WHERE %(store)s::bigint IS NULL OR lot_id IN (SELECT id FROM loyalty_lot WHERE store_id = %(store)s))
    FROM loyalty_account AS account
    LEFT JOIN entry ON entry.account_id = account.id LEFT JOIN lot ON lot.account_id = account.id
    WHERE %(store)s::bigint IS NULL OR account.store_id = %(store)s
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
    with connection.cursor() as cursor:
        cursor.execute(_WHOLE, {"store": store.pk if store else None, "seed": random.getrandbits(48)})
        return cursor.fetchone()[0]


def differences(store: Store | None = None) -> Iterator[str]:
    """Each thing that is wrong with the ledger, of one store or of all, in a sentence; nothing if it closes."""
    if closes(store):
        return
    with connection.cursor() as cursor:
        cursor.execute(_DIFFERENCES, {"store": store.pk if store else None})
        for kind, *values in cursor:
            yield _WORDS[kind].format(*values)
