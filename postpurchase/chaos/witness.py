"""What left the shop, counted while it happens, and whether that was told as often."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from crm.events.models import Event
from crm.orders.models import Coupon, Customer, Order, ProductReview
from crm.stores.models import Store
from postpurchase.demo.server import Demo

LEAVING = {
    "order.deleted": "orders",
    "customer.deleted": "customers",
    "coupon.deleted": "coupons",
    "product_review.deleted": "reviews",
    "refund.deleted": "refunds",
}
COMING = {"order.created": "orders", "order.restored": "orders", "product_review.created": "reviews"}
HELD = {"orders": Order, "customers": Customer, "coupons": Coupon, "reviews": ProductReview}
Told = dict[tuple[str, int], list[str]]  # types of events by (table, number in the shop), in their order


class Witness:
    """Counts how often each row left the shop, to its trash or for good, and remembers why each refund was made."""

    def __init__(self, demo: Demo):
        self.departures: Counter[tuple[str, int]] = Counter()
        self.away: set[tuple[str, int]] = set()
        self.refunds: dict[int, str] = {}
        demo.shop.keepers.append(self.hear)

    def hear(self, table: str, number: int, row: dict | None) -> None:
        thing, is_away = (table, number), row is None or row.get("status") == "trash"
        if is_away and thing not in self.away:
            self.departures[thing] += 1
        if table == "refunds" and row:
            self.refunds[number] = row["reason"]
        (self.away.add if is_away else self.away.discard)(thing)


def deletions(store: Store, demo: Demo, witness: Witness) -> Iterator[str]:
    """What left the shop was told: never more often than it left, and last of what is gone here.

    A webhook that comes after its order was deleted for good brings it back, if it holds a newer version than was held, until the shop was
    asked: that is told both ways.
    """
    told = tellings(store)
    for (table, number), types in told.items():
        gone, left = sum(type in LEAVING for type in types), witness.departures[table, number]
        if gone > left + types.count("order.restored"):
            yield f"{table} {number}: told {gone} times that it is gone, it left {left} times"
    for table, model in HELD.items():
        rows = model.objects.filter(store=store).exclude(woo_id__isnull=True).values_list("woo_id", "deleted_at")
        for number, deleted_at in rows:
            yield from misjudged(table, number, deleted_at is not None, told.get((table, number), []))
    yield from refunds_misjudged(store, demo, told)


def tellings(store: Store) -> Told:
    numbers = dict(Customer.objects.filter(store=store).values_list("pk", "woo_id"))
    found: Told = {}
    facts = Event.objects.filter(store=store, type__in=[*LEAVING, *COMING]).order_by("pk")
    for type, key in facts.values_list("type", "key"):
        table, number = (LEAVING | COMING)[type], int(key.split(":")[0])
        if table == "customers":
            number = numbers.get(number) or 0
        found.setdefault((table, number), []).append(type)
    return found


def misjudged(table: str, number: int, is_gone: bool, types: list[str]) -> Iterator[str]:
    """What was first heard of when it was gone is told by nobody, and of coupons it can't be known; a review that is back is not told."""
    moves = [type for type in types if type in LEAVING or type == "order.restored"]
    if table == "orders" and any(one == other for one, other in pairwise(moves)):
        yield f"order {number}: told the same twice: {moves}"
    was_told_gone = bool(moves) and moves[-1] in LEAVING
    if is_gone and not was_told_gone and (types or table == "customers"):
        yield f"{table} {number}: it is gone, told was {types}"
    if was_told_gone and not is_gone and table == "orders":
        yield f"{table} {number}: it is here, told was {types}"


def refunds_misjudged(store: Store, demo: Demo, told: Told) -> Iterator[str]:
    """A refund that is gone never comes back. Those of orders that are gone themselves are not told one by one."""
    with demo.shop.lock:
        refunds = set(demo.shop.rows["refunds"])
        there = {number for number, row in demo.shop.rows["orders"].items() if row["status"] != "trash"}
    made = Event.objects.filter(store=store, type="order.refunded").order_by().values_list("key", "order__woo_id")
    for key, order in made:
        gone = told.get(("refunds", int(key)), []).count("refund.deleted")
        if order in there and gone != (int(key) not in refunds):
            yield f"refund {key}: told {gone} times that it is gone"
