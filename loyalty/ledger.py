"""The points ledger by its verbs. Everything that moves points goes through here; `docs/ledger.md` says what is promised.

A cause names the fact and not the attempt (`review:81`): the same one posts once, however often it is tried, and is answered alike.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import connection, transaction

from crm.orders.models import Order

from .accounts import lock, open_accounts
from .adjusting import adjust
from .joining import join
from .lots import expire, release
from .models import Account, LedgerEntry
from .posting import MOST_POINTS, InsufficientPoints, Kind, Posting, post, post_many
from .returning import give_back, settle, spent

__all__ = [
    "MOST_POINTS", "InsufficientPoints", "Kind", "Posting", "adjust", "earn", "erasing", "expire", "give_back", "join", "lock",
    "open_accounts", "post", "post_many", "redeem", "release", "settle", "spent",
]  # fmt: skip


def earn(
    account: Account,
    points: int,
    cause: str,
    *,
    order: Order | None = None,
    available_from: datetime | None = None,
    expires_at: datetime | None = None,
    rule: dict | None = None,
    at: datetime | None = None,
) -> LedgerEntry:
    """Add points: spendable at once, or pending until `available_from` if that is to come. `rule` says what made them."""
    return post(
        account, Kind.EARN, points, cause, order_id=order and order.pk, available_from=available_from,
        expires_at=expires_at, rule=rule, at=at,
    )  # fmt: skip


def redeem(
    account: Account, points: int, cause: str, *, rule: dict | None = None, at: datetime | None = None
) -> LedgerEntry:
    """Spend points (a positive number), those first that expire soonest. Raises InsufficientPoints."""
    if points <= 0:
        raise ValueError(f"{points} points can't be spent")
    return post(account, Kind.REDEEM, -points, cause, rule=rule, at=at)


@contextmanager
def erasing() -> Iterator[None]:
    """Let entries be deleted within the block, for erasing a whole store (`with ledger.erasing(): store.delete()`), and their words be emptied."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('postpurchase.erasing', 'on', true)")
        yield
        cursor.execute("SELECT set_config('postpurchase.erasing', '', true)")
