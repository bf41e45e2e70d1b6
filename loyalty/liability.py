"""What a programme owes its customers: points outstanding, what they are worth, how many of them will be used, when they go.

One statement reads each table of the ledger once, so that its figures are of one moment. `docs/loyalty-merchant.md` has the method.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db import connection
from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from .accounts import CREDIT
from .days import midnight, months_later
from .models import Program

MONTHS = 24
MONTHS_AHEAD = 12
OLD = timedelta(days=365)
# Fewer old earnings than this say nothing about a programme's customers.
ENOUGH_LOTS = 100

# Accounts of store credit are another debt: `CREDIT`.
_FIGURES = f"""
    WITH entry AS (
        SELECT width_bucket(created_at, %(months)s::timestamptz[]) AS month, kind, sum(points + pending) AS points, sum(shortfall) AS shortfall,
            max(id) FILTER (WHERE created_at < %(year_ago)s) AS last_old
        FROM loyalty_ledgerentry WHERE store_id = %(store)s AND account_id NOT IN {CREDIT} GROUP BY 1, 2
    ), old AS (
        -- Entries are numbered as they are posted: whether a lot is old needs no look at the entry that brought it.
        SELECT coalesce(max(last_old), 0) AS last_entry FROM entry
    ), lot AS (
        SELECT entry_id <= (SELECT last_entry FROM old) AS is_old, is_open, released_at IS NULL AS is_pending,
            CASE WHEN is_open THEN width_bucket(expires_at, %(ahead)s::timestamptz[]) END AS month,
            count(*) AS lots, sum(granted) AS granted, sum(remaining) AS remaining
        FROM loyalty_lot WHERE store_id = %(store)s AND account_id NOT IN {CREDIT} GROUP BY 1, 2, 3, 4
    ), fate AS (
        SELECT lot.entry_id <= (SELECT last_entry FROM old) AS is_old, entry.kind, sum(allocation.points) AS points
        FROM loyalty_allocation AS allocation JOIN loyalty_lot AS lot ON lot.id = allocation.lot_id
        JOIN loyalty_ledgerentry AS entry ON entry.id = allocation.entry_id
        WHERE lot.store_id = %(store)s AND lot.account_id NOT IN {CREDIT} GROUP BY 1, 2
    )
    SELECT 'moved', month, kind, NULL::boolean, points, NULL::bigint FROM entry
    UNION ALL SELECT 'not_taken', NULL, NULL, NULL, sum(shortfall), NULL FROM entry
    UNION ALL SELECT 'open', month, CASE WHEN is_pending THEN 'pending' ELSE 'spendable' END, NULL, sum(remaining), NULL
        FROM lot WHERE is_open GROUP BY month, is_pending
    UNION ALL SELECT 'granted', NULL, NULL, is_old, sum(granted), sum(lots) FROM lot GROUP BY is_old
    UNION ALL SELECT 'fate', NULL, kind, is_old, points, NULL FROM fate
    UNION ALL SELECT 'holders', NULL, NULL, NULL, coalesce(sum(balance) FILTER (WHERE balance < 0), 0),
        count(*) FILTER (WHERE balance > 0 OR pending > 0)
        FROM loyalty_account WHERE store_id = %(store)s AND unit = 'points'
"""


class Basis(TextChoices):
    """What the expected use is taken from."""

    COHORTS = "cohorts", _("Of points given more than a year ago, the share that was redeemed")
    SETTLED = "settled", _("Of points whose end is known, redeemed or expired, the share that was redeemed")
    UNKNOWN = "unknown", _("Nothing was redeemed or expired yet: count on all of them being redeemed")


@dataclass
class Month:
    """Points moved in a month, signed as they change what is owed, and the balance of all accounts at its end."""

    month: date
    earned: int = 0
    taken_back: int = 0
    redeemed: int = 0
    expired: int = 0
    adjusted: int = 0
    balance: int = 0


@dataclass
class Expiring:
    """Points that expire in a month if nobody spends them."""

    month: date
    points: int


@dataclass
class Liability:
    """A programme's debt in points at one moment; `program.worth` makes money of them.

    `overdrawn` is what customers owe the shop (zero or below), `not_taken` what was spent before its order was refunded, and is nobody's debt. `share` is the expected use from 0 to 1, of `basis_points` points.
    """

    program: Program
    at: datetime
    holders: int = 0
    spendable: int = 0
    pending: int = 0
    overdrawn: int = 0
    not_taken: int = 0
    share: Decimal = Decimal(1)
    basis: Basis = Basis.UNKNOWN
    basis_points: int = 0
    months: list[Month] = field(default_factory=list)
    expiring: list[Expiring] = field(default_factory=list)
    expires_later: int = 0
    never_expires: int = 0

    @property
    def outstanding(self) -> int:
        return self.spendable + self.pending

    @property
    def expected(self) -> int:
        """How many of the outstanding points will be used, at the expected use."""
        return int((self.outstanding * self.share).quantize(Decimal(1), ROUND_HALF_UP))


_COLUMNS = {
    "earn": "earned",
    "reverse": "taken_back",
    "redeem": "redeemed",
    "return": "redeemed",
    "expire": "expired",
    "adjust": "adjusted",
}


def report(program: Program, at: datetime) -> Liability:
    """What the programme owes at `at`, the 24 months until then, and the 12 months to come. One statement."""
    store = program.store
    this_month = at.astimezone(store.zone).date().replace(day=1)
    since = months_later(this_month, 1 - MONTHS)
    found = Liability(program, at)
    found.months = [Month(months_later(since, n)) for n in range(MONTHS)]
    found.expiring = [Expiring(months_later(this_month, n), 0) for n in range(MONTHS_AHEAD)]
    parameters: dict[str, Any] = {
        "store": store.pk,
        "months": [midnight(store, row.month) for row in found.months],
        # What expires at the first moment of a month is lost with the last day of the month before.
        "ahead": [midnight(store, months_later(this_month, n)) + timedelta(microseconds=1) for n in range(1, MONTHS_AHEAD + 1)],
        "year_ago": at - OLD,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_FIGURES, parameters)
        rows = cursor.fetchall()
    before = 0
    granted: dict[bool, tuple[int, int]] = {}
    fates: dict[bool, dict[str, int]] = {True: defaultdict(int), False: defaultdict(int)}
    for what, month, kind, is_old, points, count in rows:
        points = int(points or 0)
        if what == "moved" and not month:
            before += points
        elif what == "moved" and kind in _COLUMNS:
            row = found.months[month - 1]
            setattr(row, _COLUMNS[kind], getattr(row, _COLUMNS[kind]) + points)
        elif what == "not_taken":
            found.not_taken = points
        elif what == "open":
            setattr(found, kind, getattr(found, kind) + points)
            _keep(found, month, points)
        elif what == "granted":
            granted[is_old] = points, int(count)
        elif what == "fate":
            fates[is_old][kind] += points
        elif what == "holders":
            found.overdrawn, found.holders = points, count
    for row in found.months:
        before += row.earned + row.taken_back + row.redeemed + row.expired + row.adjusted
        row.balance = before
    _expect(found, granted, fates)
    return found


def _keep(found: Liability, month: int | None, points: int) -> None:
    if month is None:
        found.never_expires += points
    elif month < MONTHS_AHEAD:
        # What is overdue, because the customer is on hold, goes as soon as that ends: it stands in the first month.
        found.expiring[month].points += points
    else:
        found.expires_later += points


def _expect(found: Liability, granted: dict[bool, tuple[int, int]], fates: dict[bool, dict[str, int]]) -> None:
    """Choose the best basis there is for the expected use."""

    def used(old: bool) -> int:
        # What was given back makes it less: its allocations have a minus.
        return fates[old]["redeem"] + fates[old]["return"]

    points, lots = granted.get(True, (0, 0))
    # What an order's refund, a correction or a move took away was never to be redeemed.
    left = points - sum(taken for kind, taken in fates[True].items() if kind not in ("redeem", "return", "expire"))
    settled = used(True) + used(False) + fates[True]["expire"] + fates[False]["expire"]
    if lots >= ENOUGH_LOTS and left > 0:
        found.basis, found.basis_points, share = Basis.COHORTS, left, Decimal(used(True)) / left
    elif settled > 0:
        found.basis, found.basis_points = Basis.SETTLED, settled
        share = Decimal(used(True) + used(False)) / settled
    else:
        return
    found.share = min(max(share, Decimal(0)), Decimal(1))
