"""News that comes late, twice or to somebody who became somebody else takes and gives neither too much nor too little."""

import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.work import drain
from loyalty import gifts, proof, redemptions
from loyalty.models import Account, LedgerEntry, Redemption
from tests.factories import make_account, make_credit, make_customer, make_program, make_reward, make_store
from tests.loyalty.credit import making

from . import test_gifts, test_parts
from .taking import balance, redeem
from .test_following import State, change, ready, state

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
def test_who_waited_for_the_account_follows_what_the_order_is_by_then():
    store = make_store()
    make_program(store)
    account = make_account(make_customer(store), 250)
    redemption = redeem(account, make_reward(store, 100))
    Redemption.objects.update(state=State.READY)
    order = test_parts.order_with(redemption)
    redemptions.follow(store, [order.pk])
    test_parts.refund(order, "20", ("Cup", 1, "20"))

    def late():
        try:
            redemptions.follow(store, [order.pk])
        finally:
            connections.close_all()

    thread = threading.Thread(target=late)
    with transaction.atomic():
        Account.objects.select_for_update(no_key=True).get(pk=account.pk)
        thread.start()
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
        with connection.cursor() as cursor:
            while not cursor.execute(waits).fetchone()[0]:
                assert thread.is_alive()
                cursor.execute("SELECT pg_sleep(0.01)")
        change(order, status="cancelled", is_paid=False)
    thread.join()

    assert (state(redemption), redemption.order, balance(account)) == (State.READY, None, 150)


@pytest.mark.parametrize("unit", ["points", "credit"])
def test_an_undone_refund_is_taken_from_the_customer_whom_the_guest_became(account, unit):
    if unit == "credit":
        account = make_credit(account.customer, 10000)
        redemption = making.ready(account, "100")
        order = test_parts.order_with(redemption, discount="100")
    else:
        redemption = ready(account)
        order = test_parts.order_with(redemption)
    had, whole = balance(account), redemption.points
    guest, registered = account.customer, make_customer(account.store)
    test_parts.follow(order)
    type(guest).objects.filter(pk=guest.pk).update(joined_to=registered)
    for _time in range(2):
        cup = test_parts.refund(order, "20", ("Cup", 1, "20"))
        test_parts.follow(order)
        theirs = Account.objects.get(customer=registered, unit=account.unit)
        assert (balance(account), theirs.balance) == (0, had + whole // 2)
        cup.delete()
        test_parts.follow(order)
        redemption.refresh_from_db()
        assert (balance(account), balance(theirs), redemption.returned) == (0, had, None)
        assert redemptions.came_back(redemption) == 0

    # The person registers anew: what was taken again from the first account is known of the second one, too.
    second = make_customer(account.store)
    type(guest).objects.filter(pk__in=[guest.pk, registered.pk]).update(joined_to=second)
    order.status = "refunded"
    order.save()
    test_parts.follow(order)
    assert Account.objects.get(customer=second, unit=account.unit).balance == had + whole


def test_given_back_on_the_day_on_which_it_was_given_back(account):
    redemption = ready(account)
    order = test_parts.order_with(redemption)
    refunds = [test_parts.refund(order, "30", ("Chai", 1, "30")) for _time in range(2)]
    test_parts.follow(order)
    refunds[0].delete()
    test_parts.follow(order)

    redemption.refresh_from_db()
    assert redemption.returned.kind == LedgerEntry.Kind.RETURN
    assert redemptions.came_back(redemption) == 25


@pytest.mark.parametrize("comes_back", [True, False])
def test_what_is_not_back_when_an_order_comes_to_nothing_after_the_last_day_comes_back_if_the_reward_says_so(
    account, comes_back
):
    redemption = ready(account, returns_expired=comes_back)
    order = test_parts.order_with(redemption)
    test_parts.refund(order, "20", ("Cup", 1, "20"))
    test_parts.follow(order)
    Redemption.objects.update(expires_at=timezone.now() - timedelta(days=1))

    test_parts.change(order, status="cancelled", is_paid=False)
    assert (state(redemption), balance(account)) == (State.RETURNING if comes_back else State.USED, 200)
    test_parts.change(order, status="processing", is_paid=True)
    assert redemption.order is None or not comes_back


def test_who_gets_the_rest_after_a_cancelled_order_is_told_of_that_order(at_shop, shop):
    redemption = ready(at_shop)
    order = test_parts.order_with(redemption)
    test_parts.refund(order, "20", ("Cup", 1, "20"))
    test_parts.follow(order)
    test_parts.change(order, status="cancelled", is_paid=False)
    drain.drain_all()

    assert (state(redemption), balance(at_shop)) == (State.RETURNED, 250)
    said = f"An order that you paid with the code {redemption.code} was cancelled. It does not work any more. 50 points"
    assert said in mail.outbox[-1].body
    assert not list(proof.differences())


def test_the_pages_of_a_card_ask_no_more_for_more_codes(account, visit, client):
    card = test_gifts.ready(account, "")
    address = gifts.url(card.gift)
    counts = []
    for number in range(3):
        code = [card, *card.rests.order_by("pk")][number]
        Redemption.objects.filter(pk=code.pk).update(state=State.READY)
        test_parts.follow(test_parts.order_with(code, discount="100"))
        for show in (lambda: visit(f"codes/{card.pk}/"), lambda: client.get(address)):
            with CaptureQueriesContext(connection) as asked:
                assert show().status_code == 200
            counts.append(len(asked))
    assert card.rests.count() == 3
    assert counts[2:] == [14, 10] * 2
