"""What the tracking page shows of an order, the links that lead to it, and how somebody without a link finds it."""

from datetime import timedelta

from django.db.models import Prefetch, prefetch_related_objects
from django.urls import reverse

from crm.orders import totals
from crm.orders.models import Category, LineItem, Order
from crm.stores import formats, links
from crm.stores.models import Store

from . import answers
from .models import Shipment, ShipmentItem, Status, TrackingEvent

PURPOSE = "track"
AGE = timedelta(days=180)
SHELVES = 6


def url(order: Order) -> str:
    """The full address of an order's tracking page, for mails; it opens for half a year."""
    return links.address(path(order))


def path(order: Order) -> str:
    return reverse("tracking", args=[links.make(PURPOSE, order.store_id, order.pk)])


def order_of(token: str) -> tuple[Store, Order | None]:
    """The store and the order of a link; no order where the shop has deleted it or the row is gone. Raises BadLink."""
    store_id, pk, _extra = links.read(PURPOSE, token, AGE)
    store = Store.objects.filter(pk=store_id).first()
    if store is None:
        raise links.BadLink
    return store, Order.objects.for_store(store).existing().select_related("customer").filter(pk=pk).first()


def store_of_broken(token: str) -> Store | None:
    """Whose form to offer to the holder of a link that has ended or was cut off: the form is public, so a claim is enough."""
    store_id = links.claimed_store(token)
    return Store.objects.filter(pk=store_id).first() if store_id else None


def find(store: Store, number: str, proof: str) -> Order | None:
    """The order of this number, if `proof` is the address it was ordered with or a postcode on it."""
    number = number.strip().lstrip("#").strip()
    proof = "".join(proof.lower().split())
    # The same number may stand on several orders where a plug-in numbers them by year.
    for order in Order.objects.for_store(store).existing().filter(number=number).order_by("-pk")[:5]:
        postcodes = (str(address.get("postcode") or "") for address in (order.billing, order.shipping))
        known = {"".join(text.lower().split()) for text in (order.billing_email, *postcodes)} - {""}
        if proof in known:
            return order
    return None


def shipments_of(order: Order) -> list[Shipment]:
    items = ShipmentItem.objects.select_related("line_item__product").order_by("line_item__woo_id")
    return list(
        Shipment.objects.existing()
        .filter(order=order)
        .order_by("shipped_at", "pk")
        .prefetch_related(Prefetch("items", items), "events")
    )


def context(store: Store, order: Order) -> dict:
    """Everything the page needs, in a constant number of statements."""
    lines = LineItem.objects.select_related("product").order_by("woo_id")
    prefetch_related_objects([order], Prefetch("line_items", lines))
    shipments = shipments_of(order)
    answer = answers.of_order(store, order, shipments)
    return {
        "order": order,
        "lines": [(line, totals.of_line(order, line)) for line in order.line_items.all()],
        "totals": totals.rows(order),
        "answer": answer,
        "parcels": [
            {
                "shipment": row,
                "items": row.items.all(),
                "steps": answers.parcel_steps(store, order, row),
                "tone": "good" if row.is_delivered else "warn" if row.status in TROUBLE else "",
            }
            for row in shipments
        ],
        "unsent": answers.unsent(order, shipments) if shipments and not answers.has_ended(order) else [],
        "events": _events(shipments),
        "place": masked_address(order),
        "shelves": shelves(store),
    }


TROUBLE = {*answers.PROBLEMS, Status.DELAYED, Status.CUSTOMS}


def _events(shipments) -> list[TrackingEvent]:
    """Newest first, over all parcels; each knows its parcel's place among them where there are several."""
    found = []
    for place, shipment in enumerate(shipments, 1):
        for event in shipment.events.all():
            event.parcel_place = place if len(shipments) > 1 else 0
            found.append(event)
    return sorted(found, key=lambda event: (event.occurred_at, event.pk), reverse=True)


def masked_address(order: Order) -> str:
    """Enough to recognise one's own address, too little to learn another's: the place, and how the postcode begins."""
    address = order.shipping if order.shipping.get("city") else order.billing
    postcode = str(address.get("postcode") or "")
    postcode = f"{postcode[:2]}{'•' * (len(postcode) - 2)}" if len(postcode) > 2 else ""
    place = " ".join(part for part in (postcode, str(address.get("city") or "")) if part)
    country = str(address.get("country") or "").upper()
    return ", ".join(part for part in (place, formats.locale().territories.get(country, country)) if part)


def shelves(store: Store) -> list[dict]:
    """The shop's first categories, for the way back into it."""
    found = (
        Category.objects.for_store(store)
        .existing()
        .filter(parent_woo_id=0, count__gt=0)
        .exclude(slug="uncategorized")
        .order_by("menu_order", "-count", "name")[:SHELVES]
    )
    return [{"name": category.name, "url": store.category_url(category.slug)} for category in found]


def order_section(request, order) -> dict | None:
    """What the portal's order page says of parcels; nothing for an order that has ended without one."""
    shipments = list(Shipment.objects.existing().filter(order=order).order_by("shipped_at", "pk"))
    if not shipments and (answers.has_ended(order) or not order.needs_shipping):
        return None
    return {"shipments": shipments, "url": path(order), "zone": request.store.timezone}


def mail_context(store, customer, order) -> dict:
    """What every mail may show of an order's parcels, under the name `tracking`."""
    if order is None:
        return {}
    return {"url": url(order), "shipments": shipments_of(order)}
