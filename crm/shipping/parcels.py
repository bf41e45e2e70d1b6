"""Keep the parcels of orders as their shop names them. The only code that makes Shipment and ShipmentItem rows."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import prefetch_related_objects
from django.utils import timezone

from crm.orders.models import Order
from crm.stores.models import Store

from . import progress, tracking_meta
from .models import ReadingCursor, Shipment, ShipmentItem, ShippingSettings, Status, TrackingEvent

FIELDS = ["carrier", "carrier_name", "number", "url", "shipped_at", "removed_at"]
HISTORY_PAGE = 500
# Rows of one page of a first import become visible together; a page is well under this.
SETTLING = timedelta(minutes=1)


@transaction.atomic
def read(store: Store, orders: Iterable[Order], at: datetime | None = None) -> list[Shipment]:
    """Take over what the orders' meta data says of parcels; returns all their shipments, `order` set on each.

    A constant number of statements for any number of orders; reading again changes nothing. A parcel that
    is named no more is marked as removed. Nothing is announced here.
    """
    at = at or timezone.now()
    by_pk = {order.pk: order for order in orders}
    wanted = {pk: _named(order, store) for pk, order in by_pk.items()}
    held = _held(by_pk)
    new, changed = [], []
    for pk, parcels in wanted.items():
        rows, seen = held[pk], set()
        for parcel in parcels:
            row = _row_of(parcel, rows)
            shipped_at = _not_ahead(parcel.shipped_at or by_pk[pk].date_modified_gmt or at, at)
            if row is None:
                row = Shipment(store=store, order=by_pk[pk], key=parcel.key, shipped_at=shipped_at)
                new.append(row)
            elif parcel.shipped_at is None:
                shipped_at = row.shipped_at
            if _update(row, parcel, shipped_at) and row.pk:
                changed.append(row)
            seen.add(row.key)
        for row in rows:
            if row.key not in seen and row.removed_at is None:
                row.removed_at = at
                changed.append(row)
    if changed:
        Shipment.objects.bulk_update(changed, FIELDS)
    if new:
        Shipment.objects.bulk_create(new, ignore_conflicts=True)
        held = _held(by_pk)
        keys = {(row.order_id, row.key) for row in new}
        for row in (row for rows in held.values() for row in rows):
            row.is_new = (row.order_id, row.key) in keys
        _note_the_shipping([row for rows in held.values() for row in rows if row.is_new])
    if any(held.values()):
        _read_items(by_pk, wanted, held)
    return [row for rows in held.values() for row in rows]


def announce(store: Store, shipments: Iterable[Shipment]) -> None:
    """Tell of parcels that are on their way, and of delivered ones, each once; what was before the shop was connected is history."""
    news = [row for row in shipments if row.removed_at is None]
    left = [row for row in news if _is_news(store, row.shipped_at) and not _came_along(store, row)]
    progress.tell(store, left, Status.SHIPPED)
    arrived = [row for row in news if row.is_delivered and row.delivered_at and row.delivered_at >= store.announce_from]
    progress.tell(store, arrived, Status.DELIVERED)


def deliver(store: Store, orders: Iterable[Order], shipments: Iterable[Shipment]) -> None:
    """Take the parcels of completed orders for delivered, where the store says that completed means that."""
    completed = {order.pk: order for order in orders if order.status == "completed"}
    held = ShippingSettings.objects.filter(store=store).first()
    if not completed or (held is not None and not held.completed_means_delivered):
        return
    open_ones = [
        row for row in shipments if row.order_id in completed and row.removed_at is None and not row.is_delivered
    ]
    progress.note_many(
        [
            TrackingEvent(
                shipment=row,
                status=Status.DELIVERED,
                occurred_at=completed[row.order_id].date_completed_gmt or timezone.now(),
                source=TrackingEvent.Source.SHOP,
            )
            for row in open_ones
        ]
    )


def read_history() -> None:
    """Read, silently, the parcels of orders that came by import; live ones are read when their events are handled."""
    for store in Store.objects.connected():
        while read_history_of(store, timezone.now()):
            pass


def read_history_of(store: Store, at: datetime) -> int:
    """The next page of a store's orders; returns how many were read."""
    with transaction.atomic():
        ReadingCursor.objects.get_or_create(store=store)
        cursor = ReadingCursor.objects.select_for_update().get(store=store)
        orders = Order.objects.for_store(store).filter(pk__gt=cursor.order_id).order_by("pk")
        page = list(orders.defer("billing", "tax_lines", "fee_lines", "coupon_lines")[:HISTORY_PAGE])
        fresh = next((place for place, row in enumerate(page) if row.synced_at and row.synced_at > at - SETTLING), None)
        page = page[:fresh]
        if not page:
            return 0
        named = [order for order in page if tracking_meta.parcels(order.meta_data, store.zone)]
        deliver(store, named, read(store, named, at))
        cursor.order_id = page[-1].pk
        cursor.save(update_fields=["order_id"])
    return len(page)


def _named(order, store):
    postcode = str(order.shipping.get("postcode") or "")
    return tracking_meta.parcels(order.meta_data, store.zone, postcode)


def _held(orders):
    held = defaultdict(list)
    for row in Shipment.objects.filter(order_id__in=list(orders)).order_by("pk"):
        row.order = orders[row.order_id]
        held[row.order_id].append(row)
    return held


def _row_of(parcel, rows):
    """The parcel's row: by its key, or by its number where the plug-in has given it a new key."""
    by_key = (row for row in rows if row.key == parcel.key)
    by_number = (row for row in rows if parcel.number and row.number == parcel.number)
    return next(by_key, None) or next(by_number, None)


def _update(row, parcel, shipped_at):
    before = [getattr(row, name) for name in FIELDS]
    row.carrier, row.carrier_name, row.number, row.url = parcel.carrier, parcel.carrier_name, parcel.number, parcel.url
    row.shipped_at, row.removed_at = shipped_at, None
    return before != [getattr(row, name) for name in FIELDS]


def _note_the_shipping(rows):
    TrackingEvent.objects.bulk_create(
        [
            TrackingEvent(
                shipment=row, status=Status.SHIPPED, occurred_at=row.shipped_at, source=TrackingEvent.Source.SHOP
            )
            for row in rows
        ],
        ignore_conflicts=True,
    )


def _read_items(orders, wanted, held):
    """What is in each parcel: what the plug-in says; all of the order if it names nothing and there is one parcel."""
    prefetch_related_objects([orders[pk] for pk, rows in held.items() if rows], "line_items")
    desired: dict[tuple[int, int], Decimal] = {}
    for pk, rows in held.items():
        present = [row for row in rows if row.removed_at is None]
        parcels = {id(row): parcel for parcel in wanted[pk] if (row := _row_of(parcel, present))}
        lines = list(orders[pk].line_items.all()) if present else []
        for row in present:
            parcel = parcels.get(id(row))
            for line in lines:
                if quantity := _quantity_of(line, parcel, alone=len(present) == 1):
                    desired[row.pk, line.pk] = quantity
    ids = [row.pk for rows in held.values() for row in rows]
    items = {(item.shipment_id, item.line_item_id): item for item in ShipmentItem.objects.filter(shipment__in=ids)}
    gone = [item.pk for pair, item in items.items() if desired.get(pair) != item.quantity]
    if gone:
        ShipmentItem.objects.filter(pk__in=gone).delete()
    missing = [pair for pair, quantity in desired.items() if pair not in items or items[pair].quantity != quantity]
    if missing:
        ShipmentItem.objects.bulk_create(
            [ShipmentItem(shipment_id=s, line_item_id=line, quantity=desired[s, line]) for s, line in missing],
            ignore_conflicts=True,
        )


def _quantity_of(line, parcel, alone):
    if parcel is None:
        return None
    if parcel.lines or parcel.products:
        named = parcel.lines.get(line.woo_id)
        named = named or parcel.products.get(line.variation_id_in_shop) or parcel.products.get(line.product_id_in_shop)
        return min(named, line.quantity) if named and line.quantity > 0 else None
    return line.quantity if alone and line.quantity > 0 else None


def _not_ahead(shipped_at, at):
    """A date of today stands for noon, which may be still to come."""
    return at if at < shipped_at < at + timedelta(days=1) else shipped_at


def _is_news(store, moment):
    # Plug-ins tell the day only, so the day of the connection counts as a whole.
    return (
        moment is not None and moment.astimezone(store.zone).date() >= store.announce_from.astimezone(store.zone).date()
    )


def _came_along(store, row):
    """Whether the parcel was on an order of before the connection when that was read in silence: on the day itself no date tells."""
    ordered_at = row.order.date_created_gmt
    return not row.is_new and (ordered_at is None or ordered_at < store.announce_from)
