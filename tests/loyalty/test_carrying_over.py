"""Points that were posted before there were lots become lots, and the books close."""

import os
import subprocess
import sys

import psycopg
import pytest

from tests.conftest import ROOT, url_of

NAME = f"test_postpurchase_old_points_{os.getpid()}"
# (points, kind) of an account's entries; of each lot: what was granted and what is left.
ACCOUNTS = [
    ([(100, "earn"), (-30, "redeem"), (50, "earn"), (-80, "redeem")], [(100, 0), (50, 40)]),
    ([(100, "earn")], [(100, 100)]),
    # A debt, partly paid; and one that is.
    ([(100, "earn"), (-70, "redeem"), (-100, "reverse"), (20, "adjust")], [(100, 0), (20, 0)]),
    ([(10, "earn"), (-30, "reverse"), (15, "adjust"), (15, "adjust")], [(10, 0), (15, 0), (15, 10)]),
    ([], []),
]


def manage(*arguments):
    environment = os.environ | {"DATABASE_URL": url_of(NAME)}
    command = [sys.executable, "manage.py", *arguments]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture
def old():
    """A connection to a database as it was before lots."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute(f"CREATE DATABASE {NAME}")
        manage("migrate", "loyalty", "0004", "--verbosity=0")
        with psycopg.connect(url_of(NAME), autocommit=True) as connection:
            yield connection
        server.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


EMPTY = {
    "bigint": "0", "integer": "0", "smallint": "0", "numeric": "0", "boolean": "false", "uuid": "gen_random_uuid()", "jsonb": "'{}'",
    "timestamp with time zone": "now()", "ARRAY": "'{}'",
}  # fmt: skip


def insert(connection, table, **values):
    """A row with these values and with nothing in the other columns, whichever the table has."""
    columns = connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s AND is_nullable = 'NO'"
        " AND is_identity = 'NO' AND is_generated = 'NEVER'",
        [table],
    ).fetchall()
    row = {name: EMPTY.get(type, "''") for name, type in columns} | values
    connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(map(str, row.values()))})")


@pytest.mark.long
def test_old_points_become_lots(old):
    insert(old, "stores_store", id=1)
    for pk, _account in enumerate(ACCOUNTS, 1):
        insert(old, "orders_customer", id=pk, store_id=1, woo_id=pk)
    # The old guards would want the entries one by one.
    old.execute("SET session_replication_role = replica")
    for pk, (entries, _lots) in enumerate(ACCOUNTS, 1):
        balance = 0
        for place, (points, kind) in enumerate(entries):
            balance += points
            insert(
                old, "loyalty_ledgerentry", store_id=1, account_id=pk, kind=f"'{kind}'", points=points, balance_after=balance,
                cause=f"'cause:{place}'",
            )  # fmt: skip
        insert(old, "loyalty_account", id=pk, store_id=1, customer_id=pk, balance=balance)

    manage("migrate", "loyalty", "--verbosity=0")

    rows = old.execute("SELECT account_id, granted, remaining FROM loyalty_lot ORDER BY id").fetchall()
    for pk, (_entries, lots) in enumerate(ACCOUNTS, 1):
        assert [(granted, remaining) for account, granted, remaining in rows if account == pk] == lots
    assert "The ledger adds up: 13 entries." in manage("ledger_verify")
