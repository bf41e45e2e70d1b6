"""Store credit: money that a customer has with the shop, on accounts of their own in the points ledger (`docs/store-credit.md`)."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db.models import F, Sum
from django.urls import reverse
from django.utils import translation

from crm.messaging import outbox
from crm.orders.models import Customer
from crm.stores import links
from crm.stores.models import Store

from . import codes, units
from .accounts import open_accounts
from .models import Account, LedgerEntry, Lot, Redemption
from .posting import Kind, post

GIVEN_MAIL = "credit-given"


class Money(NamedTuple):
    amount: Decimal
    currency: str


def account_of(store: Store, customer: Customer) -> Account:
    """The customer's credit in the store's currency, opened if there was none; a joined guest's is the customer's."""
    owner_id = customer.person_id
    open_accounts(store, [owner_id], store.currency)
    return Account.objects.select_related("customer", "store").get(
        store=store, customer_id=owner_id, unit=store.currency
    )


def accounts_of(store: Store, customers: Iterable[Customer]) -> list[Account]:
    """Their accounts of money that were ever used, those of the store's currency first."""
    accounts = Account.objects.for_store(store).credit().filter(customer__in=customers, posted__gt=0)
    return sorted(accounts, key=lambda account: (account.unit != store.currency, account.unit, account.pk))


def held(accounts: list[Account]) -> list[Money]:
    """What there is of each currency, in the order of the accounts."""
    sums: dict[str, int] = {}
    for account in accounts:
        sums[account.unit] = sums.get(account.unit, 0) + account.balance
    return [Money(units.money(balance, unit), unit) for unit, balance in sums.items()]


def outstanding(store: Store) -> list[Money]:
    """What the shop owes its customers in each currency."""
    sums = Account.objects.for_store(store).credit().filter(balance__gt=0).values_list("unit").annotate(Sum("balance"))
    return [Money(units.money(balance, unit), unit) for unit, balance in sums.order_by("unit")]


def give(redemption: Redemption, at: datetime) -> LedgerEntry:
    """Put the money of a reward on the customer's account of it, and say so. Raises ValueError for what can't be paid."""
    terms = redemption.terms
    amount = units.smallest(Decimal(terms["amount"]), terms["currency"])
    account = account_of(redemption.store, redemption.account.customer)
    rule = {"why": "reward", "reward": terms, "unit": account.unit}
    entry = post(account, Kind.EARN, amount, codes.cause(redemption), rule=rule, at=at)
    tell(entry)
    return entry


def is_whole(redemption: Redemption) -> bool:
    """Whether nothing of what the reward gave is spent."""
    return _whole(redemption) is not None


def take_back(redemption: Redemption, at: datetime) -> bool:
    """Take what the reward gave, if it is whole; the customer's accounts are held by the caller."""
    lot = _whole(redemption)
    if lot is None:
        return False
    post(lot.account, Kind.REVERSE, -lot.granted, codes.cause(redemption), lot_id=lot.pk, rule=lot.entry.rule, at=at)
    return True


def _whole(redemption: Redemption) -> Lot | None:
    of = {"account__customer": redemption.account.customer_id, "account__unit": redemption.terms["currency"]}
    lots = Lot.objects.filter(entry__kind=Kind.EARN, entry__cause=codes.cause(redemption), **of)
    return lots.filter(remaining=F("granted")).select_related("account", "entry").first()


def tell(entry: LedgerEntry) -> None:
    """Write to the customer that there is more credit now."""
    account = entry.account
    customer = account.customer.person
    language = account.store.language_for(customer.language)
    with translation.override(language):
        context = {
            "amount": units.shown(entry.points, account.unit),
            "balance": units.shown(entry.balance_after, account.unit),
            "reason": entry.note,
            "number": entry.rule.get("order", ""),
            "url": links.address(reverse("loyalty-credit", args=[account.store.slug])),
        }
    outbox.queue(account.store, GIVEN_MAIL, str(entry.pk), customer=customer, context=context)
