"""The only code that writes LedgerEntry rows. The database moves the balance with them and refuses anything else.

Points change hands under a lock of the account; batches lock their accounts in the order of their keys, so that no two
writers wait for each other. A cause posts once, however often a task runs.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby

from django.db import connection, transaction
from django.db.models import Max
from django.utils.timezone import now
from django.utils.translation import gettext as _

from crm.events import recording
from crm.events.recording import Fact
from crm.orders.models import Customer
from crm.stores.formats import number
from crm.stores.models import Store

from .models import Account, LedgerEntry, Program

Kind = LedgerEntry.Kind
# More is a shop's broken amount and no reward for anything; far below what a bigint balance can hold.
MOST_POINTS = 10**12


class InsufficientPoints(Exception):
    """The account has fewer points than asked for; the message is for people."""


@dataclass
class Posting:
    """An entry to be. `points` has its sign: REDEEM, EXPIRE and REVERSE take away.

    A REVERSE takes what is there if the programme lets no balance go below zero, and keeps the rest as the entry's shortfall.
    """

    account_id: int
    kind: str
    points: int
    cause: str
    shortfall: int = 0
    order_id: int | None = None
    rule: dict = field(default_factory=dict)
    note: str = ""
    created_by_id: int | None = None


def post(account: Account, kind: str, points: int, cause: str, *, note: str = "", by=None, rule=None) -> LedgerEntry:
    """Append one entry, or return the one that the same cause made before. Raises InsufficientPoints."""
    posting = Posting(account.pk, kind, points, cause, note=note, created_by_id=by and by.pk, rule=rule or {})
    if entries := post_many([posting]):
        return entries[0]
    return LedgerEntry.objects.get(account=account, kind=kind, cause=cause)


@transaction.atomic
def post_many(postings: Iterable[Posting], *, announce: bool = True) -> list[LedgerEntry]:
    """Append entries in a constant number of statements; returns the new ones, without causes that were posted before.

    All or nothing. An order of postings for one account is kept. `announce` records `points.earned`. Raises InsufficientPoints,
    and ValueError for an unreasonable number of points.
    """
    postings = list(postings)
    if not postings:
        return []
    accounts = _lock({posting.account_id for posting in postings})
    done = _posted_before(postings)
    at = now()
    entries = []
    for posting in postings:
        key = (posting.account_id, posting.kind, posting.cause)
        if key in done:
            continue
        done.add(key)
        entries.append(_entry(posting, accounts[posting.account_id], at))
    # Entries of one account follow each other by key; accounts in one order, as they were locked.
    entries.sort(key=lambda entry: entry.account_id)
    LedgerEntry.objects.bulk_create(entries)
    if announce:
        _announce(entries)
    return entries


@dataclass
class _Held:
    """An account under lock; `balance` runs ahead of the database while a batch is made."""

    account: Account
    balance: int
    may_go_below_zero: bool


def _lock(account_ids) -> dict[int, _Held]:
    accounts = list(Account.objects.filter(pk__in=account_ids).order_by("pk").select_for_update())
    lenient = set(
        Program.objects.filter(store_id__in={a.store_id for a in accounts}, negative_balance=True).values_list(
            "store_id", flat=True
        )
    )
    return {a.pk: _Held(a, a.balance, a.store_id in lenient) for a in accounts}


def _posted_before(postings) -> set[tuple[int, str, str]]:
    # Asked after the lock: whoever posts the same cause now has either committed or waits for us.
    found = LedgerEntry.objects.filter(
        account_id__in={posting.account_id for posting in postings}, cause__in={posting.cause for posting in postings}
    )
    return set(found.values_list("account_id", "kind", "cause"))


def _entry(posting: Posting, held: _Held, at) -> LedgerEntry:
    if max(abs(posting.points), abs(posting.shortfall)) > MOST_POINTS:
        raise ValueError(f"{posting.points} points at once ({posting.cause}) are more than anything can earn or cost")
    points, shortfall = posting.points, posting.shortfall
    if points < 0 and held.balance + points < 0:
        if posting.kind == Kind.REVERSE:
            if not held.may_go_below_zero:
                points = -max(held.balance, 0)
                shortfall = points - posting.points
        elif posting.kind != Kind.ADJUST or not held.may_go_below_zero:
            raise InsufficientPoints(
                _("There are %(balance)s points, %(points)s were asked for.")
                % {"balance": number(held.balance), "points": number(-points)}
            )
    held.balance += points
    return LedgerEntry(
        store_id=held.account.store_id,
        account=held.account,
        kind=posting.kind,
        points=points,
        shortfall=shortfall,
        balance_after=held.balance,
        cause=posting.cause,
        order_id=posting.order_id,
        rule=posting.rule,
        note=posting.note,
        created_by_id=posting.created_by_id,
        created_at=at,
    )


def _announce(entries):
    earned = sorted((e for e in entries if e.kind == Kind.EARN and e.points), key=lambda entry: entry.store_id)
    for store_id, group in groupby(earned, key=lambda entry: entry.store_id):
        recording.record_many(
            Store(pk=store_id),
            [
                Fact(
                    "points.earned",
                    str(entry.pk),
                    customer_id=entry.account.customer_id,
                    order_id=entry.order_id,
                    data={"points": entry.points, "balance": entry.balance_after},
                    occurred_at=entry.created_at,
                )
                for entry in group
            ],
        )


def open_accounts(store: Store, customer_ids: Iterable[int]) -> None:
    """Give each of these customers an account who has none."""
    Account.objects.bulk_create(
        [Account(store=store, customer_id=pk) for pk in sorted(set(customer_ids))], ignore_conflicts=True
    )


@transaction.atomic
def join(store: Store, guest_ids: Iterable[int]) -> list[LedgerEntry]:
    """Bring the points of guests who were joined to a registered customer to that customer: two entries with one cause.

    What is moved is what is there, so that again and again is the same as once.
    """
    guests = Customer.objects.for_store(store).filter(pk__in=guest_ids, points_account__isnull=False)
    joined = dict(guests.exclude(joined_to=None).values_list("pk", "joined_to_id"))
    if not joined:
        return []
    open_accounts(store, joined.values())
    accounts = lock(store, {*joined, *joined.values()})
    # A guest may get points once more after the move; the last entry tells one move from the next.
    last = dict(
        LedgerEntry.objects.filter(account__customer_id__in=joined)
        .values_list("account__customer_id")
        .annotate(last=Max("pk"))
    )
    postings = []
    for guest_id, customer_id in joined.items():
        guest, customer = accounts[guest_id], accounts[customer_id]
        if points := guest.balance:
            cause = f"join:{guest_id}:{customer_id}:{last[guest_id]}"
            postings.append(
                Posting(guest.pk, Kind.ADJUST, -points, cause, rule={"moved": "out", "account": customer.pk})
            )
            # A debt is taken like any reversal: not below zero where the programme does not let it.
            kind = Kind.ADJUST if points > 0 else Kind.REVERSE
            postings.append(Posting(customer.pk, kind, points, cause, rule={"moved": "in", "account": guest.pk}))
    return post_many(postings)


def lock(store: Store, customer_ids: Iterable[int]) -> dict[int, Account]:
    """Hold the accounts of these customers, in the order of their keys; returns them by the customer's key."""
    accounts = Account.objects.for_store(store).filter(customer_id__in=set(customer_ids))
    return {account.customer_id: account for account in accounts.order_by("pk").select_for_update()}


@contextmanager
def erasing() -> Iterator[None]:
    """Let entries be deleted within the block: for erasing a whole store, `with ledger.erasing(): store.delete()`."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('postpurchase.erasing', 'on', true)")
        yield
        cursor.execute("SELECT set_config('postpurchase.erasing', '', true)")
