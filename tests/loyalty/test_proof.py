import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from loyalty import ledger, tasks
from loyalty.ledger import Kind
from loyalty.models import Account, LedgerEntry
from tests.factories import make_account, make_customer, make_store

pytestmark = pytest.mark.django_db


@pytest.fixture
def account():
    account = make_account(make_customer(make_store()), 100)
    ledger.post(account, Kind.REDEEM, -30, "coupon:TEA")
    return account


def break_the_ledger(statement):
    """What only the owner of the database could do: switch the guards off, foreign keys too."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement)
        cursor.execute("SET session_replication_role = origin")


def test_a_ledger_that_adds_up_is_proven(account, capsys):
    call_command("ledger_verify")
    call_command("ledger_verify", account.store.slug)
    tasks.prove()

    assert capsys.readouterr().out == "The ledger adds up: 2 entries.\n" * 2


@pytest.mark.broken_books
@pytest.mark.parametrize(
    ("statement", "difference"),
    [
        ("UPDATE loyalty_account SET balance = 71", "its balance is 71, its entries sum up to 70"),
        ("UPDATE loyalty_account SET pending = 1", "1 points are pending, by its entries 0"),
        ("UPDATE loyalty_account SET earned = 5", "it says that 5 points were earned, by its entries 0"),
        ("UPDATE loyalty_account SET posted = 3", "it counts 3 entries, there are 2"),
        (
            "UPDATE loyalty_ledgerentry SET points = -31 WHERE kind = 'redeem'",
            "70 points were left, the entry before it makes that 69",
        ),
        (
            "DELETE FROM loyalty_ledgerentry WHERE kind = 'adjust'",
            "70 points were left, the entry before it makes that -30",
        ),
        # The sums are as they were: only the chain shows it.
        (
            "UPDATE loyalty_ledgerentry SET balance_after = 99 WHERE kind = 'adjust'",
            "99 points were left, the entry before it makes that 100",
        ),
        (
            "UPDATE loyalty_ledgerentry SET number = 4 WHERE kind = 'redeem'",
            "has the number 4 and is the account's entry 2",
        ),
        (
            "UPDATE loyalty_ledgerentry SET store_id = (SELECT max(id) FROM stores_store) WHERE kind = 'redeem'",
            "is booked for store",
        ),
        ("UPDATE loyalty_lot SET remaining = 71", "its balance is 70, its lots have 71 left"),
        ("UPDATE loyalty_lot SET remaining = 71", "29 points of it are gone, its allocations sum up to 30"),
        ("UPDATE loyalty_lot SET released_at = NULL", "0 points are pending, its pending lots have 70 left"),
        ("UPDATE loyalty_lot SET granted = 101", "it brought 100 points, its lots were granted 101"),
        ("UPDATE loyalty_lot SET store_id = (SELECT max(id) FROM stores_store)", "is booked for store"),
        ("UPDATE loyalty_allocation SET points = 29", "30 points of it are gone, its allocations sum up to 29"),
        ("DELETE FROM loyalty_allocation", "30 points of it are gone, its allocations sum up to 0"),
    ],
)
def test_every_difference_is_named(account, capsys, statement, difference):
    other = make_store()
    break_the_ledger(statement)

    with pytest.raises(CommandError, match="difference"):
        call_command("ledger_verify")
    assert difference in capsys.readouterr().out
    with pytest.raises(tasks.LedgerBroken):
        tasks.prove()
    # Another store's books are in order.
    call_command("ledger_verify", other.slug)


def test_an_unknown_store_is_an_error():
    with pytest.raises(CommandError, match="no store"):
        call_command("ledger_verify", "nowhere")


def test_an_empty_ledger_is_in_order():
    assert not LedgerEntry.objects.exists()
    call_command("ledger_verify")


def test_the_caches_are_rebuilt_from_what_can_not_be_changed(account, capsys):
    break_the_ledger("UPDATE loyalty_account SET balance = 999, pending = 5, earned = 7, posted = 9")
    break_the_ledger("UPDATE loyalty_lot SET remaining = 1")

    call_command("ledger_rebuild", "--dry-run")
    assert "2 rows would be set right" in capsys.readouterr().out
    assert Account.objects.get().balance == 999
    call_command("ledger_rebuild", account.store.slug)

    out = capsys.readouterr().out
    assert f"account {account.pk}: balance 999 and 5 pending become 70 and 0" in out
    assert "2 rows set right" in out
    call_command("ledger_verify")
    call_command("ledger_rebuild")
    assert "0 rows set right" in capsys.readouterr().out


@pytest.mark.broken_books
def test_what_is_wrong_in_the_entries_is_not_rebuilt(account):
    break_the_ledger("UPDATE loyalty_ledgerentry SET number = 4 WHERE kind = 'redeem'")

    with pytest.raises(CommandError, match="has the number 4"):
        call_command("ledger_rebuild")
    with pytest.raises(CommandError, match="no store"):
        call_command("ledger_rebuild", "nowhere")


@pytest.mark.broken_books
def test_another_stores_caches_are_left_alone(account):
    other = make_store()
    break_the_ledger("UPDATE loyalty_account SET balance = 999")

    call_command("ledger_rebuild", other.slug)

    assert Account.objects.get().balance == 999
