"""A word to whoever loses points that were theirs: how many, why, and what is left. What is given speaks for itself."""

from collections.abc import Iterable

from django.urls import reverse
from django.utils import translation

from crm.messaging import outbox
from crm.stores import links
from crm.stores.models import Store

from . import explaining
from .models import LedgerEntry

MAIL = "points-taken"


def tell(store: Store, entry_ids: Iterable[int]) -> None:
    """Queue a mail for each of these entries that took points, once for each. A constant number of statements."""
    entries = LedgerEntry.objects.for_store(store).filter(pk__in=list(entry_ids)).order_by("pk")
    entries = entries.select_related("order__customer", "account__customer__joined_to")
    outbox.queue_many(store, MAIL, [_draft(store, entry) for entry in entries if entry.moved < 0])


def _draft(store, entry) -> outbox.Draft:
    customer = entry.account.customer.joined_to or entry.account.customer
    with translation.override(store.language_for(customer.language)):
        # How an order's points are worked out stands in the statement.
        why = [] if "base" in entry.rule else explaining.explain(entry)
        context = {
            "points": -entry.moved,
            "title": explaining.title(entry),
            "why": why,
            "left": entry.account.balance,
            "url": links.address(reverse("loyalty-statement", args=[store.slug])),
        }
    # Without the order: to a mail about one the gate says no when the order is gone, and that is the news.
    return outbox.Draft(str(entry.pk), customer=customer, context=context)
