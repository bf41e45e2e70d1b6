"""What a reward may ask for: points that the customer chooses, a tier, so many for each."""

from datetime import datetime
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from crm.woocommerce.models import Push
from loyalty import redeeming, rewards
from loyalty.models import Account, Program, Reward
from tests.factories import make_reward, make_store, make_tier

from .taking import balance, nothing_happened, redeem

pytestmark = pytest.mark.django_db


@pytest.fixture
def exchange(store):
    """₹10 for each 100 points."""
    return make_reward(store, 100, kind="exchange", amount=Decimal(10), fewest=50, most=200, step=25)


@pytest.mark.parametrize(("points", "money"), [(50, "5"), (75, "7.5"), (200, "20")])
def test_who_chooses_the_points_gets_so_much_money_off(account, exchange, points, money):
    redemption = redeem(account, exchange, points=points)

    assert (redemption.points, redemption.entry.points, balance(account)) == (points, -points, 250 - points)
    assert (Push.objects.get().payload["amount"], redemption.terms["kind"]) == (money, "money")


@pytest.mark.parametrize("points", [None, 0, 25, 49, 60, 225, 10**12])
def test_a_choice_below_between_or_above_the_steps_is_refused(account, exchange, points):
    with pytest.raises(redeeming.NotOffered, match="Choose between 50 and 200 points, in steps of 25."):
        redeem(account, exchange, points=points)

    assert nothing_happened(account)


def test_a_choice_above_the_balance_is_refused(account):
    reward = make_reward(account.store, 100, kind="exchange", amount=10)

    with pytest.raises(redeeming.NotEnough, match="You have 250 points; this costs 300."):
        redeem(account, reward, points=300)

    assert nothing_happened(account)


@pytest.mark.parametrize(("currency", "money"), [("JPY", "3"), ("EUR", "3.33"), ("KWD", "3.333")])
def test_money_is_rounded_down_to_what_the_currency_has(account, currency, money):
    account.store.currency = currency
    account.store.save(update_fields=["currency"])
    reward = make_reward(account.store, 300, kind="exchange", amount=10, fewest=100, step=1)

    assert redeem(account, reward, points=100).terms["amount"] == money


def test_other_rewards_have_one_price(account, reward):
    with pytest.raises(redeeming.NotOffered, match="This reward costs 100 points."):
        redeem(account, reward, points=99)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "money", "fewest": 10},
        {"kind": "percent", "amount": 101},
        {"kind": "exchange", "fewest": 200, "most": 199},
        {"kind": "exchange", "most": 99},
        {"kind": "exchange", "step": 0},
        {"kind": "exchange", "amount": None},
        {"points": 0},
    ],
)
def test_the_database_refuses_rewards_that_make_no_sense(store, fields):
    with pytest.raises(IntegrityError), transaction.atomic():
        make_reward(store, **{"points": 100} | fields)


def test_a_tier_opens_a_reward_from_itself_on(account):
    program = Program.objects.get()
    silver, gold, ruby = (make_tier(program, name, n, key=name) for n, name in enumerate(["silver", "gold", "ruby"]))
    reward = make_reward(account.store, 10, tier=gold)

    def state_in(tier):
        Account.objects.update(tier=tier)
        account.refresh_from_db()
        try:
            redeem(account, reward)
        except redeeming.OtherTier as error:
            assert str(error) == "This reward is for members from the tier gold on."
        return rewards.offers(account.store, account, datetime.fromisoformat("2026-06-01T00:00:00+00:00"))[0].state

    assert [state_in(key) for key in ("", silver.key, "gone", gold.key, ruby.key)] == ["tier"] * 3 + ["ready"] * 2
    assert balance(account) == 230


def test_a_tier_of_another_store_is_refused_in_the_form(store):
    from tests.factories import make_program

    tier = make_tier(make_program(make_store()), "gold", 1, key="gold")

    with pytest.raises(ValidationError, match="another store"):
        Reward(store=store, kind="money", amount=1, points=1, tier=tier).full_clean()


def test_a_years_limit_begins_anew_with_the_year_of_the_stores_calendar(account):
    reward = make_reward(account.store, 10, per_year=1)
    # In Kolkata the new year begins half past six in the evening of Greenwich.
    last, late, new = (datetime.fromisoformat(f"2026-12-31T{time}:00+00:00") for time in ("10:00", "18:29", "18:30"))
    redeem(account, reward, at=last)

    with pytest.raises(redeeming.LimitReached):
        redeem(account, reward, at=late)

    assert redeem(account, reward, at=new).points == 10
