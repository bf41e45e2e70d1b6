"""Spent points go back where they came from: a code is handed back, an order that was paid with points is refunded."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import Q, QuerySet, Sum
from django.utils.timezone import now

from .joining import join
from .models import Account, LedgerEntry
from .posting import Kind, Posting, announce_corrections, post, post_many

# Points that come back to a lot which has expired meanwhile can be spent for so long.
GRACE = timedelta(days=30)


class Settled(NamedTuple):
    """The last new entry, None if there was nothing to do; how much came back (below zero: was taken again), and what is spent now."""

    entry: LedgerEntry | None
    back: int
    spent: int


@transaction.atomic
def give_back(
    entry: LedgerEntry, cause: str, *, points: int | None = None, rule: dict | None = None, at: datetime | None = None
) -> LedgerEntry:
    """Return what `entry` spent to the lots it came from, all that is left of it or so many points; answers the RETURN entry.

    What goes back to a lot that has expired can be spent for 30 days more. Points of an order that came to nothing meanwhile are taken
    again at once. Raises IntegrityError for more than was spent, and ValueError for nothing.
    """
    at = at or now()
    account = (
        Account.objects.select_related("customer", "store")
        .select_for_update(no_key=True, of=["self"])
        .get(pk=entry.account_id)
    )
    if done := account.entries.filter(kind=Kind.RETURN, cause=cause).first():
        return done
    if points is None:
        returned = entry.returns.aggregate(points=Sum("points"))["points"] or 0
        points = -entry.points - returned
    if points <= 0:
        raise ValueError(f"{points} points can't be given back")
    back = post(
        account,
        Kind.RETURN,
        points,
        cause,
        reverses_id=entry.pk,
        order_id=entry.order_id,
        expires_at=at + GRACE,
        rule=rule,
        at=at,
    )
    announce_corrections(post_many(_missing(back), at=at))
    if account.customer.joined_to_id:
        join(account.store, [account.customer_id])
    return back


@transaction.atomic
def settle(
    entry: LedgerEntry, used: int, cause: str, *, rule: dict | None = None, at: datetime | None = None
) -> Settled:
    """Let what `entry` spent be `used` in the end, by giving the rest back.

    It looks at what stands in the ledger, so that it may be called at any time and again. What was given back before and turns out to
    be used is taken again, as far as it is there: of a guest who became a customer from the customer's account. `cause` is a prefix.
    """
    account = (
        Account.objects.select_related("customer", "store")
        .select_for_update(no_key=True, of=["self"])
        .get(pk=entry.account_id)
    )
    out = _out(entry, account, cause)
    before = sum(points for _row, points in out)
    rest, back, last = before - used, 0, None
    # Also what was posted to the customer's: no two causes are the same.
    posted = sum(_theirs(account).values_list("posted", flat=True))
    if rest < 0:
        has_it = _today(account)
        if has_it.balance > 0:
            last = post(has_it, Kind.REVERSE, max(rest, -has_it.balance), f"{cause}:{posted}", rule=rule, at=at)
            back = last.points
    for row, points in reversed(out):
        if (part := min(rest, points)) > 0:
            last = give_back(row, f"{cause}:{posted}:{row.pk}", points=part, rule=rule, at=at)
            rest, back = rest - part, back + part
    return Settled(last, back, before - back)


def spent(entry: LedgerEntry, cause: str) -> int:
    """How much of what `entry` spent is spent now, by what `settle` did with this `cause`."""
    return sum(points for _row, points in _out(entry, entry.account, cause))


def _out(entry: LedgerEntry, account: Account, cause: str) -> list[tuple[LedgerEntry, int]]:
    """What it took, and what was taken again later: each with what did not come back of it."""
    again = LedgerEntry.objects.filter(account__in=_theirs(account), kind=Kind.REVERSE, cause__startswith=f"{cause}:")
    taken = [entry, *again.order_by("pk")]
    given = LedgerEntry.objects.filter(reverses__in=taken).values_list("reverses").annotate(Sum("points"))
    back = dict(given.order_by())
    return [(row, -row.points - back.get(row.pk, 0)) for row in taken]


def _theirs(account: Account) -> QuerySet[Account]:
    """The accounts of the person: that of a guest, of the customer whom the guest became, and of those who became the same since."""
    person = account.customer.person_id
    family = Q(customer=person) | Q(customer__joined_to=person)
    return Account.objects.filter(family, store=account.store_id, unit=account.unit)


def _today(account: Account) -> Account:
    """The account that has what this one had, held. What a guest's has yet is moved first."""
    customer = account.customer
    if customer.joined_to_id is None:
        return account
    join(account.store, [customer.pk])
    theirs = Account.objects.select_for_update(no_key=True)
    return theirs.get(store=account.store_id, customer=customer.joined_to_id, unit=account.unit)


def _missing(back: LedgerEntry) -> list[Posting]:
    """Take what an order's reversal could not take, because it was spent on what is given back now."""
    came_back: dict[int, int] = defaultdict(int)
    for allocation in back.allocations.select_related("lot"):
        if allocation.lot.order_id:
            came_back[allocation.lot.order_id] -= allocation.points
    entries = LedgerEntry.objects.filter(order__in=came_back, kind__in=[Kind.EARN, Kind.REVERSE])
    owed = entries.values_list("order", "order__woo_id").annotate(missing=Sum("shortfall")).order_by("order")
    return [
        Posting(
            back.account_id, Kind.REVERSE, -points, f"order:{woo_id}:return:{back.pk}", shortfall=-points, order_id=order_id,
            rule={"why": "collected"},
        )
        for order_id, woo_id, missing in owed
        if order_id and (points := min(missing, came_back[order_id])) > 0
    ]  # fmt: skip
