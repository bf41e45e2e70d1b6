"""What messaging hears: paid orders, and what mail services tell."""

from itertools import groupby

from django.db.models import prefetch_related_objects

from crm.events.subscribing import on

from . import outbox, reports


@on("order.paid")
def thank(events):
    """Owe each buyer a thank-you, once for an order whatever happens to it later."""
    prefetch_related_objects(events, "order__customer")
    for store, group in groupby(sorted(events, key=lambda event: event.store_id), key=lambda event: event.store):
        outbox.queue_many(
            store,
            "thank-you",
            [
                outbox.Draft(key=f"order:{event.key}", customer=event.customer, order=event.order)
                for event in group
                if event.order is not None
            ],
        )


def keep_report(sender, event, esp_name, **kwargs):
    reports.keep(esp_name, event)
