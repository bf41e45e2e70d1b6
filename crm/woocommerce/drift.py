"""Count what a comparison finds, in the transaction that puts it right."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal

from django.db.models import F

from crm.orders.models import Order
from crm.stores.models import Store

from . import mapping
from .models import Drift, Resource, SyncState
from .values import MappingError, money
from .walking import Walk

COMPARED = (Resource.ORDERS, Resource.PRODUCTS, Resource.CUSTOMERS, Resource.COUPONS, Resource.REVIEWS)


@contextmanager
def healing(walk: Walk, woo_ids: Iterable[int] = ()) -> Iterator[dict]:
    """Around what puts these objects right: what the block puts into the dict is counted (`Drift`'s own names), and for orders the money.

    Does nothing in a walk that compares nothing.
    """
    counts: dict = {}
    if walk.state.mode != SyncState.Mode.COMPARE or walk.state.resource not in COMPARED:
        yield counts
        return
    numbers = list(woo_ids) if walk.state.resource == Resource.ORDERS else []
    before = worth(walk.store, numbers)
    yield counts
    note(walk, **counts, amount=difference(before, worth(walk.store, numbers)))


def note(walk: Walk, **counts: int | Decimal) -> None:
    """Add to the counts of this comparison's row."""
    state = walk.state
    assert state.started_at is not None
    row, _created = Drift.objects.get_or_create(
        store=walk.store,
        resource=state.resource,
        started_at=state.started_at,
        defaults={"day": state.started_at.astimezone(walk.store.zone).date()},
    )
    if more := {name: F(name) + count for name, count in counts.items() if count}:
        Drift.objects.filter(pk=row.pk).update(**more)


def both_sides(walk: Walk, shown: Collection[dict], here: Collection[int]) -> dict[str, int | Decimal]:
    """How many objects the shop shows and how many are held here by these numbers; of orders also what they come to."""
    counts: dict[str, int | Decimal] = {"in_shop": len(shown), "in_mirror": len(here)}
    if walk.state.resource == Resource.ORDERS:
        counts["shop_total"] = sum((worth_in_shop(walk.store, row) for row in shown), Decimal(0))
        counts["mirror_total"] = sum(worth(walk.store, here).values(), Decimal(0))
    return counts


def worth_in_shop(store: Store, row: dict) -> Decimal:
    """What an order comes to by the shop's word, less refunds; nothing in another currency, or where there is no telling."""
    if row.get("currency") != store.currency:
        return Decimal(0)
    try:
        refunds = sum((Decimal(refund["amount"]) for refund in mapping.order_refunds(row["id"], row)), Decimal(0))
        return Decimal(money(row, "total") or 0) - refunds
    except MappingError:
        return Decimal(0)


def worth(store: Store, woo_ids: Iterable[int]) -> dict[int, Decimal]:
    """What these orders come to, less refunds, as the mirror has it: those that exist, in the store's own currency."""
    numbers = list(woo_ids)
    if not numbers:
        return {}
    held = Order.objects.filter(store=store, woo_id__in=numbers, deleted_at=None, currency=store.currency)
    return dict(held.values_list("woo_id", F("total") - F("refunded_total")))


def difference(before: dict[int, Decimal], after: dict[int, Decimal]) -> Decimal:
    """How much money the mirror had wrong, order by order: one too much and one too little do not make it right."""
    zero = Decimal(0)
    return sum((abs(after.get(key, zero) - before.get(key, zero)) for key in before.keys() | after.keys()), zero)
