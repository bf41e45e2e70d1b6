"""What the Shipment Tracking plug-ins write into an order's meta data. Pure: any shape in, parcels out, nothing raised."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from . import carriers

KEY = "_wc_shipment_tracking_items"
DAY = 24 * 3600


@dataclass
class Parcel:
    key: str
    number: str
    carrier: str
    carrier_name: str
    url: str
    shipped_at: datetime | None
    # Of the order's lines by their number in the shop, or by their product's, where the plug-in says it.
    lines: dict[int, Decimal] = field(default_factory=dict)
    products: dict[int, Decimal] = field(default_factory=dict)


def parcels(meta_data: Any, zone: ZoneInfo, postcode: str = "") -> list[Parcel]:
    """The parcels an order's meta data names, in their order; one number is one parcel however often it is named."""
    found: dict[str, Parcel] = {}
    numbers = set()
    for item in _items(meta_data):
        number, key = _text(item.get("tracking_number")), _text(item.get("tracking_id"))
        key = key or number
        if not key or key in found or (number and number in numbers):
            continue
        numbers.add(number)
        found[key] = _parcel(item, key, number, zone, postcode)
    return list(found.values())


def _items(meta_data: Any) -> Iterator[dict]:
    for entry in meta_data if isinstance(meta_data, list) else []:
        if isinstance(entry, dict) and entry.get("key") == KEY:
            value = entry.get("value")
            # PHP writes a list with gaps as an object.
            value = list(value.values()) if isinstance(value, dict) else value
            yield from (item for item in (value if isinstance(value, list) else []) if isinstance(item, dict))


def _parcel(item, key, number, zone, postcode):
    said = _text(item.get("tracking_provider")) or _text(item.get("custom_tracking_provider"))
    slug, name = carriers.find(said)
    link = carriers.safe_url(_text(item.get("custom_tracking_link"), 2000), number, postcode)
    parcel = Parcel(
        key=key,
        number=number,
        carrier=slug,
        carrier_name=name,
        url=link or carriers.tracking_url(slug, number),
        shipped_at=moment(item.get("date_shipped"), zone),
    )
    named = item.get("products_list")
    named = list(named.values()) if isinstance(named, dict) else named
    for line in named if isinstance(named, list) else []:
        if isinstance(line, dict) and (quantity := _quantity(line.get("qty"))):
            if line_id := _number(line.get("item_id")):
                parcel.lines[line_id] = parcel.lines.get(line_id, Decimal(0)) + quantity
            elif product_id := _number(line.get("product")):
                parcel.products[product_id] = parcel.products.get(product_id, Decimal(0)) + quantity
    return parcel


def moment(value: Any, zone: ZoneInfo) -> datetime | None:
    """An epoch as number or text, or `YYYY-MM-DD`. A date without a time is noon in the shop's zone, so that it stays that day."""
    text = _text(value)
    try:
        if text.isdecimal():
            seconds = int(text)
            if seconds % DAY:
                return datetime.fromtimestamp(seconds, UTC)
            day = datetime.fromtimestamp(seconds, UTC).date()
        else:
            day = date.fromisoformat(text[:10])
        return datetime.combine(day, time(12), zone).astimezone(UTC) if 1990 < day.year < 2200 else None
    except (ValueError, OverflowError, OSError):
        return None


def _text(value, length=150):
    return str(value).strip()[:length] if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _number(value):
    text = _text(value)
    return int(text) if text.isdecimal() and len(text) < 19 else 0


def _quantity(value):
    try:
        quantity = Decimal(_text(value) or "0")
    except InvalidOperation:
        return None
    return quantity if quantity.is_finite() and quantity > 0 else None
