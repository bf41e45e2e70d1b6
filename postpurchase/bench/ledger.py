"""Postings through the public functions against one bare statement that does the same lot and balance work, and against django-hordak."""

import itertools
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

import psycopg
from django.conf import settings
from django.db import connection, connections, transaction
from django.utils import timezone
from psycopg.types.json import Jsonb

from crm.orders.models import Customer
from crm.stores.models import Store
from loyalty import accounts as opening
from loyalty import ledger, proof, statements
from loyalty.ledger import Kind, Posting
from loyalty.models import Account, Allocation, LedgerEntry, Lot
from loyalty.rules import LinePoints, Rule

from . import peers
from .figures import Figure, alternate
from .webhooks import url_of_this_database

ACCOUNTS = 1_000
# Sides take turns so often that what else the machine does hits both.
SLICE = 0.3  # seconds
TURNS = int(os.environ.get("BENCH_TURNS", 15))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", 5))
BATCH = 1_000
ENTRIES = int(os.environ.get("BENCH_ENTRIES", 1_000_000))
HOT_POSTINGS = 200
_cause = itertools.count()

# The same tables with the same checks and indexes, so that both sides write the same rows; without guards, foreign keys and events.
BARE_TABLES = """
    CREATE TABLE bare_account (LIKE loyalty_account INCLUDING ALL);
    CREATE TABLE bare_entry (LIKE loyalty_ledgerentry INCLUDING ALL);
    CREATE TABLE bare_lot (LIKE loyalty_lot INCLUDING ALL);
    CREATE TABLE bare_allocation (LIKE loyalty_allocation INCLUDING ALL);
    CREATE TABLE bare_event (LIKE events_event INCLUDING ALL);
    INSERT INTO bare_account OVERRIDING SYSTEM VALUE SELECT * FROM loyalty_account;
"""
BARE_EARN = """
    WITH account AS (
        UPDATE bare_account SET balance = balance + %(points)s, earned = earned + %(points)s, posted = posted + 1
        WHERE id = %(account)s RETURNING id, store_id, balance, posted
    ), entry AS (
        INSERT INTO bare_entry (store_id, account_id, number, kind, points, pending, shortfall, balance_after, cause, rule, note, created_at)
        SELECT store_id, id, posted, 'earn', %(points)s, 0, 0, balance, %(cause)s, %(rule)s::jsonb, '', now() FROM account
        RETURNING id, store_id, account_id
    )
    INSERT INTO bare_lot (store_id, account_id, entry_id, granted, remaining, released_at)
    SELECT store_id, account_id, id, %(points)s, %(points)s, now() FROM entry
"""
BARE_SPEND = """
    WITH account AS (
        UPDATE bare_account SET balance = balance - %(points)s, posted = posted + 1
        WHERE id = %(account)s AND balance >= %(points)s RETURNING id, store_id, balance, posted
    ), entry AS (
        INSERT INTO bare_entry (store_id, account_id, number, kind, points, pending, shortfall, balance_after, cause, rule, note, created_at)
        SELECT store_id, id, posted, 'redeem', -%(points)s, 0, 0, balance, %(cause)s, %(rule)s::jsonb, '', now() FROM account
        RETURNING id
    ), lot AS (
        SELECT id, remaining, sum(remaining) OVER (ORDER BY expires_at, id) - remaining AS before FROM (
            SELECT * FROM bare_lot WHERE account_id = %(account)s AND is_open AND released_at IS NOT NULL
            ORDER BY expires_at, id LIMIT 10) AS first
    ), used AS (
        SELECT id, least(remaining, %(points)s - before) AS points FROM lot WHERE before < %(points)s
    ), allocation AS (
        INSERT INTO bare_allocation (entry_id, lot_id, points) SELECT entry.id, used.id, used.points FROM entry, used
    )
    UPDATE bare_lot AS lot SET remaining = lot.remaining - used.points FROM used WHERE lot.id = used.id
"""
BARE_BATCH = """
    WITH posting AS (
        SELECT * FROM unnest(%(accounts)s::bigint[], %(points)s::bigint[], %(causes)s::text[])
        WITH ORDINALITY AS posting(account_id, points, cause, place)
    ), locked AS MATERIALIZED (
        SELECT id, store_id, balance, posted FROM bare_account WHERE id IN (SELECT account_id FROM posting) ORDER BY id FOR UPDATE
    ), entry AS (
        INSERT INTO bare_entry (store_id, account_id, number, kind, points, pending, shortfall, balance_after, cause, rule, note, created_at)
        SELECT store_id, account_id, posted + row_number() OVER own, 'earn', points, 0, 0, balance + sum(points) OVER own, cause,
            %(rule)s::jsonb, '', now()
        FROM posting JOIN locked ON locked.id = account_id WINDOW own AS (PARTITION BY account_id ORDER BY place)
        RETURNING id, store_id, account_id, points
    ), lot AS (
        INSERT INTO bare_lot (store_id, account_id, entry_id, granted, remaining, released_at)
        SELECT store_id, account_id, id, points, points, now() FROM entry
    )
    -- From what was inserted: else PostgreSQL would do this first, and find no account that it has not changed yet to lock.
    UPDATE bare_account AS account
    SET balance = account.balance + summed.points, earned = account.earned + summed.points, posted = account.posted + summed.count
    FROM (SELECT account_id, sum(points) AS points, count(*) FROM entry GROUP BY account_id) AS summed WHERE summed.account_id = account.id
"""
BARE_EXPIRE = """
    WITH lot AS MATERIALIZED (
        SELECT id, account_id, remaining, 'expire:' || id AS cause FROM bare_lot
        WHERE store_id = %(store)s AND is_open AND released_at IS NOT NULL AND expires_at <= %(at)s ORDER BY account_id, id FOR UPDATE
    ), locked AS MATERIALIZED (
        SELECT id, store_id, balance, posted FROM bare_account WHERE id IN (SELECT account_id FROM lot) ORDER BY id FOR UPDATE
    ), entry AS (
        INSERT INTO bare_entry (store_id, account_id, number, kind, points, pending, shortfall, balance_after, cause, rule, note, created_at)
        SELECT store_id, account_id, posted + row_number() OVER own, 'expire', -remaining, 0, 0, balance - sum(remaining) OVER own,
            cause, '{}', '', now()
        FROM lot JOIN locked ON locked.id = account_id WINDOW own AS (PARTITION BY account_id ORDER BY lot.id)
        RETURNING id, account_id, points, balance_after, cause
    ), event AS (
        INSERT INTO bare_event (store_id, type, key, data, occurred_at, created_at)
        SELECT %(store)s, 'points.expired', id, jsonb_build_object('points', -points, 'balance', balance_after), %(at)s, now() FROM entry
    ), allocation AS (
        INSERT INTO bare_allocation (entry_id, lot_id, points)
        SELECT entry.id, lot.id, remaining FROM entry JOIN lot USING (account_id, cause)
    ), spent AS (
        UPDATE bare_lot SET remaining = 0 FROM lot WHERE bare_lot.id = lot.id
    )
    UPDATE bare_account AS account SET balance = account.balance + summed.points, posted = account.posted + summed.count
    FROM (SELECT account_id, sum(points) AS points, count(*) FROM entry GROUP BY account_id) AS summed WHERE summed.account_id = account.id
"""
HISTORY = [
    """
    INSERT INTO loyalty_ledgerentry (
        store_id, account_id, number, kind, points, pending, shortfall, balance_after, cause, rule, note, created_at)
    SELECT store_id, id, n, CASE n %% 4 WHEN 0 THEN 'redeem' ELSE 'earn' END, CASE n %% 4 WHEN 0 THEN -2 ELSE 2 END, 0, 0,
        n / 4 * 4 + n %% 4 * 2, 'bench:' || n, CASE n %% 4 WHEN 0 THEN '{}' ELSE %(rule)s END, '', now()
    FROM loyalty_account, generate_series(1, %(count)s) AS n WHERE id = ANY (%(accounts)s) ORDER BY n
    """,
    """
    INSERT INTO loyalty_lot (store_id, account_id, entry_id, granted, remaining, released_at)
    SELECT store_id, account_id, id, 2, CASE number %% 4 WHEN 1 THEN 0 ELSE 2 END, now()
    FROM loyalty_ledgerentry WHERE account_id = ANY (%(accounts)s) AND kind = 'earn'
    """,
    """
    INSERT INTO loyalty_allocation (entry_id, lot_id, points)
    SELECT spent.id, lot.id, 2 FROM loyalty_ledgerentry AS spent
    JOIN loyalty_ledgerentry AS earned ON earned.account_id = spent.account_id AND earned.number = spent.number - 3
    JOIN loyalty_lot AS lot ON lot.entry_id = earned.id
    WHERE spent.account_id = ANY (%(accounts)s) AND spent.kind = 'redeem'
    """,
    """
    UPDATE loyalty_account SET balance = %(count)s, earned = %(count)s / 4 * 6, posted = %(count)s WHERE id = ANY (%(accounts)s)
    """,
]
# What an order of two lines leaves on its entry, so that entries are as long as a shop's.
RULE = Rule(program=1, rate=Decimal("0.1"), rounding="down", version=1).dump() | {
    "why": "paid",
    "currency": "INR",
    "base": "100",
    "back": "0",
    "worth": 10,
    "before": 0,
    "lines": [
        LinePoints(line, 5, 5, Decimal(50), Decimal(0), Decimal("0.1"), "down", rule=1).dump()
        for line in ("1041", "1042")
    ],
    "names": {"1041": "Assam Second Flush, 250 g", "1042": "Masala Chai, 100 g"},
}


def measure() -> list[Figure]:
    store = Store.objects.create(slug="bench-ledger", name="Bench", url="https://bench-ledger.example", currency="INR")
    people = open_accounts(store)
    with psycopg.connect(url_of_this_database(), autocommit=True) as bare, hordak() as peer:
        bare.execute(BARE_TABLES)
        figures = [
            *single("a hot account", people[:1], bare, peer),
            *single(f"{ACCOUNTS:,} accounts", people[:ACCOUNTS], bare, peer),
            *bulk(people[:BATCH], bare),
            *expiring(store, people[:BATCH], bare),
        ]
    return [*figures, *hot(people[0]), *growth(people[ACCOUNTS:])]


@contextmanager
def hordak() -> Iterator[Callable[[int], float]]:
    """A function: so many accounts → postings a second of a slice by django-hordak, 0 where it can't be had."""
    try:
        python = peers.python()
    except peers.Missing as missing:
        print(missing, file=sys.stderr)
        yield lambda accounts: 0.0
        return
    script = settings.BASE_DIR / "postpurchase" / "bench" / "hordak_ledger.py"
    command = [python, script, url_of_this_database()]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def measure_slice(accounts):
        process.stdin.write(json.dumps([accounts, SLICE]) + "\n")
        return json.loads(process.stdout.readline())

    try:
        yield measure_slice
    finally:
        process.stdin.close()
        process.wait(30)


def open_accounts(store: Store) -> list[Account]:
    """Those that are posted to, and as many and two more that have only history."""
    customers = Customer.objects.bulk_create(
        Customer(store=store, woo_id=n, email=f"{n}@bench.example") for n in range(1, 2 * ACCOUNTS + 3)
    )
    opening.open_accounts(store, [customer.pk for customer in customers])
    return list(Account.objects.for_store(store).order_by("pk"))


def cause() -> str:
    return f"bench:{next(_cause)}"


def rate(post: Callable[[int], object]) -> float:
    """Postings a second during a slice."""
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < SLICE:
        post(count)
        count += 1
    return count / (time.perf_counter() - began)


def single(name: str, people: list[Account], bare, peer) -> list[Figure]:
    """An earning of 10 and a spending of 10 in turns."""

    def ours(n):
        account = people[n // 2 % len(people)]
        if n % 2:
            ledger.redeem(account, 10, cause())
        else:
            ledger.earn(account, 10, cause(), rule=RULE)

    def one_statement(n):
        values = {"account": people[n // 2 % len(people)].pk, "points": 10, "cause": cause(), "rule": Jsonb(RULE)}
        bare.execute(BARE_SPEND if n % 2 else BARE_EARN, values, prepare=True)

    rounds = [(rate(ours), rate(one_statement), peer(len(people))) for _ in range(TURNS)]
    of_bare = statistics.median(mine / limit for mine, limit, _other in rounds)
    mine, limit, other = (statistics.median(column) for column in zip(*rounds, strict=True))
    detail = f"{mine:,.0f}/s against {limit:,.0f}/s, {TURNS} rounds"
    figures = [Figure(f"Ledger: one posting on {name}, of one bare statement", of_bare, "×", 0.5, "higher", detail)]
    if other:
        of_peer = statistics.median(mine / other for mine, _limit, other in rounds)
        detail = f"{mine:,.0f}/s against {other:,.0f}/s with lock and balance check"
        figures.append(Figure(f"Ledger: one posting on {name}, of django-hordak", of_peer, "×", 5, "higher", detail))
    return figures


def bulk(people: list[Account], bare) -> list[Figure]:
    def ours():
        ledger.post_many([Posting(account.pk, Kind.EARN, 10, cause(), rule=RULE) for account in people], announce=False)

    def one_statement():
        causes = [cause() for _ in range(BATCH)]
        ids = [account.pk for account in people]
        bare.execute(
            BARE_BATCH, {"accounts": ids, "points": [10] * BATCH, "causes": causes, "rule": Jsonb(RULE)}, prepare=True
        )

    mine, limit = by_equals(ours, one_statement, "entry", "lot")
    detail = f"{BATCH / mine:,.0f}/s against {BATCH / limit:,.0f}/s, {BATCH:,} at once"
    return [Figure("Ledger: postings in bulk, of the bare batch statement", limit / mine, "×", 0.5, "higher", detail)]


def expiring(store: Store, people: list[Account], bare) -> list[Figure]:
    """A lot of each of so many accounts expires; each round has lots of its own day."""
    days = [timezone.now() - timedelta(days=ago) for ago in range(ROUNDS + 1, 0, -1)]
    for day in days:
        gifts = [Posting(account.pk, Kind.EARN, 10, cause(), expires_at=day) for account in people]
        ledger.post_many(gifts, announce=False)
    columns = "store_id, account_id, granted, remaining, released_at, expires_at"
    # No entry made these: what they cost is measured elsewhere.
    bare.execute(
        f"INSERT INTO bare_lot ({columns}, entry_id) SELECT {columns}, -entry_id FROM loyalty_lot WHERE expires_at < now()"
    )
    bare.execute("UPDATE bare_account SET balance = balance + %s", [10 * len(days)])
    ours_at, theirs_at = iter(days), iter(days)

    def ours():
        assert ledger.expire(store, next(ours_at)) == len(people)

    def one_statement():
        done = bare.execute(BARE_EXPIRE, {"store": store.pk, "at": next(theirs_at)}, prepare=True)
        assert done.rowcount == len(people)

    mine, limit = by_equals(ours, one_statement, "entry", "allocation", "event")
    detail = f"{BATCH / mine:,.0f}/s against {BATCH / limit:,.0f}/s, {BATCH:,} at once with their events"
    return [Figure("Ledger: lots that expire, of the bare batch statement", limit / mine, "×", 0.5, "higher", detail)]


def by_equals(ours: Callable, theirs: Callable, *kinds: str) -> list[float]:
    """Median seconds of both. One that writes less is no peer: each turn of each writes a row of these kinds for each account."""
    names = {"entry": "loyalty_ledgerentry", "event": "events_event"}
    tables = [(names.get(kind, f"loyalty_{kind}"), f"bare_{kind}") for kind in kinds]
    before = [[count(name) for name in pair] for pair in tables]
    times = alternate(ROUNDS, ours, theirs)
    new = (ROUNDS + 1) * BATCH
    assert [[count(name) for name in pair] for pair in tables] == [[rows + new for rows in pair] for pair in before]
    return times


def count(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        return cursor.fetchone()[0]


def hot(account: Account) -> list[Figure]:
    """One account from one connection, and from four at once."""

    def run(connections_, postings):
        def post():
            for n in range(postings):
                ledger.redeem(account, 1, cause()) if n % 2 else ledger.earn(account, 1, cause())
            connections.close_all()

        threads = [threading.Thread(target=post) for _ in range(connections_)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return connections_ * postings / (time.perf_counter() - began)

    rounds = [(run(1, HOT_POSTINGS), run(4, HOT_POSTINGS)) for _ in range(ROUNDS)]
    one, four = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(four / one for one, four in rounds)
    detail = f"{four:,.0f}/s against {one:,.0f}/s"
    return [Figure("Ledger: a hot account from 4 connections, of 1", ratio, "×", 0.8, "higher", detail)]


def growth(people: list[Account]) -> list[Figure]:
    """What reading costs when one account has a million entries, and proving when a thousand others have some as well."""
    big, small, *others = people
    grow([big.pk], ENTRIES)
    grow([account.pk for account in others], max(ENTRIES // 10 // len(others) // 4 * 4, 4))
    grow([small.pk], 12)

    def page(account):
        def read():
            for _ in range(20):
                Account.objects.values_list("balance").get(pk=account.pk)
                statements.lines([account.pk], size=10)

        return read

    def bare_sum():
        with connection.cursor() as cursor:
            cursor.execute("SELECT sum(points) FROM loyalty_ledgerentry")
            cursor.fetchone()

    def proven():
        assert proof.closes()

    count, lots, allocations = (model.objects.count() for model in (LedgerEntry, Lot, Allocation))
    figures = []
    for when in ("right after they came", "with statistics"):
        whole, summed = alternate(ROUNDS, proven, bare_sum)
        told = f"{count:,} entries with their rules, {lots:,} lots, {allocations:,} allocations: {whole:.2f} s against {summed:.2f} s"
        figures.append(
            Figure(f"Ledger: proof of everything {when}, of a bare sum", whole / summed, "×", 3, "lower", told)
        )
        with connection.cursor() as cursor:
            for model in (Account, LedgerEntry, Lot, Allocation):
                cursor.execute(f"VACUUM ANALYZE {model._meta.db_table}")
    of_many, of_few = alternate(ROUNDS * 2, page(big), page(small))
    told = f"{ENTRIES:,} entries against 12, {of_many / 20 * 1000:.2f} ms"
    name = "Ledger: balance and first page with many entries, of few"
    return [Figure(name, of_many / of_few, "×", 1.2, "lower", told), *figures]


def grow(accounts: list[int], count: int) -> None:
    """Give each of these accounts so many entries, as posting would have: three earnings, and a spending of the first."""
    values = {"accounts": accounts, "count": count, "rule": Jsonb(RULE)}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL postpurchase.posting = 'on'")
        for statement in HISTORY:
            cursor.execute(statement, values)
