"""A guest becomes a customer: points and credit move over, lot by lot, and keep their days."""

from collections.abc import Iterable

from django.db import transaction

from crm.stores.models import Store

from .accounts import lock_all, open_accounts
from .models import Account, LedgerEntry, Lot
from .posting import Kind, Posting, post_many


@transaction.atomic
def join(store: Store, guest_ids: Iterable[int]) -> list[LedgerEntry]:
    """Move what joined guests hold to the customers they belong to now; returns the new entries.

    What is moved is what is there, so that again and again is the same as once.
    """
    theirs = Account.objects.for_store(store).filter(customer__in=guest_ids, customer__joined_to__isnull=False)
    joined = {
        (guest_id, unit): (customer_id, unit)
        for guest_id, customer_id, unit in theirs.values_list("customer", "customer__joined_to", "unit")
    }
    if not joined:
        return []
    for unit in sorted({unit for _customer, unit in joined}):
        open_accounts(store, [customer_id for customer_id, of in joined.values() if of == unit], unit)
    accounts = lock_all(store, {customer_id for pair in joined.items() for customer_id, _unit in pair})
    lots = Lot.objects.filter(account__in=[accounts[guest] for guest in joined], is_open=True).select_related("account")
    postings = []
    for lot in lots.order_by("pk"):
        key = (lot.account.customer_id, lot.account.unit)
        postings += _move(lot, accounts[key], accounts[joined[key]])
    for (guest_id, unit), (customer_id, _unit) in joined.items():
        guest, customer = accounts[guest_id, unit], accounts[customer_id, unit]
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
    unit = {"unit": guest.unit} if guest.is_credit else {}
    return [
        Posting(
            guest.pk,
            Kind.ADJUST,
            -lot.remaining,
            cause,
            lot_id=lot.pk,
            order_id=lot.order_id,
            rule={"moved": "out", "account": customer.pk} | unit,
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
            rule={"moved": "in", "account": guest.pk} | unit,
        ),
    ]
