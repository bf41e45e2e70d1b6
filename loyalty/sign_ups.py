"""The gift for joining: it comes with the first paid order.

An address costs nothing, and whoever owns a domain has any number of them: so joining alone gives no points, and a mailbox has the gift once.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import reduce
from operator import or_

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Coalesce

from crm.messaging import mailboxes
from crm.orders.models import Customer, Order
from crm.stores.models import Store

from . import occasions
from .ledger import Kind as EntryKind
from .models import LedgerEntry
from .occasions import Fact, Kind

# One a customer, however often somebody leaves and comes back.
KEY = "1"


@transaction.atomic
def settle(store: Store, joined: dict[int, datetime], paid: dict[int, datetime]) -> list[LedgerEntry]:
    """Give it to those who joined (by customer) and have a paid order, and to those whose first paid order this is (by order).

    Both facts come in any sequence and the gift comes once. It returns the new entries; a constant number of statements.
    """
    if not occasions.points_for(store, Kind.SIGN_UP):
        return []
    buyers = Order.objects.for_store(store).filter(pk__in=paid).values("customer")
    people = Customer.objects.for_store(store).filter(Q(pk__in=joined) | Q(pk__in=buyers))
    owners = dict(people.annotate(owner=Coalesce("joined_to_id", "pk")).values_list("pk", "owner"))
    first = _first_orders(store, set(owners.values()))
    due = {owners[pk]: at for pk, at in joined.items() if owners.get(pk) in first}
    due |= {owner: paid[order] for owner, order in first.items() if order in paid and owner not in due}
    if not due:
        return []
    # Held until the transaction ends: two addresses of a mailbox may come at once.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"loyalty.sign_ups:{store.pk}"])
    emails = dict(Customer.objects.filter(pk__in=due).order_by("pk").values_list("pk", "email"))
    facts = [Fact(owner, KEY, due[owner]) for owner in _without(store, emails)]
    return occasions.award(store, Kind.SIGN_UP, facts)


def is_to_come(store: Store, customers: Iterable[Customer]) -> bool:
    """Whether the person of these rows has the gift before them: with the first order that they pay. Two queries."""
    emails = {customer.pk: customer.email for customer in customers}
    return not _first_orders(store, [*emails]) and bool(_without(store, emails))


def _first_orders(store, owners) -> dict[int, int]:
    """The first paid order of each who has one, those of joined guests among them."""
    theirs = Q(customer__in=owners) | Q(customer__joined_to__in=owners)
    orders = Order.objects.for_store(store).existing().filter(theirs, is_paid=True)
    orders = orders.annotate(owner=Coalesce("customer__joined_to_id", "customer_id"))
    orders = orders.order_by("owner", Coalesce("date_paid_gmt", "date_created_gmt"), "pk").distinct("owner")
    return dict(orders.values_list("owner", "pk"))


def _without(store, emails) -> list[int]:
    """Of these customers (`{key: address}`) the first of each mailbox that has had no gift yet."""
    given = LedgerEntry.objects.for_store(store).filter(kind=EntryKind.EARN, cause=occasions.cause(Kind.SIGN_UP, KEY))
    same = reduce(or_, (mailboxes.same("account__customer__email", email) for email in emails.values()))
    had = {mailboxes.mailbox(email) for email in given.filter(same).values_list("account__customer__email", flat=True)}
    free = []
    for owner, email in emails.items():
        box = mailboxes.mailbox(email)
        if box not in had:
            free.append(owner)
        # Somebody without an address is nobody else.
        had |= {box} - {""}
    return free
