"""What messaging hears: paid and refunded orders, guests who turned out to be customers, and what mail services tell."""

from datetime import timedelta
from itertools import groupby

from django.db.models import prefetch_related_objects
from django.urls import reverse

from crm.events.subscribing import on
from crm.stores import links
from crm.stores.models import Membership, User

from . import holds, outbox, reports
from .holds import Kind, Problem

# Banks take about so long until money that was given back is on the account.
REFUND_TAKES = timedelta(days=10)


@on("order.paid")
def thank(events):
    """Owe each buyer a thank-you, once for an order whatever happens to it later."""
    prefetch_related_objects(events, "order__customer")
    for store, group in _by_store(events):
        outbox.queue_many(
            store,
            "thank-you",
            [
                outbox.Draft(key=f"order:{event.key}", customer=event.customer, order=event.order)
                for event in group
                if event.order is not None
            ],
        )


@on("sync.failed", "webhooks.repaired", "writes.refused")
def tell_owners(events):
    """Mail a store's owners what is wrong between it and its shop; where it has none, whoever looks after all stores."""
    staff = User.objects.filter(is_active=True, is_staff=True).order_by("pk")
    for event in events:
        owners = staff.filter(memberships__store=event.store_id, memberships__role=Membership.Role.OWNER)
        context = {
            "event": event.type,
            "message": event.data["message"],
            "sync_url": links.address(reverse("admin:woocommerce_connection_change", args=[event.store_id])),
        }
        outbox.queue_many(
            event.store,
            "shop-trouble",
            [
                outbox.Draft(key=f"{event.type}:{event.key}", email=user.email, context=context)
                for user in owners or staff.filter(is_superuser=True)
            ],
        )


def keep_report(sender, event, esp_name, **kwargs):
    reports.keep(esp_name, event)


@on("order.refunded")
def hold_until_the_money_is_there(events):
    for store, group in _by_store(events):
        problems = [
            Problem(
                event.customer_id, f"refund:{event.key}", event.occurred_at, ends_at=event.occurred_at + REFUND_TAKES
            )
            for event in group
            if event.customer_id
        ]
        holds.place(store, Kind.REFUND, problems)


@on("refund.deleted")
def lift_of_refunds_taken_back(events):
    for event in events:
        holds.lift(event.store, [f"refund:{event.key.partition(':')[0]}"], event.occurred_at)


@on("customer.joined")
def take_holds_along(events):
    for event in events:
        holds.move(event.store, event.data["guest_id"], event.data["customer_id"])


def _by_store(events):
    return groupby(sorted(events, key=lambda event: event.store_id), key=lambda event: event.store)
