"""What customers and staff are shown of points: on the portal, in mails, beside a ticket."""

from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from django.db.models import F
from django.urls import reverse

from crm.orders.models import Customer, Order
from crm.stores.models import Store

from . import earning, explaining
from .models import Account, LedgerEntry, Program


@dataclass
class Line:
    entry: LedgerEntry
    title: str
    why: list[str]
    order_number: str


@dataclass
class Summary:
    """A person's points in one store, over all accounts of a proven address."""

    program: Program
    balance: int
    worth: Decimal | None
    earns: str
    accounts: list[int]
    tiers: set[str]


def summary(store: Store, customers) -> Summary | None:
    """None if the store has no programme."""
    program = Program.objects.for_store(store).first()
    if program is None:
        return None
    program.store = store  # spares a query, and `worth` asks for the currency
    rows = list(Account.objects.for_store(store).filter(customer__in=customers).values_list("pk", "balance", "tier"))
    balance = sum(balance for _pk, balance, _tier in rows)
    return Summary(
        program, balance, program.worth(balance), explaining.rate(program.rate, store.currency),
        [pk for pk, _balance, _tier in rows], {tier for _pk, _balance, tier in rows if tier},
    )  # fmt: skip


def lines(accounts: list[int], before: int | None = None, size: int = 20) -> tuple[list[Line], int | None]:
    """A page of a statement, newest first, and where the next page begins (the last entry's key) if there is one.

    Moves between these very accounts are left out: they change nothing for the person.
    """
    entries = LedgerEntry.objects.filter(account__in=accounts).select_related("order__customer").order_by("-pk")
    entries = entries.exclude(cause__startswith="join:", rule__account__in=accounts)
    if before:
        entries = entries.filter(pk__lt=before)
    page = list(entries[: size + 1])
    more = page[size - 1].pk if len(page) > size else None
    return [_line(entry) for entry in page[:size]], more


def _line(entry):
    shown = entry.order and entry.order.deleted_at is None
    return Line(entry, explaining.title(entry), explaining.explain(entry), entry.order.number if shown else "")


def for_mail(store: Store, customer: Customer | None, order: Order | None) -> dict:
    """`{points_earned, balance, url}` for a mail's template; empty where there is nothing to tell.

    A mail may be written before the order's points are posted: then it says what they will be.
    """
    program = Program.objects.for_store(store).select_related("store").first()
    if program is None or customer is None:
        return {}
    owner_id = customer.joined_to_id or customer.pk
    balance = Account.objects.filter(customer_id=owner_id).values_list("balance", flat=True).first() or 0
    earned = 0
    if order is not None:
        posted = LedgerEntry.objects.filter(order=order, kind__in=[LedgerEntry.Kind.EARN, LedgerEntry.Kind.REVERSE])
        moved = list(posted.values_list(F("points") + F("pending"), flat=True))
        earned = sum(moved) if moved else earning.expected(order, program)
        if not moved:
            balance += earned
    if not (program.active or balance):
        return {}
    return {"points_earned": max(earned, 0), "balance": balance, "url": settings.SITE_URL + page_url(store)}


def page_url(store: Store) -> str:
    return reverse("loyalty-points", args=[store.slug])


def home_card(request) -> dict | None:
    found = summary(request.store, request.customers)
    if found is None or not (found.program.active or found.balance):
        return None
    return {"summary": found}


def for_staff(store: Store, customer: Customer | None, order: Order | None) -> dict | None:
    """`{account, lines}`: the balance and the last movements, beside a customer on staff's pages; None without an account."""
    if customer is None:
        return None
    account = Account.objects.for_store(store).filter(customer_id=customer.joined_to_id or customer.pk).first()
    if account is None:
        return None
    newest, _before = lines([account.pk], size=3)
    return {"account": account, "lines": newest}
