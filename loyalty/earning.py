"""Points for orders. What an order has earned is a function of its present state; what was posted is brought there.

So it does not matter in which order, how often or how late payments, refunds and cancellations become known: each settling posts
the difference between what the order is worth now, by the rule it first earned by, and what stands in the ledger for it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models.functions import Coalesce
from django.utils import timezone

from crm.events.models import Event
from crm.orders.models import Customer, Order
from crm.stores.models import Store

from . import ledger, members, programs, reaching
from .accounts import tiers_of
from .ledger import Kind, Posting
from .limits import Rooms
from .models import Account, LedgerEntry, Program
from .posting import announce_corrections
from .reckoning import VOID, Reckoning, kept_on, owner_of, placed
from .rules import plain
from .usable import usable_from


class AccountsChanged(Exception):
    """An order went to another customer while it was being settled; the next try sees it there."""


@transaction.atomic
def settle(
    store: Store, order_ids: Iterable[int], *, history: bool = False, announce: bool = True
) -> list[LedgerEntry]:
    """Post what is missing (or too much) for these orders; returns the new entries. A constant number of statements.

    An order earns if the shop was seen to be paid for it after the programme's start, or if `history` asks for it. Orders that
    have earned before are always settled, while the programme is paused only downwards.
    """
    program = Program.objects.for_store(store).select_related("store").first()
    order_ids = set(order_ids)
    if program is None or not order_ids:
        return []
    opened = dict.fromkeys(order_ids, timezone.now()) if history else _announced(program, order_ids)
    owners = _owners(store, order_ids)
    held = LedgerEntry.objects.filter(order_id__in=order_ids).values_list("order_id", "account__customer_id").distinct()
    holders = {customer_id for _order_id, customer_id in held}
    earning_orders = opened.keys() | {order_id for order_id, _customer_id in held}
    ledger.open_accounts(store, {owner for pk, owner in owners.items() if pk in earning_orders})
    guests = _guests(owners.values())
    accounts = ledger.lock(store, {*owners.values(), *holders, *guests})
    if joined := [pk for pk in guests if pk in accounts and (accounts[pk].balance or accounts[pk].pending)]:
        ledger.join(store, joined)
    # Read under the lock: whoever settles the same orders waits, and then finds what was posted.
    states = _states(store, order_ids, owners, accounts, guests, program, opened, history)
    entries = ledger.post_many([posting for state in states for posting in state.departures()])
    for state in states:
        state.add(entries)
    entries += ledger.post_many(
        [posting for state in states for posting in state.difference(history)], announce=announce
    )
    if announce:
        announce_corrections(entries)
    return entries


def _announced(program, order_ids) -> dict[int, datetime]:
    """The orders that earn, and when their payment became known here."""
    paid = Event.objects.filter(
        store=program.store_id, type="order.paid", order_id__in=order_ids, occurred_at__gte=program.starts_at
    )
    return dict(members.entitled(program, paid).values_list("order_id", "created_at"))


def _owners(store, order_ids) -> dict[int, int]:
    """The customer who gets the points of each order; orders of nobody are left out."""
    rows = Order.objects.for_store(store).filter(pk__in=order_ids).exclude(customer=None)
    return {
        pk: joined_to or customer
        for pk, customer, joined_to in rows.values_list("pk", "customer_id", "customer__joined_to_id")
    }


def _guests(owners) -> dict[int, int]:
    """Those who were joined to these customers, and to whom."""
    rows = Customer.objects.filter(joined_to__in=owners).values_list("pk", "joined_to")
    return {pk: owner for pk, owner in rows if owner}


def _states(store, order_ids, owners, accounts, guests, program, opened, history) -> list["_State"]:
    reckoning = Reckoning(store, order_ids, at=timezone.now() if history else None)
    orders = reckoning.orders
    rooms = Rooms(program, orders)
    usable = usable_from(store, [order.pk for order in orders], program.pending_days) if program.pending_days else {}
    entries = defaultdict(list)
    posted = LedgerEntry.objects.filter(order__in=orders, kind__in=[Kind.EARN, Kind.REVERSE])
    for entry in posted.select_related("account__customer").order_by("pk"):
        entries[entry.order_id].append(entry)
    tiers = _tiers(program, reckoning, accounts, guests, opened)
    states = []
    for order in orders:
        state = _State(order, program, reckoning, rooms, order.pk in opened, entries[order.pk])
        if state.owner_id != owners.get(order.pk):
            raise AccountsChanged(f"order {order.pk}")
        state.account, state.tier = accounts.get(state.owner_id), tiers.get(order.pk, "")
        state.pending, state.usable_from = order.pk in usable, usable.get(order.pk)
        states.append(state)
    return states


def _tiers(program, reckoning, accounts, guests, opened) -> dict[int, str]:
    """The key of the tier that each order's customer was in when it was placed, and never of one that the order itself has led to.

    A shop's clock that is ahead would have the order come after the lift; but nobody is lifted by what is not known here yet. Somebody
    who bought as a guest, and became a customer since, has the higher one of both.
    """
    if not (reckoning.orders and reckoning.book.asks_for_tiers):
        return {}
    moments = {
        order.pk: reckoning.at or min(placed(order), opened.get(order.pk, placed(order))) for order in reckoning.orders
    }
    changes = reaching.changes_since(accounts, min(moments.values()))
    theirs = {pk: [pk] for order in reckoning.orders if (pk := owner_of(order))}
    for guest, owner in guests.items():
        theirs.setdefault(owner, []).append(guest)
    heights = {
        key: height for height, key in enumerate(program.tiers.order_by("threshold").values_list("key", flat=True))
    }
    tiers = {}
    for order in reckoning.orders:
        held = [accounts[pk] for pk in theirs.get(owner_of(order) or 0, ()) if pk in accounts]
        then = (reaching.tier_then(account, changes, moments[order.pk]) for account in held)
        tiers[order.pk] = max(filter(None, then), key=lambda key: heights.get(key, -1), default="")
    return tiers


@dataclass
class _State:
    """One order, what stands in the ledger for it, and what should."""

    order: Order
    program: Program
    reckoning: Reckoning
    rooms: Rooms
    opened: bool
    entries: list[LedgerEntry]
    account: Account | None = None
    tier: str = ""
    left: list[LedgerEntry] = field(default_factory=list)
    # Whether the programme lets points wait, and until when, if that is known.
    pending: bool = False
    usable_from: datetime | None = None

    @property
    def owner_id(self) -> int | None:
        return owner_of(self.order)

    def _is_owners(self, entry) -> bool:
        # A joined guest's points went to the owner in one sum.
        customer = entry.account.customer
        return self.owner_id is None or self.owner_id in (customer.pk, customer.joined_to_id)

    def add(self, entries) -> None:
        """Take note of the entries that `departures` led to."""
        self.left = [entry for entry in entries if entry.order_id == self.order.pk]
        self.entries += self.left

    def departures(self) -> list[Posting]:
        """Take the points from accounts whose customer no longer has the order."""
        held: dict[int, int] = defaultdict(int)
        for entry in self.entries:
            if not self._is_owners(entry):
                held[entry.account_id] += entry.meant
        kept = kept_on(self.entries)
        return [
            Posting(
                account_id,
                Kind.REVERSE,
                -points,
                self._cause(place),
                order_id=self.order.pk,
                rule=kept.rule.dump() | {"why": "moved", "currency": self.order.currency},
            )
            for place, (account_id, points) in enumerate(held.items(), len(self.entries) + 1)
            if kept and points > 0
        ]

    def difference(self, history) -> list[Posting]:
        """Bring the owner's points for this order to what it is worth."""
        account_id = self.account.pk if self.account else self.entries[-1].account_id if self.entries else None
        if account_id is None or not (self.entries or self._may_open):
            return []
        kept = kept_on(self.entries)
        room = None if kept else self.rooms.left(self.order)
        worth = self.reckoning.worth(self.order, tier=self.tier, room=room, kept=kept)
        before = sum(entry.meant for entry in self.entries if self._is_owners(entry))
        points = worth.points - before
        if points == 0 or (points > 0 and not self.program.active):
            return []
        self.rooms.take(self.order, points)
        posting = Posting(
            account_id,
            Kind.EARN if points > 0 else Kind.REVERSE,
            points,
            self._cause(len(self.entries) + 1),
            order_id=self.order.pk,
            rule=worth.rule.dump()
            | {
                "why": self._why(worth.back, history),
                "currency": self.order.currency,
                "base": plain(worth.base),
                "back": plain(worth.back),
                "worth": worth.points,
                "before": before,
                "lines": [line.dump() for line in worth.lines],
                "names": worth.names,
            },
        )
        if points > 0:
            # What could not be taken back from this order's points is still with the customer.
            there = min(points, max(sum(entry.shortfall for entry in self.entries), 0))
            posting.points, posting.shortfall = points - there, -there
            posting.pending = self.pending and self.usable_from is None
            posting.available_from = self.usable_from
        return [posting]

    @property
    def _may_open(self) -> bool:
        # A rate in rupees says nothing about dollars.
        return self.opened and self.program.active and self.order.currency == self.program.store.currency

    def _cause(self, place: int) -> str:
        return f"order:{self.order.woo_id}:{place}"

    def _why(self, back: Decimal, history: bool) -> str:
        if self.left:
            return "moved"
        if not self.entries:
            return "history" if history else "paid"
        if self.order.deleted_at:
            return "deleted"
        if self.order.status in VOID:
            return self.order.status
        return "changed" if back == Decimal(self.entries[-1].rule.get("back", 0)) else "refunded"


def expected(order: Order, program: Program) -> int:
    """The points that settling this order for the first time will post: a mail may be quicker than the ledger."""
    if not program.active or order.currency != program.store.currency or order.customer_id is None:
        return 0
    opened = _announced(program, {order.pk})
    if order.pk not in opened:
        return 0
    reckoning = Reckoning(program.store, [order.pk])
    found = reckoning.orders[0]
    owner = owner_of(found)
    guests = _guests([owner])
    held = {account.customer_id: account for account in Account.objects.points().filter(customer__in=[owner, *guests])}
    tier = _tiers(program, reckoning, held, guests, opened).get(found.pk, "")
    room = Rooms(program, reckoning.orders).left(found)
    return reckoning.worth(found, tier=tier, room=room).points


HISTORY_BATCH = 500


def history(store: Store, since: datetime | None = None) -> Iterator[list[int]]:
    """Primary keys of members' paid orders (placed `since` then) that never earned anything, in batches."""
    last = 0
    orders = Order.objects.for_store(store).existing().filter(is_paid=True, currency=store.currency)
    orders = orders.exclude(customer=None).filter(points_entries=None).order_by("pk")
    if program := programs.of(store):
        orders = orders.annotate(owner=Coalesce("customer__joined_to_id", "customer_id"))
        orders = orders.filter(members.taking_part(program, "owner"))
    if since:
        orders = orders.filter(date_created_gmt__gte=since)
    while batch := list(orders.filter(pk__gt=last).values_list("pk", flat=True)[:HISTORY_BATCH]):
        yield batch
        last = batch[-1]


def award(store: Store, order_ids: Iterable[int]) -> list[tuple[int, int]]:
    """Post the points of previous orders, without announcing them; returns (customer's key, points) of each that earned."""
    entries = settle(store, order_ids, history=True, announce=False)
    return [
        (entry.customer_id, entry.moved)
        for entry in entries
        if entry.customer_id and entry.rule.get("why") == "history"
    ]


def preview(store: Store, batches: Iterable[Iterable[int]]) -> Iterator[list[tuple[int, int]]]:
    """What `award` would return for each batch of orders; nothing is posted."""
    program = Program.objects.select_related("store").get(store=store)
    tiers, rooms = tiers_of(store), Rooms(program)
    for order_ids in batches:
        reckoning = Reckoning(store, order_ids, at=timezone.now())
        rooms = Rooms(program, reckoning.orders, rooms.taken)
        earned = []
        for order in reckoning.orders:
            owner = owner_of(order) or 0
            if owner and (points := reckoning.worth(order, tier=tiers.get(owner, ""), room=rooms.left(order)).points):
                rooms.take(order, points)
                earned.append((owner, points))
        yield earned
