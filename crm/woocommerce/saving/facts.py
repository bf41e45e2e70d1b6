"""What a page of orders tells that was not known before, as events.

History is silent: of an order that was not held, only what happened since the shop was connected is told. What has no date of its
own there counts as having happened when the order was made, so that in doubt nothing is told.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from crm.events.recording import Fact, record_again, record_many
from crm.orders.models import Order
from crm.stores.models import Store

from .. import mapping
from ..values import when_of
from .items import Item
from .page import Held, leaves

RECURRING = ("order.updated", "refund.deleted")


class Before(NamedTuple):
    """What the mirror had of an order, as far as it tells what is new: these columns, in this order."""

    status: str | None = None
    is_paid: bool = False
    date_paid_gmt: datetime | None = None
    date_completed_gmt: datetime | None = None
    coupon_codes: Sequence[str] = ()
    customer_id: int | None = None
    customer_woo_id: int = 0
    billing_email: str = ""


def record_facts(
    store: Store,
    items: list[Item],
    held: dict[int, Held],
    written: dict[int, int],
    new_guests: list[tuple[int, datetime | None]],
    new_refunds: list[tuple[int, int, Decimal]],
    lost_refunds: list[tuple[int, int, Decimal]],
    at: datetime,
) -> None:
    """Record what the orders that were written tell. Refunds are (number in the shop, order's primary key, amount)."""
    facts = [
        Fact("customer.created", str(pk), customer_id=pk, occurred_at=created)
        for pk, created in new_guests
        if store.announces(created)
    ]
    refunds_of: dict[int, list[tuple[str, int, Decimal]]] = {}
    for type, refunds in (("order.refunded", new_refunds), ("refund.deleted", lost_refunds)):
        for woo_id, order_id, amount in refunds:
            refunds_of.setdefault(order_id, []).append((type, woo_id, amount))
    order_facts: list[Fact] = []
    for item in items:
        if pk := written.get(item.woo_id):
            order_facts += _facts(store, item, held.get(item.woo_id), pk, refunds_of.get(pk, []), at)
    if order_facts:
        customers = dict(
            Order.objects.filter(pk__in={fact.order_id for fact in order_facts}).values_list("pk", "customer_id")
        )
        for fact in order_facts:
            fact.customer_id = customers.get(fact.order_id or 0)
    # Whoever follows an order must hear of each change, also when it goes to and fro.
    record_many(store, facts + [fact for fact in order_facts if fact.type not in RECURRING])
    record_again(store, [fact for fact in order_facts if fact.type in RECURRING])


def deleted(
    woo_id: int, pk: int, customer_id: int | None, data: dict, when: datetime, at: datetime, *, how: str
) -> Fact:
    """An order left the shop: `how` is "trashed" or "gone" (for good). Deleted again after it came back is another fact."""
    return Fact("order.deleted", f"{woo_id}:{at.isoformat()}", customer_id, pk, data | {"how": how}, when)


def coupon_deleted(woo_id: int, code: str, usage_count: int, at: datetime) -> Fact:
    """A coupon works no more: it is in the shop's trash or gone for good."""
    data = {"code": code, "usage_count": usage_count}
    return Fact("coupon.deleted", f"{woo_id}:{at.isoformat()}", data=data, occurred_at=at)


def _facts(
    store: Store,
    item: Item,
    held: Held | None,
    pk: int,
    refunds: list[tuple[str, int, Decimal]],
    at: datetime,
) -> Iterator[Fact]:
    row = item.row
    created, paid, completed = (when_of(row[f"date_{name}_gmt"]) for name in ("created", "paid", "completed"))
    if held is None and not any(map(store.announces, (created, paid, completed))):
        # All of it is history, as most of an import.
        return
    was = Before(*held.extra) if held else Before()
    was_deleted = bool(held and held.deleted_at)
    comes_back = was_deleted and not item.is_trashed

    def happened(type, own_date, key=None, data=None, silent=False):
        """The fact, unless it is history."""
        if silent or ((held is None or comes_back) and not store.announces(own_date or created)):
            return
        data = data or {name: row[name] for name in ("number", "total", "currency", "status")}
        when = own_date or (item.modified if held else created)
        yield Fact(type, key or str(item.woo_id), order_id=pk, data=data, occurred_at=when)

    # Also of one that was first heard of in the trash; what was told already is not told again.
    if not item.is_trashed and (not held or comes_back):
        yield from happened("order.created", created)
    # Set back to unpaid and to paid again: it was paid before the shop was connected and stays history.
    was_history = bool(was.date_paid_gmt and not store.announces(was.date_paid_gmt))
    if row["is_paid"] and not was.is_paid:
        yield from happened("order.paid", paid, silent=was_history)
    if row["is_paid"]:
        # Told when it is paid: that is when WooCommerce counts a coupon as used.
        for code in set(mapping.coupon_codes(row["coupon_lines"])) - set(was.coupon_codes if was.is_paid else ()):
            data = {"code": code, "currency": row["currency"]}
            yield from happened("coupon.used", paid, f"{item.woo_id}:{code}"[:120], data, silent=was_history)
    # What comes back from the trash as completed was completed when it went there, whatever date the shop gives it now.
    if row["status"] == "completed" and was.status != "completed":
        silent = comes_back and was.date_completed_gmt is not None
        yield from happened("order.completed", completed, silent=silent)
    if row["status"] == "cancelled" and was.status != "cancelled":
        yield from happened("order.cancelled", None)
    for type, woo_id, amount in refunds:
        data = {"amount": f"{amount:f}", "currency": row["currency"]}
        yield from happened(type, item.modified if comes_back else None, key=str(woo_id), data=data)
    about = {name: row[name] for name in ("number", "total", "currency")}
    when = item.modified or at
    if leaves(item, held):
        yield deleted(item.woo_id, pk, None, about | {"status": was.status}, when, at, how="trashed")
    elif comes_back:
        data = about | {"status": row["status"]}
        yield Fact("order.restored", f"{item.woo_id}:{at.isoformat()}", None, pk, data, when)
    elif held and held.digest != item.digest:
        data = {"status": row["status"], "was": was.status}
        yield from happened("order.updated", item.modified, key=f"{item.woo_id}:{item.digest}", data=data)
