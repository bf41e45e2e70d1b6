"""The only way into the ledger: a batch of postings goes to the database's function in one round trip.

`loyalty_post` (migrations 0022 and 0027) locks the accounts in the order of their keys, so that no two writers wait for each other, passes over
causes that were posted before, takes points out of lots, and moves the sums. Anything else that writes is refused by the database.
"""

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field, fields
from datetime import datetime
from itertools import groupby
from operator import attrgetter

import orjson
from django.db import connection, transaction
from django.db.models.base import ModelState
from django.utils.timezone import now
from django.utils.translation import gettext as _
from psycopg.types.json import Jsonb
from psycopg.types.numeric import Int8

from crm.events import recording
from crm.events.models import Handling
from crm.events.recording import Fact
from crm.stores.models import Store
from crm.woocommerce.saving.statements import bound_cursor
from crm.work.wake import wake

from . import units
from .models import Account, LedgerEntry

Kind = LedgerEntry.Kind
# More is a shop's broken amount and no reward for anything; far below what a bigint balance can hold.
MOST_POINTS = 10**12
EVENTS = {Kind.EARN: "points.earned", Kind.REDEEM: "points.redeemed", Kind.RETURN: "points.returned"}
# Rare: recorded by `announce_corrections` and not by the database with each posting.
CORRECTIONS = {Kind.REVERSE: "points.reversed", Kind.ADJUST: "points.adjusted"}
# From so many postings on, those that only bring points in go through the set-based function.
BULK = 4


class InsufficientPoints(Exception):
    """The account has fewer points than asked for; the message is for people."""

    def __init__(self, balance: int, asked: int, unit: str = Account.Unit.POINTS):
        self.balance, self.asked = balance, asked
        said = (
            _("There are %(balance)s points, %(points)s were asked for.")
            if unit == Account.Unit.POINTS
            else _("There is credit of %(balance)s, %(points)s were asked for.")
        )
        super().__init__(said % {"balance": units.shown(balance, unit), "points": units.shown(asked, unit)})


@dataclass(slots=True)
class Posting:
    """An entry to be. `points` has its sign: REDEEM, EXPIRE and REVERSE take away.

    Points that come in (EARN, or ADJUST upwards) make a lot: spendable at once, or pending until `available_from`, or, if they are
    `pending` without a date, until somebody sets one. Points that go out come from `lot_id` alone if it is given; a REVERSE looks first into
    the lots of its order, takes what is there if the programme lets no balance go below zero, and keeps the rest as the entry's shortfall.
    A RETURN gives points back to the lots that the entry `reverses_id` took them from; if they have expired, they expire anew at `expires_at`.
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
    pending: bool = False
    available_from: datetime | None = None
    expires_at: datetime | None = None
    lot_id: int | None = None
    reverses_id: int | None = None


def post(
    account: Account, kind: str, points: int, cause: str, *, note: str = "", by=None, rule=None, at=None, **fields
) -> LedgerEntry:
    """Append one entry, or return the one that the same cause made before. Raises InsufficientPoints.

    `fields` are further ones of `Posting`.
    """
    posting = Posting(account.pk, kind, points, cause, note=note, created_by_id=by and by.pk, rule=rule or {}, **fields)
    # Of credit nobody is told as of points: events about points would be read as such.
    try:
        entries, known = _post([posting], at or now(), announce=not account.is_credit)
    except InsufficientPoints as error:
        raise InsufficientPoints(error.balance, error.asked, account.unit) from None
    entry = entries[0] if entries else LedgerEntry.objects.get(pk=known[0])
    entry.account = account
    return entry


def post_many(postings: Iterable[Posting], *, announce: bool = True, at: datetime | None = None) -> list[LedgerEntry]:
    """Append entries in one statement; returns the new ones by account, without causes that were posted before.

    All or nothing. An order of postings for one account is kept. `announce` records `points.earned`, `points.redeemed` and
    `points.returned`. Raises InsufficientPoints, and ValueError for an unreasonable number of points.
    """
    return _post(list(postings), at or now(), announce)[0]


def _post(postings: list[Posting], at: datetime, announce: bool) -> tuple[list[LedgerEntry], list[int]]:
    """The new entries, and the keys of those that were there before."""
    if not postings:
        return [], []
    for posting in postings:
        if max(abs(posting.points), abs(posting.shortfall)) > MOST_POINTS:
            raise ValueError(
                f"{posting.points} points at once ({posting.cause}) are more than anything can earn or cost"
            )
    if len(postings) == 1:
        entries, known, refused = _made(postings, [_one(postings[0], at, announce)], at)
    elif len(postings) >= BULK and all(p.points >= 0 and p.kind in (Kind.EARN, Kind.ADJUST) for p in postings):
        unique: dict[tuple, Posting] = {}
        for posting in sorted(postings, key=attrgetter("account_id")):
            # Of two with one cause the first is posted.
            unique.setdefault((posting.account_id, posting.kind, posting.cause), posting)
        postings = list(unique.values())
        # One statement is a transaction of its own.
        with transaction.atomic(savepoint=False) if announce else nullcontext():
            rows = _call("loyalty_post_incoming(%s, %s)", _in_columns(postings), at)
            entries, known, refused = _made(postings, rows, at)
            if announce:
                _announce(entries)
    else:
        entries, known, refused = _made(postings, _rows(postings, at, announce), at)
    if refused:
        # The database has posted nothing, so that an outer transaction is as good as before.
        raise InsufficientPoints(refused[1], -refused[0])
    return entries, known


def _made(postings, rows, at) -> tuple[list[LedgerEntry], list[int], tuple[int, int] | None]:
    """The new entries, the keys of those that were there before, and (points, balance) if that was too little."""
    entries, known = [], []
    for place, pk, is_new, store_id, customer_id, count, points, pending, shortfall, balance in rows:
        if pk is None:
            return [], [], (points, balance)
        if not is_new:
            known.append(pk)
            continue
        posting = postings[place - 1]
        entry = LedgerEntry.__new__(LedgerEntry)
        # A row that is whole needs no field's opinion, which is most of what a batch would cost in Python.
        entry._state = state = ModelState()
        state.adding, state.db = False, "default"
        entry.__dict__.update(
            {
                "id": pk, "store_id": store_id, "account_id": posting.account_id, "number": count,
                "kind": posting.kind, "points": points, "pending": pending, "shortfall": shortfall, "balance_after": balance,
                "cause": posting.cause, "order_id": posting.order_id, "reverses_id": posting.reverses_id, "rule": posting.rule,
                "note": posting.note, "created_by_id": posting.created_by_id, "created_at": at, "customer_id": customer_id,
            }
        )  # fmt: skip
        entries.append(entry)
    return entries, known, None


_ONE = """
    SELECT 1, entry_id, is_new, store_id, customer_id, number, points, pending, shortfall, balance_after, is_awake
    FROM loyalty_post_one(
        %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, string_to_array(%s, ','), string_to_array(%s, ','), %s)
"""


def _one(posting: Posting, at, announce) -> tuple:
    """What the database answers to one posting, as `_made` wants it: one statement that is planned once for a connection.

    Alone it also says whether a drain for who hears of it is asked for already; that takes a lock until the commit, and so is nothing
    for a transaction that goes on.
    """
    event = EVENTS.get(Kind(posting.kind)) if announce else None
    types, handlers = recording.subscribers([event] if event else ())
    waking = Handling._meta.label if types and not connection.in_atomic_block else None
    with bound_cursor(prepare=True) as cursor:
        cursor.execute(
            _ONE,
            [
                Int8(posting.account_id), posting.kind, Int8(posting.points), posting.cause, Int8(posting.shortfall), posting.order_id,
                Jsonb(posting.rule, dumps=orjson.dumps), posting.note, posting.created_by_id, posting.pending, posting.available_from,
                posting.expires_at, posting.lot_id, posting.reverses_id, at, event is not None,
                # As one text each: psycopg looks at every member of a list for its type.
                ",".join(types), ",".join(handlers), waking,
            ],
        )  # fmt: skip
        *row, is_awake = cursor.fetchone()
    if types and not is_awake:
        wake(Handling)
    return tuple(row)


def _rows(postings, at, announce) -> list[tuple]:
    """What the database's function answers. A statement is a transaction of its own where there is no other."""
    told = {EVENTS[Kind(posting.kind)] for posting in postings if announce and posting.kind in EVENTS}
    types, handlers = recording.subscribers(told)
    rows = _call("loyalty_post(%s, %s, %s, %s::text[], %s::text[])", postings, at, bool(told), types, handlers)
    if types:
        wake(Handling)
    return rows


def _in_columns(postings) -> dict[str, list]:
    """The fields by name, each with the value of every posting; without those that all have at their default."""
    columns = {field.name: [getattr(posting, field.name) for posting in postings] for field in fields(Posting)}
    return {name: values for name, values in columns.items() if any(values)}


def _call(function, batch, *parameters) -> list[tuple]:
    with bound_cursor(prepare=True) as cursor:
        cursor.execute(f"SELECT * FROM {function}", [Jsonb(batch, dumps=orjson.dumps), *parameters])
        return cursor.fetchall()


def announce_corrections(entries: Iterable[LedgerEntry]) -> None:
    """Record `points.reversed` (how many were taken) and `points.adjusted` (with its sign), in the transaction of the posting."""
    _record([entry for entry in entries if entry.kind in CORRECTIONS and entry.moved])


def _announce(entries):
    _record([entry for entry in entries if entry.kind == Kind.EARN and entry.moved])


def _record(entries):
    entries = sorted(entries, key=attrgetter("store_id"))
    for store_id, group in groupby(entries, key=attrgetter("store_id")):
        recording.record_many(
            Store(pk=store_id),
            [
                Fact(
                    (EVENTS | CORRECTIONS)[Kind(entry.kind)],
                    str(entry.pk),
                    customer_id=entry.customer_id,
                    order_id=entry.order_id,
                    data={
                        "points": -entry.moved if entry.kind == Kind.REVERSE else entry.moved,
                        "pending": entry.pending,
                        "balance": entry.balance_after,
                    },
                    occurred_at=entry.created_at,
                )
                for entry in group
            ],
        )
