"""A guest becomes a customer: the points move over, lot by lot, and keep their days."""

from collections.abc import Iterable

from django.db import transaction

from crm.orders.models import Customer
from crm.stores.models import Store

from .accounts import lock, open_accounts
from .models import Account, LedgerEntry, Lot
from .posting import Kind, Posting, post_many


@transaction.atomic
def join(store: Store, guest_ids: Iterable[int]) -> list[LedgerEntry]:
    """Move the points of joined guests to the customers they belong to now; returns the new entries.

    What is moved is what is there, so that again and again is the same as once.
    """
    guests = Customer.objects.for_store(store).filter(pk__in=guest_ids, accounts__unit=Account.Unit.POINTS)
    joined = dict(guests.exclude(joined_to=None).values_list("pk", "joined_to_id"))
    if not joined:
        return []
    open_accounts(store, joined.values())
    accounts = lock(store, {*joined, *joined.values()})
    lots = Lot.objects.filter(account__in=[accounts[guest] for guest in joined], is_open=True).select_related("account")
    postings = []
    for lot in lots.order_by("pk"):
        guest = accounts[lot.account.customer_id]
        postings += _move(lot, guest, accounts[joined[guest.customer_id]])
    for guest_id, customer_id in joined.items():
        guest, customer = accounts[guest_id], accounts[customer_id]
        if guest.balance < 0:
            # A debt is taken like any reversal: not below zero where the programme does not let it.
            cause = f"join:{guest_id}:{customer_id}:{guest.posted}"
            postings.append(
                Posting(guest.pk, Kind.ADJUST, -guest.balance, cause, rule={"moved": "out", "account": customer.pk})
            )
            postings.append(
                Posting(customer.pk, Kind.REVERSE, guest.balance, cause, rule={"moved": "in", "account": guest.pk})
            )
    return post_many(postings)


def _move(lot: Lot, guest: Account, customer: Account) -> list[Posting]:
    # A lot may be given points back after the move; how much was posted before tells one move from the next.
    cause = f"join:{guest.customer_id}:{customer.customer_id}:{guest.posted}:{lot.pk}"
    return [
        Posting(
            guest.pk,
            Kind.ADJUST,
            -lot.remaining,
            cause,
            lot_id=lot.pk,
            order_id=lot.order_id,
            rule={"moved": "out", "account": customer.pk},
        ),
        Posting(
            customer.pk,
            Kind.ADJUST,
            lot.remaining,
            cause,
            pending=lot.released_at is None,
            available_from=lot.available_from,
            expires_at=lot.expires_at,
            order_id=lot.order_id,
            rule={"moved": "in", "account": guest.pk},
        ),
    ]
