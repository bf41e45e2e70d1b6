"""Any order of anything: the ledger against sixty lines of Python that keep lots in a list.

Each example runs in a transaction that is rolled back. There are 160 of 12 steps at most, unless `LEDGER_EXAMPLES` and `LEDGER_STEPS` say other numbers: `.ci/run` tries 2,000 of 50.
"""

import os
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from crm.orders import erasing
from loyalty import ledger, proof
from loyalty.ledger import Kind, Posting
from loyalty.models import Account, LedgerEntry, Lot
from tests.factories import NOW, make_account, make_customer, make_guest, make_order, make_program, make_store

EXAMPLES = int(os.environ.get("LEDGER_EXAMPLES", 160))
STEPS = int(os.environ.get("LEDGER_STEPS", 12))
# So that the workers of a test run share them.
PARTS = 8
DAY = timedelta(days=1)
points = st.integers(1, 60)
days = st.none() | st.integers(1, 8)


@dataclass(eq=False)
class ModelLot:
    account: int
    order: int | None
    remaining: int
    usable: int | None  # day; None: nobody knows
    expires: int | None
    released: bool


@dataclass
class Model:
    """What the ledger should hold: lots, debts, and what each order's reversals could not take."""

    lenient: bool
    lots: list[ModelLot] = field(default_factory=list)
    debt: dict[int, int] = field(default_factory=lambda: {0: 0, 1: 0})
    missing: dict[int, int] = field(default_factory=dict)

    def free(self, account):
        """Lots to spend from, in order."""
        lots = [lot for lot in self.lots if lot.account == account and lot.released and lot.remaining]
        return sorted(lots, key=lambda lot: (lot.expires is None, lot.expires or 0, self.lots.index(lot)))

    def balance(self, account):
        return sum(lot.remaining for lot in self.free(account)) - self.debt[account]

    def pending(self, account):
        return sum(lot.remaining for lot in self.lots if lot.account == account and not lot.released)

    def pay(self, lot):
        """What comes in pays a debt first."""
        if lot.released:
            paid = min(lot.remaining, self.debt[lot.account])
            lot.remaining -= paid
            self.debt[lot.account] -= paid

    def add(self, account, points, *, order=None, usable=None, expires=None, released=True):
        lot = ModelLot(account, order, points, usable, expires, released)
        self.lots.append(lot)
        self.pay(lot)

    def take(self, lots, points):
        """[(lot, points taken)], and what was not found."""
        taken = []
        for lot in lots:
            part = min(points, lot.remaining)
            if part:
                lot.remaining -= part
                points -= part
                taken.append((lot, part))
        return taken, points

    def reverse(self, account, order, points):
        own = [lot for lot in self.lots if lot.account == account and lot.order == order]
        own.sort(key=lambda lot: lot.released)
        rest = self.take(own, points)[1]
        rest = self.take(self.free(account), rest)[1]
        if self.lenient:
            self.debt[account] += rest
        else:
            self.missing[order] = self.missing.get(order, 0) + rest

    def give_back(self, account, taken, points, today):
        """Undo a spending from its end; `taken` is changed to what is still out. Collects what an order's reversal missed."""
        came_back = {}
        for lot, _part in sorted(
            taken,
            key=lambda item: (item[0].expires is None, item[0].expires or 0, self.lots.index(item[0])),
            reverse=True,
        ):
            place = next(n for n, item in enumerate(taken) if item[0] is lot)
            part = min(points, taken[place][1])
            taken[place] = (lot, taken[place][1] - part)
            points -= part
            paid = min(part, self.debt[account])
            self.debt[account] -= paid
            lot.remaining += part - paid
            if part and lot.expires is not None and lot.expires <= today:
                lot.expires = today + 30
            if part and lot.order is not None:
                came_back[lot.order] = came_back.get(lot.order, 0) + part - paid
        taken[:] = [item for item in taken if item[1]]
        for order, back in came_back.items():
            owed = min(self.missing.get(order, 0), back)
            if owed:
                self.missing[order] -= owed
                own = [lot for lot in self.lots if lot.account == account and lot.order == order]
                own.sort(key=lambda lot: lot.released)
                rest = self.take(own, owed)[1]
                rest = self.take(self.free(account), rest)[1]
                assert not rest


class LedgerMachine(RuleBasedStateMachine):
    """A guest (0) and a customer (1), whom the guest joins at some time."""

    spendings = Bundle("spendings")

    @initialize(lenient=st.booleans())
    def begin(self, lenient):
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.model = Model(lenient)
        self.day, self.causes, self.joined, self.erased = 0, 0, False, set()
        self.store = make_store()
        make_program(self.store, negative_balance=lenient)
        self.customers = [make_guest(self.store), make_customer(self.store)]
        self.names = [(one.email, one.first_name, one.last_name) for one in self.customers]
        self.accounts = [make_account(customer) for customer in self.customers]
        self.orders = [make_order(self.store, self.customers[0]) for _ in range(3)]
        self.spent = {}

    def teardown(self):
        if hasattr(self, "atomic"):
            assert proof.closes(self.store)
            transaction.set_rollback(True)
            self.atomic.__exit__(None, None, None)

    @property
    def at(self):
        return NOW + self.day * DAY

    def cause(self):
        self.causes += 1
        return f"cause:{self.causes}"

    def when(self, days):
        return None if days is None else self.day + days

    def moment(self, day):
        return None if day is None else NOW + day * DAY

    @rule(who=st.integers(0, 1), points=points, expires=days, usable=days, order=st.none() | st.integers(0, 2))
    def earn(self, who, points, expires, usable, order):
        usable, expires = self.when(usable), self.when(expires)
        for _again in range(2):
            cause = f"earn:{self.causes}"
            ledger.earn(
                self.accounts[who], points, cause, order=None if order is None else self.orders[order],
                available_from=self.moment(usable), expires_at=self.moment(expires), at=self.at,
            )  # fmt: skip
        self.causes += 1
        self.model.add(who, points, order=order, usable=usable, expires=expires, released=usable is None)

    @rule(who=st.integers(0, 1), amounts=st.lists(points, min_size=4, max_size=6), waits=st.booleans())
    def campaign(self, who, amounts, waits):
        """Many at once, through the set-based function."""
        ledger.post_many(
            [Posting(self.accounts[who].pk, Kind.EARN, amount, self.cause(), pending=waits) for amount in amounts],
            at=self.at,
        )
        for amount in amounts:
            self.model.add(who, amount, released=not waits)

    @rule(target=spendings, who=st.integers(0, 1), points=points)
    def spend(self, who, points):
        cause = self.cause()
        if self.model.balance(who) < points:
            with pytest.raises(ledger.InsufficientPoints):
                ledger.redeem(self.accounts[who], points, cause, at=self.at)
            return None
        entry = ledger.redeem(self.accounts[who], points, cause, at=self.at)
        assert ledger.redeem(self.accounts[who], points, cause, at=self.at) == entry
        self.spent[entry.pk] = self.model.take(self.model.free(who), points)[0]
        return entry

    @rule(entry=spendings, part=st.integers(1, 100))
    def give_back(self, entry, part):
        out = sum(points for _lot, points in self.spent[entry.pk]) if entry else 0
        if not out:
            return
        amount = max(1, out * part // 100)
        ledger.give_back(entry, self.cause(), points=amount, at=self.at)
        who = [account.pk for account in self.accounts].index(entry.account_id)
        self.model.give_back(who, self.spent[entry.pk], amount, self.day)
        if self.joined and who == 0:
            self.move()

    @rule(who=st.integers(0, 1), order=st.integers(0, 2), points=points)
    def refund(self, who, order, points):
        cause = self.cause()
        ledger.post(self.accounts[who], Kind.REVERSE, -points, cause, order_id=self.orders[order].pk, at=self.at)
        self.model.reverse(who, order, points)

    @rule(who=st.integers(0, 1), points=points, up=st.booleans())
    def adjust(self, who, points, up):
        cause = self.cause()
        if up:
            # As staff may well write.
            note = "" if who in self.erased else f"Sorry, {' '.join(self.names[who])}"
            ledger.post(self.accounts[who], Kind.ADJUST, points, cause, note=note, at=self.at)
            self.model.add(who, points)
        elif self.model.balance(who) < points and not self.model.lenient:
            with pytest.raises(ledger.InsufficientPoints):
                ledger.post(self.accounts[who], Kind.ADJUST, -points, cause, at=self.at)
        else:
            ledger.post(self.accounts[who], Kind.ADJUST, -points, cause, at=self.at)
            self.model.debt[who] += self.model.take(self.model.free(who), points)[1]

    @rule(days=st.integers(1, 5))
    def days_pass(self, days):
        self.day += days
        ledger.release(self.store, self.at)
        due = [lot for lot in self.model.lots if not lot.released and lot.remaining and lot.usable is not None]
        for lot in sorted(due, key=lambda lot: (lot.usable, self.model.lots.index(lot))):
            if lot.usable <= self.day:
                lot.released = True
                self.model.pay(lot)
        for _again in range(2):
            ledger.expire(self.store, self.at)
        for lot in self.model.lots:
            if lot.released and lot.expires is not None and lot.expires <= self.day:
                lot.remaining = 0

    @precondition(lambda self: not self.joined)
    @rule()
    def join(self):
        self.joined = True
        guest, customer = self.customers
        guest.joined_to = customer
        guest.save(update_fields=["joined_to"])
        self.move()
        ledger.join(self.store, [guest.pk])

    @precondition(lambda self: self.joined)
    @rule()
    def join_again(self):
        self.move()

    @precondition(lambda self: len(self.erased) < 2)
    @rule(who=st.integers(0, 1))
    def erase(self, who):
        """What is written stays and is nobody's; points of it come and go as before."""
        customer = self.customers[who]
        for _again in range(2):
            customer.refresh_from_db()
            erasing.erase(erasing.of_customer(customer, self.at))
        self.erased |= {0, 1} if self.joined and who else {who}
        assert proof.closes(self.store)
        rows = [str(list(model.objects.filter(store=self.store).values())) for model in (Account, LedgerEntry, Lot)]
        assert not [one for one in self.erased for row in rows if self.names[one][0] in row]

    def move(self):
        ledger.join(self.store, [self.customers[0].pk])
        for lot in [lot for lot in self.model.lots if lot.account == 0 and lot.remaining]:
            self.model.add(
                1, lot.remaining, order=lot.order, usable=lot.usable, expires=lot.expires, released=lot.released
            )
            lot.remaining = 0
        if debt := self.model.debt[0]:
            self.model.debt[0] = 0
            rest = self.model.take(self.model.free(1), debt)[1]
            if self.model.lenient:
                self.model.debt[1] += rest

    @invariant()
    def the_same_is_held(self):
        if not hasattr(self, "model"):
            return
        held = list(Account.objects.filter(store=self.store).order_by("pk").values_list("balance", "pending"))
        assert held == [(self.model.balance(who), self.model.pending(who)) for who in (0, 1)]
        lots = Lot.objects.filter(store=self.store, is_open=True).order_by("account", "pk")
        assert [(lot.remaining, lot.expires_at) for lot in lots] == [
            (lot.remaining, self.moment(lot.expires))
            for who in (0, 1)
            for lot in self.model.lots
            if lot.account == who and lot.remaining
        ]


@pytest.mark.django_db
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(PARTS))
def test_the_ledger_is_the_model(part):
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=EXAMPLES // PARTS,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
