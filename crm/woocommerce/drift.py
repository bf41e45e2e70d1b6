"""Count what a comparison finds, in the transaction that puts it right."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial

from django.db.models import F

from crm.orders.models import Order
from crm.stores.models import Store

from . import mapping
from .models import Drift, OrderDay, Resource, SyncState
from .saving.statements import bound_cursor
from .values import MappingError, money
from .walking import Walk

COMPARED = (
    Resource.ORDERS,
    Resource.PRODUCTS,
    Resource.CATEGORIES,
    Resource.CUSTOMERS,
    Resource.COUPONS,
    Resource.REVIEWS,
)
# How long a day of orders that differed is kept.
KEPT = timedelta(days=30)


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
    row, is_new = Drift.objects.get_or_create(
        store=walk.store,
        resource=state.resource,
        started_at=state.started_at,
        defaults={"day": state.started_at.astimezone(walk.store.zone).date()},
    )
    if is_new and state.resource == Resource.ORDERS:
        # What was right is said anew for each day. What differed stays on record, though it was put right.
        days = OrderDay.objects.for_store(walk.store)
        days.filter(compared_at__lt=state.started_at - KEPT).delete()
        days.equal().delete()
    if more := {name: F(name) + count for name, count in counts.items() if count}:
        Drift.objects.filter(pk=row.pk).update(**more)


@dataclass
class Sides:
    """How many objects the shop shows and the mirror has, and of orders what they come to."""

    in_shop: int = 0
    in_mirror: int = 0
    shop_total: Decimal = Decimal(0)
    mirror_total: Decimal = Decimal(0)


def note_page(walk: Walk, shown: Collection[dict], here: Collection[int]) -> Callable[[], None]:
    """Look at what the shop shows of a page and what is held here by these numbers; returns what writes that down.

    Before anything is put right it is looked at, and written down with the place of the walk, so that a kill in between counts nothing twice.
    """
    if walk.state.resource != Resource.ORDERS:
        return partial(note, walk, in_shop=len(shown), in_mirror=len(here))
    held = Order.objects.filter(store=walk.store, woo_id__in=here)
    rows = held.values_list("date_created_gmt", "currency", F("total") - F("refunded_total"))
    return partial(_note_orders, walk, shown, list(rows))


def _note_orders(walk: Walk, shown: Collection[dict], held: list[tuple[datetime | None, str, Decimal]]) -> None:
    days: dict[date | None, Sides] = defaultdict(Sides)
    for created, currency, value in held:
        sides = days[_day(walk.store, created)]
        sides.in_mirror += 1
        sides.mirror_total += value if currency == walk.store.currency else 0
    # By now what was missing is held, with its date: in the list it would be a third more to read for every order.
    by_now = Order.objects.filter(store=walk.store, woo_id__in=[row["id"] for row in shown])
    placed = dict(by_now.values_list("woo_id", "date_created_gmt"))
    for row in shown:
        sides = days[_day(walk.store, placed.get(row["id"]))]
        sides.in_shop += 1
        sides.shop_total += worth_in_shop(walk.store, row)
    names = ("in_shop", "in_mirror", "shop_total", "mirror_total")
    note(walk, **{name: sum(getattr(sides, name) for sides in days.values()) for name in names})
    dated = sorted(day for day in days if day)
    columns = [dated, *([getattr(days[day], name) for day in dated] for name in names)]
    with bound_cursor() as cursor:
        cursor.execute(_DAYS, [walk.store.pk, walk.state.started_at, *columns])


# A comparison adds up its pages.
_DAYS = """
    INSERT INTO woocommerce_orderday AS held (store_id, compared_at, day, in_shop, in_mirror, shop_total, mirror_total)
    SELECT %s, %s, found.* FROM unnest(%s::date[], %s::integer[], %s::integer[], %s::numeric[], %s::numeric[]) AS found
    ON CONFLICT (store_id, compared_at, day) DO UPDATE SET
        in_shop = EXCLUDED.in_shop + held.in_shop,
        in_mirror = EXCLUDED.in_mirror + held.in_mirror,
        shop_total = EXCLUDED.shop_total + held.shop_total,
        mirror_total = EXCLUDED.mirror_total + held.mirror_total
"""


def _day(store: Store, at: datetime | None) -> date | None:
    try:
        return at and at.astimezone(store.zone).date()
    except OverflowError:
        return None


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
