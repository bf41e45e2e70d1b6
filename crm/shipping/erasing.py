"""Where a person's parcels went, erased; that they went stays."""

from django.db.models import TextField, Value
from django.db.models.functions import Cast, Concat

from crm.orders.erasing import Counts, Person

from .models import Shipment, TrackingEvent


def parcels(person: Person) -> Counts:
    events = TrackingEvent.objects.filter(shipment__order__in=person.orders).exclude(place="", text="")
    # Of one parcel and moment there may be two events that differ in their words alone.
    for pk in events.values_list("pk", flat=True):
        TrackingEvent.objects.filter(pk=pk).update(place="", text=f"erased {pk}")
    rows = Shipment.objects.filter(order__in=person.orders).exclude(number="", url="")
    key = Concat(Value("erased "), Cast("pk", TextField()), output_field=TextField())
    return {"Shipments": rows.update(number="", url="", key=key)}
