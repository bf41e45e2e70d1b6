"""Accounts of customers: opened when first needed, locked in one order."""

from collections.abc import Iterable

from crm.orders.models import Customer
from crm.stores.models import Store

from .models import Account

# Of a store's accounts those of money, for statements in SQL that are about points alone.
CREDIT = "(SELECT id FROM loyalty_account WHERE store_id = %(store)s AND unit <> 'points')"


def open_accounts(store: Store, customer_ids: Iterable[int], unit: str = Account.Unit.POINTS) -> None:
    """Give each of these customers an account of the unit who has none."""
    Account.objects.bulk_create(
        [Account(store=store, customer_id=pk, unit=unit) for pk in sorted(set(customer_ids))], ignore_conflicts=True
    )


def account_of(store: Store, customer: Customer) -> Account | None:
    """The points account of a person; a joined guest's is the customer's."""
    return Account.objects.for_store(store).points().filter(customer_id=customer.person_id).first()


def lock(store: Store, customer_ids: Iterable[int]) -> dict[int, Account]:
    """Hold the points accounts of these customers, in the order of their keys; returns them by the customer's key."""
    accounts = Account.objects.for_store(store).points().filter(customer_id__in=set(customer_ids))
    return {account.customer_id: account for account in accounts.order_by("pk").select_for_update(no_key=True)}


def lock_all(store: Store, customer_ids: Iterable[int]) -> dict[tuple[int, str], Account]:
    """Hold their accounts of every unit, in the order of their keys; returns them by the customer's key and the unit."""
    accounts = Account.objects.for_store(store).filter(customer_id__in=set(customer_ids))
    held = accounts.order_by("pk").select_for_update(no_key=True)
    return {(account.customer_id, account.unit): account for account in held}


def tiers_of(store: Store) -> dict[int, str]:
    """The tier of each customer who is in one, by the customer's key."""
    return dict(Account.objects.for_store(store).points().exclude(tier="").values_list("customer", "tier"))
