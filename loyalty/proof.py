"""Proof that the books close: every balance is the sum of its entries, and every entry follows from the one before."""

from collections.abc import Iterator

from django.db import connection

from crm.stores.models import Store

_PROOF = """
    WITH chain AS (
        SELECT id, account_id, store_id, order_id, points, shortfall, balance_after,
            coalesce(lag(balance_after) OVER (PARTITION BY account_id ORDER BY id), 0) AS before
        FROM loyalty_ledgerentry
        WHERE %(store)s::bigint IS NULL OR account_id IN (SELECT id FROM loyalty_account WHERE store_id = %(store)s)
    )
    SELECT 'balance', account.id, account.balance, coalesce(sum(chain.points), 0)
    FROM loyalty_account AS account LEFT JOIN chain ON chain.account_id = account.id
    WHERE %(store)s::bigint IS NULL OR account.store_id = %(store)s
    GROUP BY account.id HAVING account.balance <> coalesce(sum(chain.points), 0)
    UNION ALL
    SELECT 'chain', id, balance_after, before + points FROM chain WHERE balance_after <> before + points
    UNION ALL
    SELECT 'store', chain.id, chain.store_id, account.store_id
    FROM chain JOIN loyalty_account AS account ON account.id = chain.account_id WHERE chain.store_id <> account.store_id
    UNION ALL
    SELECT 'order', order_id, sum(points - shortfall)::bigint, 0
    FROM chain WHERE order_id IS NOT NULL GROUP BY order_id HAVING sum(points - shortfall) < 0
    ORDER BY 1, 2
"""
_WORDS = {
    "balance": "account {}: its balance is {}, its entries sum up to {}",
    "chain": "entry {}: it says {} points were left, the entry before it makes that {}",
    "store": "entry {}: it is booked for store {}, its account is of store {}",
    "order": "order {}: it holds {} points, which is below {}",
}


def differences(store: Store | None = None) -> Iterator[str]:
    """Each thing that is wrong with the ledger, of one store or of all, in a sentence. One pass over the entries."""
    with connection.cursor() as cursor:
        cursor.execute(_PROOF, {"store": store.pk if store else None})
        for kind, *values in cursor:
            yield _WORDS[kind].format(*values)
