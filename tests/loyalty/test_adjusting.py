"""Staff correct balances: at once up to a limit, beyond it with a second person."""

import uuid
from datetime import timedelta

import pytest
from django.db import IntegrityError, connections, transaction

from crm.orders import erasing
from crm.orders.customers import join_guest
from crm.work import drain
from loyalty import adjusting, ledger, proof
from loyalty.models import Account, Adjustment, LedgerEntry
from tests.factories import (
    NOW,
    make_account,
    make_api_key,
    make_customer,
    make_guest,
    make_program,
    make_staff,
    make_store,
)
from tests.loyalty.test_ledger import in_threads

pytestmark = pytest.mark.django_db
State = Adjustment.State


@pytest.fixture
def program(store):
    return make_program(store, adjust_limit=100)


@pytest.fixture
def account(store, program):
    return make_account(make_customer(store), 1000)


@pytest.fixture
def asker(store):
    return make_staff(store)


@pytest.fixture
def other(store):
    return make_staff(store)


def balance():
    return Account.objects.get().balance


def test_within_the_limit_it_is_posted_at_once_with_its_reason(account, asker):
    adjustment = ledger.adjust(account, -60, "A mistake", asker, at=NOW)

    assert (adjustment.state, balance()) == (State.POSTED, 940)
    assert (adjustment.entry.note, adjustment.entry.created_by) == ("A mistake", asker)


@pytest.mark.parametrize("points", [101, -101])
def test_beyond_the_limit_it_waits_for_another_person(account, asker, other, points):
    adjustment = ledger.adjust(account, points, "Generous", asker, at=NOW)
    assert (adjustment.state, adjustment.entry, balance()) == (State.WAITING, None, 1000)

    with pytest.raises(adjusting.NotYours):
        adjusting.approve(adjustment, asker)
    approved = adjusting.approve(adjustment, other)

    assert (approved.state, balance()) == (State.POSTED, 1000 + points)
    with pytest.raises(adjusting.AlreadyDecided):
        adjusting.approve(adjustment, other)


def test_who_holds_a_programs_key_cant_approve_what_it_asks_for(store, account, asker, other):
    key, _secret = make_api_key(store, to=asker)
    first, second = (ledger.adjust(account, 101, "Generous", key, at=NOW) for _ in range(2))

    with pytest.raises(adjusting.NotYours):
        adjusting.approve(first, asker)
    assert adjusting.refuse(first, asker).decided_by is None
    assert adjusting.approve(second, other).state == State.POSTED


def test_a_persons_keys_share_the_persons_limit(store, account, asker, other):
    keys = [make_api_key(store, to=person)[0] for person in (asker, asker, other)]

    states = [ledger.adjust(account, 60, "Bit", by, at=NOW).state for by in (keys[0], keys[1], asker, keys[2])]

    assert states == [State.POSTED, State.WAITING, State.WAITING, State.POSTED]


def test_many_small_ones_count_together_for_a_day(account, asker, other):
    states = [ledger.adjust(account, points, "Bit", asker, at=NOW).state for points in (60, -30, 20)]
    assert states == [State.POSTED, State.POSTED, State.WAITING]

    assert ledger.adjust(account, 60, "Bit", other, at=NOW).state == State.POSTED
    assert ledger.adjust(account, 60, "Bit", asker, at=NOW + timedelta(days=1, seconds=1)).state == State.POSTED


def test_what_was_approved_uses_nobodys_limit(account, asker, other):
    adjusting.approve(ledger.adjust(account, 500, "Generous", asker, at=NOW), other)

    assert ledger.adjust(account, 100, "Bit", asker, at=NOW).state == State.POSTED


def test_without_a_limit_everything_is_posted(account, asker, program):
    program.adjust_limit = None
    program.save()

    assert ledger.adjust(account, 10**6, "Generous", asker).state == State.POSTED


def test_a_refused_one_posts_nothing_and_who_asked_may_withdraw(account, asker, other):
    refused = adjusting.refuse(ledger.adjust(account, 500, "Generous", asker), other)
    withdrawn = adjusting.refuse(ledger.adjust(account, 500, "Generous", asker), asker)

    assert (refused.state, refused.decided_by) == (State.REFUSED, other)
    assert (withdrawn.state, withdrawn.decided_by) == (State.REFUSED, None)
    assert balance() == 1000


def test_the_same_attempt_is_answered_alike(account, asker, other):
    key = uuid.uuid4()
    first = ledger.adjust(account, 50, "Gift", asker, key=key)

    assert ledger.adjust(account, 50, "Gift", asker, key=key) == first
    with pytest.raises(adjusting.SentBefore):
        ledger.adjust(account, 60, "Gift", asker, key=key)
    with pytest.raises(adjusting.SentBefore):
        ledger.adjust(account, 50, "Gift", other, key=key)
    assert balance() == 1050


def test_what_was_asked_for_a_guest_goes_to_the_customer_the_guest_became(store, program, asker, other):
    guest, customer = make_guest(store, email="asha@mail.example"), make_customer(store, email="asha@mail.example")
    adjustment = ledger.adjust(make_account(guest), 500, "Generous", asker, at=NOW)
    join_guest(store, guest.email, NOW)
    drain.drain_all()

    adjusting.approve(adjustment, other)

    assert [(row.customer, row.balance) for row in Account.objects.order_by("balance")] == [(guest, 0), (customer, 500)]


def test_more_than_there_is_cannot_be_taken(account, asker, program, other):
    program.adjust_limit = None
    program.save()
    with pytest.raises(ledger.InsufficientPoints):
        ledger.adjust(account, -1001, "Too much", asker)
    assert not Adjustment.objects.exists()


def test_an_approval_that_is_too_late_leaves_it_waiting(account, asker, other):
    adjustment = ledger.adjust(account, -900, "Fraud", asker)
    ledger.redeem(account, 500, "coupon:TEA")

    with pytest.raises(ledger.InsufficientPoints):
        adjusting.approve(adjustment, other)

    adjustment.refresh_from_db()
    assert (adjustment.state, balance()) == (State.WAITING, 500)


def test_the_database_wants_a_second_person(account, asker):
    adjustment = ledger.adjust(account, 500, "Generous", asker)

    with pytest.raises(IntegrityError, match="adjustment_second_person"), transaction.atomic():
        Adjustment.objects.filter(pk=adjustment.pk).update(decided_by=asker)


@pytest.mark.django_db(transaction=True)
def test_many_at_once_find_the_limit_once():
    store = make_store()
    make_program(store, adjust_limit=100)
    account, asker = make_account(make_customer(store)), make_staff(store)

    results = in_threads(8, lambda n: ledger.adjust(account, 60, "Bit", asker).state)

    assert sorted(results) == [State.POSTED] + [State.WAITING] * 7
    connections.close_all()


def decide(client, adjustment, decision):
    return client.post(f"/admin/loyalty/adjustment/{adjustment.pk}/decide/", {"decision": decision}, follow=True)


def test_another_owner_approves_in_admin(client, account, asker, other):
    client.force_login(asker)
    page = f"/admin/loyalty/account/{account.pk}/adjust/"
    answer = client.post(page, {"points": 500, "reason": "Generous", "cause": uuid.uuid4()}, follow=True)
    assert "waits until another owner approves it" in answer.content.decode()
    adjustment = Adjustment.objects.get()
    assert "You can withdraw it" in client.get(f"/admin/loyalty/adjustment/{adjustment.pk}/decide/").content.decode()
    assert "another owner has to" in decide(client, adjustment, "approve").content.decode()
    assert balance() == 1000

    client.force_login(other)
    shown = client.get(f"/admin/loyalty/adjustment/{adjustment.pk}/decide/").content.decode()
    assert "Generous" in shown and "Approve" in shown
    assert balance() == 1000
    assert "the balance is 1,500 points now" in decide(client, adjustment, "approve").content.decode()

    assert "Posted" in decide(client, adjustment, "approve").content.decode()
    assert LedgerEntry.objects.filter(points=500).count() == 1


def test_a_refusal_in_admin_posts_nothing(client, account, asker, other):
    adjustment = ledger.adjust(account, 500, "Generous", asker)
    client.force_login(other)

    assert "Nothing was posted" in decide(client, adjustment, "refuse").content.decode()
    assert balance() == 1000


def test_the_list_costs_a_constant_number_of_queries(client, account, asker, django_assert_max_num_queries):
    for _ in range(20):
        ledger.adjust(account, 500, "Generous", asker)
    client.force_login(asker)

    with django_assert_max_num_queries(20):
        client.get("/admin/loyalty/adjustment/")


def test_erasing_a_person_empties_the_reasons_and_leaves_the_books(store, account, asker):
    neighbour = make_account(make_customer(store), 10)
    for one, reason in ((account, "Sorry, Asha"), (neighbour, "Thanks, Ravi")):
        adjusting.adjust(one, 50, reason, asker)
    waiting = adjusting.adjust(account, 500, "Asha's cup broke", asker)
    before = list(LedgerEntry.objects.order_by("pk").values_list("points", "cause", "balance_after"))

    for found in ({"Reasons of points": 3}, {}):
        account.customer.refresh_from_db()
        erasure = erasing.erase(erasing.of_customer(account.customer, NOW))
        assert {name: count for name, count in erasure.found.items() if name == "Reasons of points"} == found

    assert sorted(filter(None, LedgerEntry.objects.values_list("note", flat=True))) == ["Thanks, Ravi"]
    assert sorted(Adjustment.objects.values_list("reason", flat=True)) == ["", "", "Thanks, Ravi"]
    assert list(LedgerEntry.objects.order_by("pk").values_list("points", "cause", "balance_after")) == before
    assert proof.closes(store)
    # Somebody may still decide.
    assert adjusting.approve(waiting, make_staff(store)).entry.note == ""
