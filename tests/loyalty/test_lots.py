from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from crm.events.models import Event
from loyalty import ledger, proof
from loyalty.ledger import Kind, Posting
from loyalty.models import Account, LedgerEntry, Lot
from tests.factories import NOW, make_account, make_customer, make_guest, make_order, make_program, make_store

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def account(store):
    return make_account(make_customer(store))


@pytest.fixture(autouse=True)
def the_books_close(db):
    yield
    assert list(proof.differences()) == []


def held(account):
    """(balance, pending) of an account."""
    return Account.objects.values_list("balance", "pending").get(pk=account.pk)


def left(account):
    return list(Lot.objects.filter(account=account).order_by("pk").values_list("remaining", flat=True))


def test_the_soonest_to_expire_is_spent_first_then_the_oldest(account):
    ledger.earn(account, 10, "forever")
    ledger.earn(account, 10, "later", expires_at=NOW + 60 * DAY)
    ledger.earn(account, 10, "soon", expires_at=NOW + 30 * DAY)
    ledger.earn(account, 10, "soon too", expires_at=NOW + 30 * DAY)

    entry = ledger.redeem(account, 25, "coupon:TEA", at=NOW)

    assert left(account) == [10, 5, 0, 0]
    assert list(entry.allocations.order_by("pk").values_list("points", flat=True)) == [10, 10, 5]


def test_pending_points_are_not_spent(account):
    entry = ledger.earn(account, 100, "order:1", available_from=NOW + DAY, at=NOW)

    assert (entry.points, entry.pending, entry.balance_after, entry.moved) == (0, 100, 0, 100)
    assert held(account) == (0, 100)
    with pytest.raises(ledger.InsufficientPoints):
        ledger.redeem(account, 1, "coupon:TEA", at=NOW)


def test_pending_points_are_released_on_their_day_once(store, account, django_assert_num_queries):
    order = make_order(store, account.customer)
    ledger.earn(account, 100, "order:1", order=order, available_from=NOW + DAY, at=NOW)
    ledger.earn(account, 10, "order:2", available_from=NOW + 2 * DAY, at=NOW)
    ledger.post(account, Kind.EARN, 1, "order:3", pending=True)  # nobody knows when

    assert ledger.release(store, NOW) == 0
    with django_assert_num_queries(1):  # the release and its events
        assert ledger.release(store, NOW + DAY) == 1
    assert ledger.release(store, NOW + DAY) == 0

    assert held(account) == (100, 11)
    entry = LedgerEntry.objects.get(kind="release")
    assert (entry.points, entry.pending, entry.moved, entry.order) == (100, -100, 100, order)
    event = Event.objects.get(type="points.released")
    assert (event.customer, event.order, event.data) == (account.customer, order, {"points": 100, "balance": 100})


def test_another_stores_points_are_not_released(account):
    ledger.earn(account, 100, "order:1", available_from=NOW + DAY, at=NOW)

    assert ledger.release(make_store(), NOW + DAY) == 0


def test_a_reversal_takes_from_its_own_order_first_and_there_what_is_pending(store, account):
    order = make_order(store, account.customer)
    ledger.earn(account, 50, "gift", expires_at=NOW + DAY)
    ledger.earn(account, 30, "order:1:1", order=order)
    ledger.earn(account, 20, "order:1:2", order=order, available_from=NOW + DAY, at=NOW)

    entry = ledger.post(account, Kind.REVERSE, -40, "order:1:3", order_id=order.pk)

    assert (entry.points, entry.pending, entry.shortfall) == (-20, -20, 0)
    assert left(account) == [50, 10, 0]
    assert Account.objects.get().earned == 60


def test_a_reversal_of_spent_points_takes_others_and_keeps_the_rest_in_view(store, account):
    order = make_order(store, account.customer)
    ledger.earn(account, 100, "order:1:1", order=order)
    ledger.redeem(account, 100, "coupon:TEA")
    ledger.earn(account, 30, "gift")

    entry = ledger.post(account, Kind.REVERSE, -100, "order:1:2", order_id=order.pk)

    assert (entry.points, entry.shortfall) == (-30, 70)
    assert Account.objects.get().earned == 30


def test_a_debt_is_paid_by_what_comes_in(store, account):
    make_program(store, negative_balance=True)
    ledger.earn(account, 100, "order:1:1")
    ledger.redeem(account, 100, "coupon:TEA")
    ledger.post(account, Kind.REVERSE, -100, "order:1:2")
    assert held(account) == (-100, 0)

    ledger.earn(account, 30, "gift")
    ledger.post_many([Posting(account.pk, Kind.EARN, 20, f"gifts:{n}") for n in range(4)])

    assert held(account) == (10, 0)
    assert left(account) == [0, 0, 0, 0, 0, 10]


def test_a_debt_is_paid_by_what_is_released(store, account):
    make_program(store, negative_balance=True)
    ledger.post(account, Kind.ADJUST, -100, "mistake")
    for n in range(3):
        ledger.earn(account, 60, f"order:{n}", available_from=NOW + DAY, at=NOW)

    ledger.release(store, NOW + DAY)

    assert held(account) == (80, 0)
    assert left(account) == [0, 20, 60]


def test_what_was_spent_goes_back_to_its_lots(account):
    ledger.earn(account, 10, "soon", expires_at=NOW + 10 * DAY)
    ledger.earn(account, 10, "later", expires_at=NOW + 20 * DAY)
    spent = ledger.redeem(account, 15, "coupon:TEA", at=NOW)

    part = ledger.give_back(spent, "coupon:TEA:1", points=7, at=NOW)
    again = ledger.give_back(spent, "coupon:TEA:1", points=7, at=NOW)
    assert left(account) == [2, 10]
    rest = ledger.give_back(spent, "coupon:TEA:2", at=NOW)

    assert part == again
    assert (part.points, rest.points, rest.reverses) == (7, 8, spent)
    assert left(account) == [10, 10]
    assert set(Lot.objects.values_list("expires_at", flat=True)) == {NOW + 10 * DAY, NOW + 20 * DAY}
    assert Event.objects.filter(type="points.returned").count() == 2


def test_no_more_goes_back_than_was_spent(account):
    ledger.earn(account, 10, "gift")
    spent = ledger.redeem(account, 5, "coupon:TEA")
    ledger.give_back(spent, "coupon:TEA:1")

    with pytest.raises(ValueError, match="0 points"):
        ledger.give_back(spent, "coupon:TEA:2")
    with pytest.raises(IntegrityError, match="no 1 points to give back"), transaction.atomic():
        ledger.give_back(spent, "coupon:TEA:3", points=1)


def test_what_goes_back_to_an_expired_lot_can_be_spent_for_a_while(store, account):
    ledger.earn(account, 10, "soon", expires_at=NOW + DAY, at=NOW)
    spent = ledger.redeem(account, 6, "coupon:TEA", at=NOW)
    assert ledger.expire(store, NOW + DAY) == 1
    assert held(account) == (0, 0)

    ledger.give_back(spent, "coupon:TEA:1", at=NOW + 2 * DAY)

    assert held(account) == (6, 0)
    assert Lot.objects.get().expires_at == NOW + 32 * DAY
    assert ledger.expire(store, NOW + 31 * DAY) == 0
    assert ledger.expire(store, NOW + 32 * DAY) == 1
    assert held(account) == (0, 0)


def test_points_of_a_cancelled_order_do_not_come_back_by_handing_in_the_code(store, account):
    order = make_order(store, account.customer)
    ledger.earn(account, 100, "order:1:1", order=order)
    ledger.earn(account, 50, "gift")
    spent = ledger.redeem(account, 120, "coupon:TEA")
    reversal = ledger.post(account, Kind.REVERSE, -100, f"order:{order.woo_id}:2", order_id=order.pk)
    assert reversal.shortfall == 70

    ledger.give_back(spent, "coupon:TEA:1")

    # 120 came back, 70 of them were owed.
    assert held(account) == (50, 0)
    assert sum(entry.shortfall for entry in account.entries.all()) == 0
    assert sum(entry.meant for entry in order.points_entries.all()) == 0


def test_lots_expire_once_and_only_on_their_day(store, account):
    ledger.earn(account, 10, "soon", expires_at=NOW + DAY, at=NOW)
    ledger.earn(account, 20, "later", expires_at=NOW + 2 * DAY, at=NOW)
    ledger.earn(account, 40, "pending", expires_at=NOW + DAY, available_from=NOW + 5 * DAY, at=NOW)

    assert [ledger.expire(store, NOW + n * DAY) for n in (0, 1, 1, 0, 3)] == [0, 1, 0, 0, 1]

    assert held(account) == (0, 40)
    assert list(LedgerEntry.objects.filter(kind="expire").order_by("pk").values_list("points", "order")) == [
        (-10, None),
        (-20, None),
    ]
    assert Event.objects.filter(type="points.expired").count() == 2


def test_spared_accounts_keep_their_points(store, account):
    ledger.earn(account, 10, "soon", expires_at=NOW + DAY, at=NOW)

    assert ledger.expire(store, NOW + DAY, spare=[account.pk]) == 0
    assert ledger.expire(store, NOW + DAY) == 1


def test_a_joined_guests_lots_keep_their_days(store):
    guest, customer = make_guest(store), make_customer(store)
    order = make_order(store, guest)
    account = make_account(guest)
    ledger.earn(account, 100, "order:1:1", order=order, available_from=NOW + DAY, expires_at=NOW + 9 * DAY, at=NOW)
    ledger.earn(account, 20, "gift", expires_at=NOW + 5 * DAY)
    ledger.redeem(account, 5, "coupon:TEA")
    guest.joined_to = customer
    guest.save(update_fields=["joined_to"])

    ledger.join(store, [guest.pk])
    ledger.join(store, [guest.pk])

    assert held(account) == (0, 0)
    theirs = customer.accounts.get()
    assert held(theirs) == (15, 100)
    assert list(theirs.lots.order_by("pk").values_list("granted", "order", "available_from", "expires_at")) == [
        (100, order.pk, NOW + DAY, NOW + 9 * DAY),
        (15, None, None, NOW + 5 * DAY),
    ]
    # The order's points are where its refund looks for them.
    reversal = ledger.post(theirs, Kind.REVERSE, -100, "order:1:2", order_id=order.pk)
    assert (reversal.points, reversal.pending) == (0, -100)


def test_what_a_guest_spent_comes_back_to_the_customer(store):
    guest, customer = make_guest(store), make_customer(store)
    account = make_account(guest, 20)
    spent = ledger.redeem(account, 5, "coupon:TEA")
    guest.joined_to = customer
    guest.save(update_fields=["joined_to"])
    ledger.join(store, [guest.pk])

    ledger.give_back(spent, "coupon:TEA:1")

    assert held(account) == (0, 0)
    assert held(customer.accounts.get()) == (20, 0)


def test_a_second_unit_is_an_account_of_its_own(store, account):
    credit = Account.objects.create(store=store, customer=account.customer, unit="INR")
    ledger.earn(credit, 500, "gift card")

    assert (held(account), held(credit)) == ((0, 0), (500, 0))
    with pytest.raises(IntegrityError, match="account_once_per_unit"), transaction.atomic():
        Account.objects.create(store=store, customer=account.customer)


def test_a_posting_for_nobody_is_an_error(account):
    with pytest.raises(Exception, match="no rows"), transaction.atomic():
        ledger.post(Account(pk=10**9), Kind.EARN, 1, "gift")


@pytest.mark.parametrize("points", [0, -5])
def test_only_points_can_be_spent(account, points):
    with pytest.raises(ValueError, match="can't be spent"):
        ledger.redeem(account, points, "coupon:TEA")
