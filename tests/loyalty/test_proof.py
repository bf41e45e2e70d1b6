import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from loyalty import ledger, tasks
from loyalty.ledger import Kind
from loyalty.models import LedgerEntry
from tests.factories import make_account, make_customer, make_store

pytestmark = pytest.mark.django_db


@pytest.fixture
def account():
    account = make_account(make_customer(make_store()), 100)
    ledger.post(account, Kind.REDEEM, -30, "coupon:TEA")
    return account


def break_the_ledger(statement):
    """What only the owner of the database could do: switch the guards off."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE loyalty_ledgerentry DISABLE TRIGGER USER")
        cursor.execute("ALTER TABLE loyalty_account DISABLE TRIGGER USER")
        cursor.execute(statement)
        cursor.execute("ALTER TABLE loyalty_ledgerentry ENABLE TRIGGER USER")
        cursor.execute("ALTER TABLE loyalty_account ENABLE TRIGGER USER")


def test_a_ledger_that_adds_up_is_proven(account, capsys):
    call_command("ledger_verify")
    call_command("ledger_verify", account.store.slug)
    tasks.prove()

    assert capsys.readouterr().out == "The ledger adds up: 2 entries.\n" * 2


@pytest.mark.parametrize(
    ("statement", "difference"),
    [
        ("UPDATE loyalty_account SET balance = 71", "its balance is 71, its entries sum up to 70"),
        (
            "UPDATE loyalty_ledgerentry SET points = -31 WHERE kind = 'redeem'",
            "70 points were left, the entry before it makes that 69",
        ),
        (
            "DELETE FROM loyalty_ledgerentry WHERE kind = 'adjust'",
            "70 points were left, the entry before it makes that -30",
        ),
        (
            "UPDATE loyalty_ledgerentry SET store_id = (SELECT max(id) FROM stores_store) WHERE kind = 'redeem'",
            "is booked for store",
        ),
    ],
)
def test_every_difference_is_named(account, capsys, statement, difference):
    other = make_store()
    break_the_ledger(statement)

    with pytest.raises(CommandError, match="difference"):
        call_command("ledger_verify")
    assert difference in capsys.readouterr().out
    with pytest.raises(tasks.LedgerBroken, match=str(account.pk if "balance is" in difference else "entry")):
        tasks.prove()
    # Another store's books are in order.
    call_command("ledger_verify", other.slug)


def test_an_unknown_store_is_an_error():
    with pytest.raises(CommandError, match="no store"):
        call_command("ledger_verify", "nowhere")


def test_an_empty_ledger_is_in_order():
    assert not LedgerEntry.objects.exists()
    call_command("ledger_verify")
