"""Points for orders. What an order has earned is a function of its present state; what was posted is brought there.

So it does not matter in which order, how often or how late payments, refunds and cancellations become known: each settling posts
the difference between what the order is worth now, by the rule it first earned by, and what stands in the ledger for it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from django.db import transaction
from django.db.models import Prefetch

from crm.events.models import Event
from crm.orders.models import Customer, LineItem, Order, Refund, RefundLine
from crm.stores.models import Store

from . import ledger
from .ledger import Kind, Posting
from .models import Account, LedgerEntry, Program
from .rules import ZERO, Amounts, Line, LinePoints, Refunded, Rule, divide, fees_of, plain, worth

# The customer has the money back, or never paid it. A status that a shop made up says neither.
VOID = {"cancelled", "refunded", "failed"}


class AccountsChanged(Exception):
    """An order went to another customer while it was being settled; the next try sees it there."""


def targets(order: Order, refunds: list[Refunded], rule: Rule, kept: Iterable[LinePoints] = ()) -> list[LinePoints]:
    """The points that each part of an order should have as it stands, in the order of its parts.

    A part that is among the `kept` ones earns by what it first earned by. A line that was taken out of the order is in none of them:
    it should have nothing. No queries if the order's lines were prefetched.
    """
    fees, fees_tax = fees_of(order.fee_lines)
    amounts = Amounts(order.total, order.total_tax, order.shipping_total, order.shipping_tax, fees, fees_tax)
    lines = [Line(str(line.woo_id), line.total, line.total_tax) for line in order.line_items.all()]
    parts = divide(rule, amounts, lines)
    rates = {points.line: points.by for points in kept}
    void = order.status in VOID or order.deleted_at is not None
    return worth(rule, amounts, parts, rates, refunds, void=void)


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
    opened = order_ids if history else _announced(program, order_ids)
    owners = _owners(store, order_ids)
    held = LedgerEntry.objects.filter(order_id__in=order_ids).values_list("order_id", "account__customer_id").distinct()
    holders = {customer_id for _order_id, customer_id in held}
    earning_orders = opened | {order_id for order_id, _customer_id in held}
    ledger.open_accounts(store, {owner for pk, owner in owners.items() if pk in earning_orders})
    guests = set(Customer.objects.filter(joined_to__in=owners.values()).values_list("pk", flat=True))
    accounts = ledger.lock(store, {*owners.values(), *holders, *guests})
    if joined := [pk for pk in guests if pk in accounts and accounts[pk].balance]:
        ledger.join(store, joined)
    # Read under the lock: whoever settles the same orders waits, and then finds what was posted.
    states = _states(store, order_ids, owners, accounts, program, opened)
    entries = ledger.post_many([posting for state in states for posting in state.departures()])
    for state in states:
        state.add(entries)
    return entries + ledger.post_many(
        [posting for state in states for posting in state.difference(history)], announce=announce
    )


def _announced(program, order_ids) -> set[int]:
    paid = Event.objects.filter(
        store=program.store_id, type="order.paid", order_id__in=order_ids, occurred_at__gte=program.starts_at
    )
    return set(paid.values_list("order_id", flat=True))


def _owners(store, order_ids) -> dict[int, int]:
    """The customer who gets the points of each order; orders of nobody are left out."""
    rows = Order.objects.for_store(store).filter(pk__in=order_ids).exclude(customer=None)
    return {
        pk: joined_to or customer
        for pk, customer, joined_to in rows.values_list("pk", "customer_id", "customer__joined_to_id")
    }


LINE_FIELDS = ["order", "woo_id", "total", "total_tax"]


def _what_counts(store, order_ids):
    """Orders without the addresses and meta data, which weigh more than all the rest."""
    return (
        Order.objects.for_store(store)
        .filter(pk__in=order_ids)
        .select_related("customer")
        .prefetch_related(Prefetch("line_items", LineItem.objects.only(*LINE_FIELDS).order_by("pk")))
        .only(
            "woo_id", "status", "deleted_at", "currency", "total", "total_tax", "shipping_total", "shipping_tax", "fee_lines",
            "customer__joined_to",
        )
    )  # fmt: skip


def refunds_of(orders: Iterable[Order]) -> dict[int, list[Refunded]]:
    """The refunds of each order, by the order's primary key."""
    refunds: dict[int, list[Refunded]] = defaultdict(list)
    lines = RefundLine.objects.select_related("line_item").only("refund", "total", "total_tax", "line_item__woo_id")
    rows = Refund.objects.filter(order__in=orders).only("order", "amount").order_by("pk")
    for refund in rows.prefetch_related(Prefetch("lines", lines.order_by("pk"))):
        refunds[refund.order_id].append(_refunded(refund))
    return refunds


def _refunded(refund) -> Refunded:
    lines = list(refund.lines.all())
    if not lines:
        return Refunded(refund.amount)
    known: dict[str, tuple[Decimal, Decimal]] = {}
    for line in lines:
        if line.line_item:
            key = str(line.line_item.woo_id)
            total, tax = known.get(key, (ZERO, ZERO))
            known[key] = (total + line.total, tax + line.total_tax)
    goods, tax = sum((line.total for line in lines), ZERO), sum((line.total_tax for line in lines), ZERO)
    return Refunded(refund.amount, goods, tax, known)


def _states(store, order_ids, owners, accounts, program, opened) -> list["_State"]:
    orders = list(_what_counts(store, order_ids).order_by("pk"))
    refunds = refunds_of(orders)
    entries = defaultdict(list)
    for entry in LedgerEntry.objects.filter(order__in=orders).select_related("account__customer").order_by("pk"):
        entries[entry.order_id].append(entry)
    states = []
    for order in orders:
        state = _State(order, program, refunds[order.pk], order.pk in opened, entries[order.pk])
        if state.owner_id != owners.get(order.pk):
            raise AccountsChanged(f"order {order.pk}")
        state.account = accounts.get(state.owner_id)
        states.append(state)
    return states


@dataclass
class _State:
    """One order, what stands in the ledger for it, and what should."""

    order: Order
    program: Program
    refunds: list[Refunded]
    opened: bool
    entries: list[LedgerEntry]
    account: Account | None = None
    left: list[LedgerEntry] = field(default_factory=list)

    @property
    def owner_id(self) -> int | None:
        customer = self.order.customer
        return (customer.joined_to_id or customer.pk) if customer else None

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
                held[entry.account_id] += entry.points - entry.shortfall
        return [
            Posting(
                account_id,
                Kind.REVERSE,
                -points,
                self._cause(place),
                order_id=self.order.pk,
                rule=self._rule.dump() | {"why": "moved", "currency": self.order.currency},
            )
            for place, (account_id, points) in enumerate(held.items(), len(self.entries) + 1)
            if points > 0
        ]

    def difference(self, history) -> list[Posting]:
        """Bring the owner's points for this order to what it is worth."""
        account_id = self.account.pk if self.account else self.entries[-1].account_id if self.entries else None
        if account_id is None or not (self.entries or self._may_open):
            return []
        lines = targets(self.order, self.refunds, self._rule, self._kept)
        now = sum(line.points for line in lines)
        base, back = sum((line.base for line in lines), ZERO), sum((line.back for line in lines), ZERO)
        before = sum(entry.points - entry.shortfall for entry in self.entries if self._is_owners(entry))
        points = now - before
        if points == 0 or (points > 0 and not self.program.active):
            return []
        posting = Posting(
            account_id,
            Kind.EARN if points > 0 else Kind.REVERSE,
            points,
            self._cause(len(self.entries) + 1),
            order_id=self.order.pk,
            rule=self._rule.dump()
            | {
                "why": self._why(back, history),
                "currency": self.order.currency,
                "base": plain(base),
                "back": plain(back),
                "worth": now,
                "before": before,
                "lines": [line.dump() for line in lines],
            },
        )
        if points > 0:
            # What could not be taken back from this order's points is still with the customer.
            kept = min(points, max(sum(entry.shortfall for entry in self.entries), 0))
            posting.points, posting.shortfall = points - kept, -kept
        return [posting]

    @property
    def _may_open(self) -> bool:
        # A rate in rupees says nothing about dollars.
        return self.opened and self.program.active and self.order.currency == self.program.store.currency

    @property
    def _rule(self) -> Rule:
        kept = next((entry.rule for entry in reversed(self.entries) if "rate" in entry.rule), None)
        return Rule.load(kept) if kept else self.program.rule

    @property
    def _kept(self) -> list[LinePoints]:
        """What the parts first earned by."""
        return [
            LinePoints.load(kept) for kept in next((e.rule["lines"] for e in self.entries if "lines" in e.rule), [])
        ]

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
    if order.pk not in _announced(program, {order.pk}):
        return 0
    lines = targets(order, refunds_of([order])[order.pk], program.rule)
    return sum(line.points for line in lines)


HISTORY_BATCH = 500


def history(store: Store) -> Iterator[list[int]]:
    """Primary keys of the paid orders that never earned anything, in batches."""
    last = 0
    orders = Order.objects.for_store(store).existing().filter(is_paid=True, currency=store.currency)
    orders = orders.exclude(customer=None).filter(points_entries=None).order_by("pk")
    while batch := list(orders.filter(pk__gt=last).values_list("pk", flat=True)[:HISTORY_BATCH]):
        yield batch
        last = batch[-1]


def award(store: Store, order_ids: Iterable[int]) -> list[tuple[int, int]]:
    """Post the points of previous orders, without announcing them; returns (customer's key, points) of each that earned."""
    entries = settle(store, order_ids, history=True, announce=False)
    return [(entry.account.customer_id, entry.points) for entry in entries if entry.rule.get("why") == "history"]


def preview(store: Store, order_ids: Iterable[int]) -> list[tuple[int, int]]:
    """What `award` would return; nothing is posted."""
    rule = Program.objects.get(store=store).rule
    orders = list(_what_counts(store, order_ids))
    refunds = refunds_of(orders)
    earned = (
        (order.customer, sum(line.points for line in targets(order, refunds[order.pk], rule))) for order in orders
    )
    return [(customer.joined_to_id or customer.pk, points) for customer, points in earned if points]
