"""Where a person's parcels went."""

from collections.abc import Iterator

from crm.orders.erasing import Person

from .models import Shipment


def parcels(person: Person) -> Iterator[dict]:
    rows = Shipment.objects.for_store(person.store).filter(order__customer__in=person.customers)
    rows = rows.select_related("order").prefetch_related("items__line_item", "events").order_by("pk")
    for row in rows.iterator(chunk_size=200):
        yield {
            "order": row.order.number, "carrier": row.carrier_name or row.carrier, "number": row.number, "page": row.url,
            "status": row.status, "shipped_at": row.shipped_at, "expected_from": row.expected_from,
            "expected_until": row.expected_until, "delivered_at": row.delivered_at, "taken_back_at": row.removed_at,
            "items": [{"name": item.line_item.name, "quantity": item.quantity} for item in row.items.all()],
            "events": [
                {"at": event.occurred_at, "status": event.status, "text": event.text, "place": event.place}
                for event in row.events.all()
            ],
        }  # fmt: skip
