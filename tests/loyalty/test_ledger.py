import threading

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.db.models import Sum

from crm.events.models import Event
from loyalty import ledger
from loyalty.ledger import Kind, Posting
from loyalty.models import Account, LedgerEntry, Program
from tests.factories import make_account, make_customer, make_guest, make_order, make_program, make_store

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(store):
    return make_account(make_customer(store))


def balance(account):
    return Account.objects.get(pk=account.pk).balance


def test_entries_chain_and_move_the_balance(account):
    ledger.post(account, Kind.EARN, 100, "order:1:1")
    entry = ledger.post(account, Kind.REDEEM, -30, "coupon:TEA")

    assert balance(account) == 70
    assert entry.balance_after == 70
    assert list(account.entries.order_by("pk").values_list("balance_after", flat=True)) == [100, 70]


def test_a_cause_posts_once(account):
    first = ledger.post(account, Kind.EARN, 100, "order:1:1")
    again = ledger.post(account, Kind.EARN, 100, "order:1:1")

    assert first == again
    assert balance(account) == 100


def test_a_repeated_spend_is_answered_alike_though_the_points_are_gone(account):
    ledger.post(account, Kind.EARN, 100, "order:1:1")
    first = ledger.post(account, Kind.REDEEM, -100, "coupon:TEA")

    assert ledger.post(account, Kind.REDEEM, -100, "coupon:TEA") == first


@pytest.mark.parametrize("kind", [Kind.REDEEM, Kind.EXPIRE, Kind.ADJUST])
def test_nothing_takes_more_than_there_is(account, kind):
    ledger.post(account, Kind.EARN, 10, "order:1:1")

    with pytest.raises(ledger.InsufficientPoints, match="There are 10 points, 11 were asked for"):
        ledger.post(account, kind, -11, "too much")

    assert balance(account) == 10


def test_a_reversal_takes_what_is_there_and_keeps_the_rest_in_view(account):
    ledger.post(account, Kind.EARN, 100, "order:1:1")
    ledger.post(account, Kind.REDEEM, -70, "coupon:TEA")

    entry = ledger.post(account, Kind.REVERSE, -100, "order:1:2")

    assert (entry.points, entry.shortfall, entry.balance_after) == (-30, 70, 0)


def test_a_reversal_goes_below_zero_where_the_programme_lets_it(store, account):
    make_program(store, negative_balance=True)
    ledger.post(account, Kind.EARN, 100, "order:1:1")
    ledger.post(account, Kind.REDEEM, -70, "coupon:TEA")

    entry = ledger.post(account, Kind.REVERSE, -100, "order:1:2")

    assert (entry.points, entry.shortfall, entry.balance_after) == (-100, 0, -70)
    with pytest.raises(ledger.InsufficientPoints):
        ledger.post(account, Kind.REDEEM, -1, "coupon:TEA2")
    assert ledger.post(account, Kind.EARN, 20, "order:2:1").balance_after == -50


@pytest.mark.parametrize(
    ("kind", "points"),
    [(Kind.EARN, -1), (Kind.EARN, 0), (Kind.REVERSE, 1), (Kind.REDEEM, 1), (Kind.EXPIRE, 1), (Kind.ADJUST, 0)],
)
def test_points_have_the_sign_of_their_kind(account, kind, points):
    ledger.post(account, Kind.EARN, 100, "order:1:1")

    with pytest.raises(IntegrityError, match="entry_sign_of_kind"), transaction.atomic():
        ledger.post(account, kind, points, "odd")


def test_the_database_knows_what_each_kind_may_do():
    """Points, pending and shortfall: of each -1, 0 or 1."""
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT kind, points, pending, shortfall
            FROM unnest(ARRAY['earn', 'return', 'reverse', 'redeem', 'expire', 'release', 'adjust', 'gift']) AS kind,
                generate_series(-1, 1) AS points, generate_series(-1, 1) AS pending, generate_series(-1, 1) AS shortfall
            WHERE loyalty_sign_is_of_kind(kind::varchar, points, pending, shortfall)
        """)
        allowed = set(cursor.fetchall())

    steps = (-1, 0, 1)
    moves = {(a, b, missed) for a in steps for b in steps for missed in steps} - {(0, 0, 0)}
    up, down = {(0, 0), (0, 1), (1, 0), (1, 1)}, {(0, 0), (0, -1), (-1, 0), (-1, -1)}
    assert allowed == {
        (kind, *move)
        for kind, signs, may_fall_short in [
            ("earn", up, True), ("return", up, False), ("reverse", down, True), ("redeem", down, False), ("expire", down, False),
            ("release", {(1, step) for step in steps}, False), ("adjust", {move[:2] for move in moves}, False),
        ]
        for move in moves if move[:2] in signs and (may_fall_short or move[2] == 0)
    }  # fmt: skip


def test_points_out_of_all_reason_are_refused(account):
    with pytest.raises(ValueError, match="more than anything"):
        ledger.post(account, Kind.EARN, 10**13, "order:1:1")


def test_a_batch_keeps_order_skips_known_causes_and_announces(store, account, django_assert_num_queries):
    other = make_account(make_customer(store))
    ledger.post(account, Kind.EARN, 5, "order:1:1")

    def batch(accounts):
        return ledger.post_many(
            posting
            for account in accounts
            for posting in (
                Posting(account.pk, Kind.EARN, 5, "order:1:1"),
                Posting(account.pk, Kind.EARN, 10, "order:2:1"),
                Posting(account.pk, Kind.REDEEM, -10, "coupon:A"),
                Posting(account.pk, Kind.REDEEM, -10, "coupon:A"),
            )
        )

    entries = batch([other, account])

    assert [(e.account_id, e.points, e.balance_after) for e in entries] == [
        (account.pk, 10, 15),
        (account.pk, -10, 5),
        (other.pk, 5, 5),
        (other.pk, 10, 15),
        (other.pk, -10, 5),
    ]
    earned = Event.objects.filter(type="points.earned", customer=other.customer).order_by("pk")
    assert [event.data for event in earned] == [
        {"points": 5, "pending": 0, "balance": 5},
        {"points": 10, "pending": 0, "balance": 15},
    ]
    assert set(earned.values_list("key", flat=True)) == {
        str(e.pk) for e in entries if e.account_id == other.pk and e.points > 0
    }

    accounts = [make_account(make_customer(store)) for _ in range(100)]
    with django_assert_num_queries(1):
        batch(accounts)


def test_a_batch_is_all_or_nothing(store, account):
    with pytest.raises(ledger.InsufficientPoints):
        ledger.post_many([Posting(account.pk, Kind.EARN, 5, "a"), Posting(account.pk, Kind.REDEEM, -6, "b")])

    assert not LedgerEntry.objects.exists()


def test_a_joined_guests_points_go_to_the_customer_once(store):
    guest, customer = make_guest(store), make_customer(store)
    account = make_account(guest, 120)
    guest.joined_to = customer
    guest.save(update_fields=["joined_to"])

    ledger.join(store, [guest.pk])
    ledger.join(store, [guest.pk])

    assert balance(account) == 0
    assert balance(customer.accounts.get()) == 120
    causes = LedgerEntry.objects.filter(cause__startswith=f"join:{guest.pk}:{customer.pk}:")
    assert list(causes.order_by("points").values_list("points", flat=True)) == [-120, 120]


def test_a_guest_who_gets_points_after_the_join_is_joined_again(store):
    guest, customer = make_guest(store), make_customer(store)
    account = make_account(guest, 120)
    guest.joined_to = customer
    guest.save(update_fields=["joined_to"])
    ledger.join(store, [guest.pk])
    ledger.post(account, Kind.ADJUST, 30, "by hand")

    ledger.join(store, [guest.pk])

    assert balance(customer.accounts.get()) == 150


def sql(statement):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE loyalty_ledgerentry SET points = 1000",
        "UPDATE loyalty_ledgerentry SET note = 'nothing to see'",
        "UPDATE loyalty_ledgerentry SET note = ''",
        "SET LOCAL postpurchase.erasing = 'on'; UPDATE loyalty_ledgerentry SET note = 'x'",
        "SET LOCAL postpurchase.erasing = 'on'; UPDATE loyalty_ledgerentry SET note = '', points = 1000",
        "DELETE FROM loyalty_ledgerentry",
        "TRUNCATE loyalty_ledgerentry CASCADE",
    ],
)
def test_the_database_refuses_changed_and_deleted_entries(account, statement):
    ledger.post(account, Kind.EARN, 100, "order:1:1")
    sql("SET CONSTRAINTS ALL IMMEDIATE")

    with pytest.raises(IntegrityError, match="never changed or deleted"):
        sql(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE loyalty_account SET balance = balance + 1",
        "INSERT INTO loyalty_account (store_id, customer_id, balance, created_at) SELECT store_id, id, 5, now() FROM orders_customer WHERE first_name = 'New'",
    ],
)
def test_the_database_refuses_a_balance_without_an_entry(store, account, statement):
    make_customer(store, first_name="New")

    with pytest.raises(IntegrityError, match="only by posting an entry"):
        sql(statement)


@pytest.mark.parametrize(
    "statement",
    [
        """INSERT INTO loyalty_ledgerentry
           (store_id, account_id, number, kind, points, pending, shortfall, balance_after, cause, rule, note, created_at)
           SELECT store_id, id, 2, 'adjust', 10, 0, 0, 110, 'sql', '{}', '', now() FROM loyalty_account""",
        "INSERT INTO loyalty_lot (store_id, account_id, entry_id, granted, remaining) SELECT store_id, account_id, id, 5, 5 FROM loyalty_ledgerentry",
        "INSERT INTO loyalty_allocation (entry_id, lot_id, points) SELECT entry_id, id, 1 FROM loyalty_lot",
        "UPDATE loyalty_lot SET remaining = remaining - 1",
        "UPDATE loyalty_lot SET granted = 1000, remaining = 1000",
        "UPDATE loyalty_lot SET released_at = NULL",
    ],
)
def test_the_database_lets_points_move_by_its_own_functions_alone(account, statement):
    ledger.post(account, Kind.EARN, 100, "order:1:1")
    sql("SET CONSTRAINTS ALL IMMEDIATE")

    with pytest.raises(IntegrityError, match="only by posting"):
        sql(statement)


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        ("UPDATE loyalty_lot SET remaining = -1", "lot_not_overdrawn"),
        ("UPDATE loyalty_lot SET remaining = granted + 1", "lot_not_overdrawn"),
        ("UPDATE loyalty_account SET pending = -1", "account_pending_not_negative"),
        ("DELETE FROM loyalty_lot", "never deleted"),
        ("DELETE FROM loyalty_account", "never deleted"),
        ("TRUNCATE loyalty_account CASCADE", "never"),
        ("DELETE FROM loyalty_allocation", "never changed or deleted"),
        ("UPDATE loyalty_allocation SET points = 1", "never changed or deleted"),
    ],
)
def test_not_even_the_functions_may_overdraw_or_forget(account, statement, refusal):
    ledger.post(account, Kind.EARN, 100, "order:1:1")
    sql("SET CONSTRAINTS ALL IMMEDIATE")

    with pytest.raises(IntegrityError, match=refusal), transaction.atomic():
        sql("SET LOCAL postpurchase.posting = 'on'")
        sql(statement)


def test_a_whole_store_can_be_erased_when_it_is_meant(store, account):
    make_program(store)
    order = make_order(store, account.customer)
    ledger.post_many([Posting(account.pk, Kind.EARN, 100, "order:1:1", order_id=order.pk)])
    kept = make_account(make_customer(make_store()), 50)

    with pytest.raises(IntegrityError, match="never changed or deleted"), transaction.atomic():
        store.delete()
    with ledger.erasing():
        store.delete()

    assert list(LedgerEntry.objects.values_list("account", flat=True)) == [kept.pk]
    with pytest.raises(IntegrityError, match="never changed or deleted"):
        sql("DELETE FROM loyalty_ledgerentry")


def in_threads(count, function):
    """Run the function so many times at once, each on a connection of its own; returns what they returned or raised."""
    results, gate = [], threading.Barrier(count)

    def run(number):
        try:
            gate.wait()
            results.append(function(number))
        except Exception as error:
            results.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.django_db(transaction=True)
def test_many_at_once_spend_no_more_than_there_is():
    account = make_account(make_customer(make_store()), 1000)

    results = in_threads(24, lambda number: ledger.post(account, Kind.REDEEM, -100, f"coupon:{number}"))

    assert sum(isinstance(result, LedgerEntry) for result in results) == 10
    assert sum(isinstance(result, ledger.InsufficientPoints) for result in results) == 14
    assert balance(account) == 0


@pytest.mark.django_db(transaction=True)
def test_the_same_cause_at_once_posts_once():
    account = make_account(make_customer(make_store()), 1000)

    results = in_threads(12, lambda number: ledger.post(account, Kind.REDEEM, -100, "coupon:TEA").pk)

    assert len(set(results)) == 1
    assert balance(account) == 900


@pytest.mark.django_db(transaction=True)
def test_batches_in_opposite_orders_do_not_wait_for_each_other():
    store = make_store()
    accounts = [make_account(make_customer(store)) for _ in range(30)]

    def post(number):
        for round in range(10):
            order = accounts if number % 2 else accounts[::-1]
            ledger.post_many([Posting(a.pk, Kind.EARN, 1, f"batch:{number}:{round}") for a in order])

    results = in_threads(8, post)

    assert results == [None] * 8
    assert set(Account.objects.values_list("balance", flat=True)) == {80}
    assert LedgerEntry.objects.aggregate(sum=Sum("points"))["sum"] == 80 * 30


def test_a_programme_needs_a_positive_rate(store):
    with pytest.raises(IntegrityError, match="program_rate_positive"), transaction.atomic():
        Program.objects.create(store=store, rate=0)
