"""A word to whoever loses points that were theirs: how many, why, and what is left. What is given speaks for itself."""

from collections.abc import Iterable

from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import translation

from crm.messaging import outbox
from crm.stores import links
from crm.stores.models import Store

from . import explaining, members
from .models import Account, LedgerEntry, Program

MAIL = "points-taken"
POINTS = Account.Unit.POINTS


def tell(store: Store, entry_ids: Iterable[int]) -> None:
    """Queue a mail for each of these entries that took points from a member, once for each. A constant number of statements.

    What went along with an order to another account of the same person is not taken from anybody.
    """
    program = Program.objects.for_store(store).first()
    if program is None:
        return
    entries = LedgerEntry.objects.for_store(store).filter(pk__in=list(entry_ids))
    owner = Coalesce("account__customer__joined_to_id", "account__customer_id")
    entries = entries.annotate(owner=owner).filter(members.taking_part(program, "owner")).order_by("pk")
    taken = [
        entry
        for entry in entries.select_related("order__customer", "account__customer__joined_to")
        if entry.moved < 0 and entry.rule.get("why") != "moved"
    ]
    accounts = Account.objects.for_store(store).filter(customer__in={entry.owner for entry in taken}, unit=POINTS)
    left = dict(accounts.values_list("customer_id", "balance"))
    outbox.queue_many(store, MAIL, [_draft(store, entry, left.get(entry.owner, 0)) for entry in taken])


def _draft(store, entry, left) -> outbox.Draft:
    customer = entry.account.customer.person
    with translation.override(store.language_for(customer.language)):
        # How an order's points are worked out stands in the statement.
        why = [] if "base" in entry.rule else explaining.explain(entry)
        context = {
            "points": -entry.moved,
            "title": explaining.title(entry),
            "why": why,
            "left": left,
            "url": links.address(reverse("loyalty-statement", args=[store.slug])),
        }
    # Without the order: to a mail about one the gate says no when the order is gone, and that is the news.
    return outbox.Draft(str(entry.pk), customer=customer, context=context)
