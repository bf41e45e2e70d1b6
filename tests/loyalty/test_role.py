"""The recipe for a role that can't rewrite the books: the web and the worker work with it, and it changes no entry."""

import os
import re
from pathlib import Path

import pytest
from django.db import ProgrammingError, connection, transaction
from django.utils import timezone

from crm.events import recording
from crm.orders import erasing
from crm.work import drain
from loyalty import adjusting, ledger, proof
from loyalty.models import Account, LedgerEntry
from tests.factories import make_customer, make_order, make_program, make_refund, make_staff

pytestmark = pytest.mark.django_db
DOCS = Path(__file__).parents[2] / "docs" / "running.md"
ROLE = f"web_and_worker_{os.getpid()}"


@pytest.fixture
def as_the_role(db):
    """The documented rights, given to a role that goes with the test's transaction; the test speaks as it."""
    [rights] = re.findall(r"```sql\n(.*?)```", DOCS.read_text(), re.DOTALL)
    rights = re.sub(r"postpurchase_owner\b", "CURRENT_USER", rights)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {ROLE}")
        cursor.execute(
            re.sub(r"TO postpurchase\b|FROM postpurchase\b", lambda to: f"{to[0].split()[0]} {ROLE}", rights)
        )
        cursor.execute(f"SET ROLE {ROLE}")
        yield cursor
        cursor.execute("RESET ROLE")


def test_the_web_and_the_worker_can_do_their_work(as_the_role, store):
    make_program(store, adjust_limit=10)
    customer = make_customer(store)
    order = make_order(store, customer)
    recording.record("order.paid", store, order.woo_id, customer=customer, order=order, occurred_at=timezone.now())
    drain.drain_all()
    account = Account.objects.get()
    spent = ledger.redeem(account, 30, "coupon:1")
    ledger.give_back(spent, "handed back", points=10)
    adjusting.adjust(account, 5, "Sorry for the wait", make_staff(store))
    make_refund(order, amount=40)
    order.refunded_total = 40
    order.save()
    recording.record("order.refunded", store, 7, customer=customer, order=order, occurred_at=timezone.now())
    drain.drain_all()
    erasing.erase(erasing.find(store, customer.email, timezone.now()))

    assert Account.objects.get().balance == 100 - 30 + 10 + 5 - 40
    assert not LedgerEntry.objects.exclude(note="").exists()
    assert list(proof.differences()) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE loyalty_ledgerentry SET points = 1000000",
        "DELETE FROM loyalty_ledgerentry",
        "UPDATE loyalty_allocation SET points = 0",
        "DELETE FROM loyalty_allocation",
        "TRUNCATE loyalty_ledgerentry, loyalty_allocation",
        "ALTER TABLE loyalty_ledgerentry DISABLE TRIGGER ALL",
        "DROP TRIGGER entries_stay ON loyalty_ledgerentry",
        "DROP FUNCTION loyalty_refuse CASCADE",
        "CREATE OR REPLACE FUNCTION loyalty_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "SET session_replication_role = replica",
    ],
)
def test_it_can_neither_change_an_entry_nor_switch_off_what_guards_it(as_the_role, statement):
    for switch in ("erasing", "posting"):
        as_the_role.execute(f"SELECT set_config('postpurchase.{switch}', 'on', true)")

    with pytest.raises(ProgrammingError, match="permission denied|must be owner"), transaction.atomic():
        as_the_role.execute(statement)
