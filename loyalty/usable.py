"""From when an order's points can be spent: so many days after its delivery, when the goods are likely to stay."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from crm.orders.models import Order
from crm.shipping.models import Shipment
from crm.stores.models import Store

from . import lots
from .models import Lot, Program

BATCH = 1000


def usable_from(store: Store, order_ids: Iterable[int], days: int) -> dict[int, datetime | None]:
    """The day for each of these orders: `days` after the last parcel came, else after the order was completed. None: not known yet."""
    order_ids = set(order_ids)
    parcels: dict[int, list[datetime | None]] = defaultdict(list)
    shipments = Shipment.objects.for_store(store).existing().filter(order__in=order_ids)
    for order_id, delivered_at in shipments.values_list("order_id", "delivered_at"):
        parcels[order_id].append(delivered_at)
    completed = Order.objects.for_store(store).filter(pk__in=order_ids).values_list("pk", "date_completed_gmt")
    return {pk: _after(parcels[pk], completed_at, days) for pk, completed_at in completed}


def _after(parcels: list[datetime | None], completed_at: datetime | None, days: int) -> datetime | None:
    delivered = [at for at in parcels if at]
    last = max(delivered) if delivered and len(delivered) == len(parcels) else completed_at
    return last + timedelta(days=days) if last else None


def set_dates(store: Store, order_ids: Iterable[int] | None = None) -> int:
    """Date the pending lots of these orders, or of all orders whose day was not known; returns how many changed."""
    pending = Lot.objects.for_store(store).filter(is_open=True, released_at=None).exclude(order=None)
    pending = pending.filter(available_from=None) if order_ids is None else pending.filter(order__in=set(order_ids))
    days = Program.objects.for_store(store).values_list("pending_days", flat=True).first() or 0
    changed, last = 0, 0
    while batch := list(pending.filter(pk__gt=last).order_by("pk").only("pk", "order_id", "available_from")[:BATCH]):
        last = batch[-1].pk
        dates = usable_from(store, {lot.order_id for lot in batch if lot.order_id}, days)
        new = [lot for lot in batch if lot.order_id and dates.get(lot.order_id) not in (None, lot.available_from)]
        for lot in new:
            lot.available_from = dates[lot.order_id] if lot.order_id else None
        changed += Lot.objects.bulk_update(new, ["available_from"])
    return changed


def release(store: Store, at: datetime) -> int:
    """Let pending points be spent whose day has come; what no event told of is dated before."""
    set_dates(store)
    return lots.release(store, at)
