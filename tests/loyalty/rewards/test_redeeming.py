"""Points become coupons of the shop: once for each form, whatever happens on the way."""

import re
import threading
import uuid
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone

from crm.woocommerce import push
from crm.woocommerce.models import Push
from crm.work import drain
from loyalty import codes, proof, redeeming, redemptions, rewards
from loyalty.models import LedgerEntry, Program, Redemption, Reward
from postpurchase.demo.web import Response
from tests.factories import (
    make_account,
    make_customer,
    make_member,
    make_program,
    make_reward,
    make_store,
)

from .taking import balance, nothing_happened, redeem

State = Redemption.State
pytestmark = pytest.mark.django_db


def test_points_entry_row_and_owed_coupon_are_made_together(account, reward):
    redemption = redeem(account, reward)

    row = Push.objects.get()
    assert (balance(account), redemption.state) == (150, "pending")
    assert (redemption.entry.points, redemption.entry.cause) == (-100, f"redemption:{redemption.pk}")
    assert (row.kind, row.key, row.customer) == ("coupon", f"redemption:{redemption.pk}", account.customer)
    assert (row.payload["code"], row.payload["usage_limit"]) == (redemption.code, 1)
    assert row.payload["email_restrictions"] == ["asha@mail.example"]
    assert row.payload["individual_use"] is True
    assert not list(proof.differences())


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"discount_type": "fixed_cart", "amount": "50", "free_shipping": False}),
        ({"kind": "percent", "amount": Decimal("12.5")}, {"discount_type": "percent", "amount": "12.5"}),
        ({"kind": "shipping", "amount": None}, {"amount": "0", "free_shipping": True}),
        ({"minimum_order": Decimal(500), "individual_use": False}, {"minimum_amount": "500", "individual_use": False}),
        ({"valid_days": None}, {"date_expires": None}),
    ],
)
def test_the_coupon_gives_what_the_reward_says(account, fields, expected):
    redeem(account, make_reward(account.store, **fields))

    assert expected.items() <= Push.objects.get().payload.items()


def test_a_code_lasts_to_the_end_of_a_day_by_the_shops_clock(account):
    redeem(account, make_reward(account.store, valid_days=30), at=datetime.fromisoformat("2026-12-01T20:00:00+00:00"))

    # In Kolkata it is the second of December already.
    assert Push.objects.get().payload["date_expires"] == "2027-01-01T23:59:59"


def test_codes_have_the_shops_letters_and_none_that_is_misread(store):
    made = {codes.new_code(store) for _number in range(500)}

    assert len(made) == 500
    assert all(re.fullmatch(r"MASA?A?-[2-9A-HJKMNP-Z]{5}-[2-9A-HJKMNP-Z]{5}", code) for code in made)


def test_the_same_key_is_the_same_redemption(account, reward):
    key = uuid.uuid4()

    assert redeem(account, reward, key=key) == redeem(account, reward, key=key)

    assert (balance(account), Push.objects.count()) == (150, 1)


def test_a_key_is_good_for_one_reward_alone(account, reward):
    key = uuid.uuid4()
    redeem(account, reward, key=key)

    with pytest.raises(redeeming.BadToken):
        redeem(account, make_reward(account.store, 10), key=key)

    assert balance(account) == 150


def _elsewhere(account, reward):
    other = make_store()
    return make_reward(other)


def _leave(account, reward):
    make_member(account.customer, left_at=timezone.now() + timedelta(days=400), left_by="portal",
                points_until=timezone.now() + timedelta(days=500), joined_at=timezone.now() - timedelta(days=1))  # fmt: skip


def _pause(account, reward):
    Program.objects.update(active=False)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"points": 251}, redeeming.NotEnough),
        ({"active": False}, redeeming.NotOffered),
        ({"available_from": timezone.now() + timedelta(days=1)}, redeeming.NotOffered),
        ({"available_until": timezone.now() - timedelta(days=1)}, redeeming.NotOffered),
        ({"stock": 0}, redeeming.SoldOut),
        (_elsewhere, redeeming.NotOffered),
        (_leave, redeeming.NotAllowed),
        (_pause, redeeming.Paused),
    ],
)
def test_what_cannot_be_says_why_and_changes_nothing(account, reward, change, error):
    if callable(change):
        reward = change(account, reward) or reward
    else:
        Reward.objects.filter(pk=reward.pk).update(**change)

    with pytest.raises(error):
        redeem(account, reward)

    assert nothing_happened(account)


@pytest.mark.parametrize("change", [{"points": 90}, {"amount": 40}, {"valid_days": 10}])
def test_what_the_customer_did_not_see_is_not_sold(account, reward, change):
    seen = rewards.version(reward)
    Reward.objects.filter(pk=reward.pk).update(**change)

    with pytest.raises(redeeming.Changed):
        redeem(account, reward, seen=seen)

    assert nothing_happened(account)


@pytest.mark.parametrize("email", ["", "आशा@mail.example"])
def test_a_code_is_never_open_to_everybody(store, reward, email):
    account = make_account(make_customer(store, email=email), 250)

    with pytest.raises(redeeming.NoAddress):
        redeem(account, reward)

    assert nothing_happened(account)


def test_a_limit_counts_what_was_taken_and_not_what_failed(account):
    reward = make_reward(account.store, 100, per_customer=1)
    first = redeem(account, reward)
    with pytest.raises(redeeming.LimitReached):
        redeem(account, reward)

    push.withdraw(Push.objects.get(), timezone.now())

    assert Redemption.objects.get(pk=first.pk).state == State.FAILED
    assert redeem(account, reward).state == State.PENDING


def test_stock_goes_down_and_comes_back(account):
    reward = make_reward(account.store, 100, stock=1)
    redeem(account, reward)
    with pytest.raises(redeeming.SoldOut):
        redeem(account, reward)

    push.withdraw(Push.objects.get(), timezone.now())

    reward.refresh_from_db()
    assert (reward.stock, balance(account)) == (1, 250)


def test_the_shop_makes_the_coupon_and_the_code_comes_by_mail(at_shop, shop):
    redemption = redeem(at_shop, make_reward(at_shop.store))

    drain.drain_all()

    redemption.refresh_from_db()
    made = [row for row in shop.shop.rows["coupons"].values() if row["code"] == redemption.code.lower()]
    assert redemption.state == State.READY
    assert [(row["usage_limit"], row["email_restrictions"]) for row in made] == [(1, ["asha@mail.example"])]
    assert [sent.to for sent in mail.outbox] == [["asha@mail.example"]]
    assert redemption.code in mail.outbox[0].body
    assert "50.00 off" in mail.outbox[0].subject


def test_a_shop_that_is_down_costs_no_points_and_the_code_comes_later(at_shop, shop):
    shop.faults.append(lambda request, response: Response(503, b""))
    redemption = redeem(at_shop, make_reward(at_shop.store))
    drain.drain_all()
    redemption.refresh_from_db()
    assert (redemption.state, balance(at_shop), mail.outbox) == (State.PENDING, 150, [])

    shop.faults.clear()
    drain.drain_all(at=timezone.now() + timedelta(hours=1))

    redemption.refresh_from_db()
    assert (redemption.state, balance(at_shop), len(mail.outbox)) == (State.READY, 150, 1)


def test_what_the_shop_refuses_gives_the_points_back_and_says_so(at_shop, shop):
    redemption = redeem(at_shop, make_reward(at_shop.store))
    shop.faults.append(lambda request, response: Response(422, b"{}") if request.method == "POST" else None)

    drain.drain_all()

    redemption.refresh_from_db()
    assert (redemption.state, balance(at_shop)) == (State.FAILED, 250)
    assert redemption.returned.kind == LedgerEntry.Kind.RETURN
    assert mail.outbox[0].subject == "Your points are back"
    assert "100 points are back on your account" in mail.outbox[0].body
    assert not list(proof.differences())


def test_a_coupon_that_comes_after_the_points_is_taken_away(account, reward):
    redemption = redeem(account, reward)
    row = Push.objects.get()
    push.withdraw(row, timezone.now())

    row.refresh_from_db()
    redemptions.confirmed(row)

    removal = Push.objects.get(kind="coupon_removal")
    assert removal.payload == {"code": redemption.code}
    assert balance(account) == 250


def test_other_coupons_are_none_of_its_business(account, reward):
    redemption = redeem(account, reward)
    stranger = push.queue(account.store, "coupon", "api:1", {"code": "TEN", "discount_type": "percent", "amount": "10"})

    redemptions.confirmed(stranger)

    redemption.refresh_from_db()
    assert redemption.state == State.PENDING


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("same_key", [True, False])
def test_however_many_ask_at_once_points_are_spent_once(same_key):
    store = make_store()
    make_program(store)
    account, reward = make_account(make_customer(store), 300), make_reward(store, 100)
    key, begin, answers = uuid.uuid4(), threading.Barrier(16), []

    def ask():
        try:
            begin.wait(20)
            answers.append(redeem(account, reward, key=key if same_key else uuid.uuid4()).pk)
        except redeeming.NotEnough:
            answers.append(None)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    made = {pk for pk in answers if pk}
    assert len(answers) == 16
    assert len(made) == Redemption.objects.count() == Push.objects.count() == (1 if same_key else 3)
    assert balance(account) == (200 if same_key else 0)
    assert not list(proof.differences())
