"""What can't be is refused alike on the page and over the API: each with its own words, and nothing is changed."""

import re
import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core import signing
from django.utils import timezone

from crm.events.models import Event
from loyalty import members, redeeming, rewards
from loyalty.models import Program, Redemption, Reward
from tests.factories import make_customer, make_reward, make_store

from .taking import balance, nothing_happened, token_on, words

pytestmark = pytest.mark.django_db


def stale_price(account, reward):
    Reward.objects.filter(pk=reward.pk).update(points=90)


def stale_worth(account, reward):
    Reward.objects.filter(pk=reward.pk).update(amount=49)


def above_the_balance(account, reward):
    Reward.objects.filter(pk=reward.pk).update(points=251)
    return {"seen": None}


def below_the_minimum(account, reward):
    Reward.objects.filter(pk=reward.pk).update(kind="exchange", fewest=200, step=1)
    return {"seen": None, "points": 199}


def of_another_store(account, reward):
    return {"reward": make_reward(make_store()), "seen": None}


def of_a_member_who_left(account, reward):
    members.leave(Program.objects.get(), account.customer, "portal", timezone.now())


def of_a_paused_programme(account, reward):
    Program.objects.update(active=False)


def sold_out(account, reward):
    Reward.objects.filter(pk=reward.pk).update(stock=0)


CASES = [
    (stale_price, "The shop has changed this reward since you saw it."),
    (stale_worth, "The shop has changed this reward since you saw it."),
    (above_the_balance, "You have 250 points; this costs 251."),
    (below_the_minimum, "Choose 200 points or more, in steps of 1."),
    (of_another_store, "This reward is not offered at the moment."),
    (of_a_member_who_left, "Only members can take a reward."),
    (of_a_paused_programme, "The points programme is paused."),
    (sold_out, "This reward is sold out."),
]


@pytest.mark.parametrize(("spoil", "said"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_bad_redemption_is_refused_on_the_page_and_over_the_api(visit, api_client, account, reward, spoil, said):
    seen = rewards.version(reward)
    asked = {"reward": reward, "points": None} | (spoil(account, reward) or {})
    wanted = asked["reward"]
    wanted.refresh_from_db()
    # What an honest page would have sent, were it not for what has changed.
    seen = rewards.version(wanted) if "seen" in asked else seen
    values = [account.store.pk, account.customer_id, wanted.pk, uuid.uuid4().hex, seen, asked["points"]]
    before = Event.objects.count()

    page = visit(f"{wanted.pk}/", token=signing.dumps(values, salt=redeeming._SALT))
    body = {"customer": account.customer_id, "reward": wanted.pk, "version": seen}
    if asked["points"]:
        body["points"] = asked["points"]
    answer = api_client(account.store).post("/api/v1/loyalty/redemptions/", body)

    assert page.status_code == 409
    assert re.sub(r"\s+", " ", said) in words(page)
    assert answer.status_code == 400
    assert said in answer.json()["errors"][0]["detail"]
    assert nothing_happened(account)
    assert Event.objects.count() == before
    assert Reward.objects.get(pk=wanted.pk).stock in (None, 0)


def test_a_forged_a_borrowed_an_old_and_a_reused_token_are_refused(visit, account, reward, monkeypatch):
    dear, stranger = make_reward(account.store, 240), make_customer(account.store)
    good = token_on(visit(f"{reward.pk}/"))
    payload, _stamp, signature = good.rsplit(":", 2)
    bad = {
        "none": "",
        "noise": "x" * 5000,
        "cut": good[:-1],
        "another signature": f"{payload}:{_stamp}:{signature[::-1]}",
        "another purpose": signing.dumps([account.store_id, account.customer_id, reward.pk], salt="other"),
        "somebody else's": redeeming.token(reward, stranger),
        "another reward's": redeeming.token(dear, account.customer),
    }
    with monkeypatch.context() as patch:
        patch.setattr(
            signing.time, "time", lambda now=signing.time.time: now() - timedelta(days=1, minutes=1).total_seconds()
        )
        bad["a day old"] = redeeming.token(reward, account.customer)

    answers = {name: visit(f"{reward.pk}/", token=token) for name, token in bad.items()}

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(bad, 400)
    assert all("Please choose the reward again." in words(answer) for answer in answers.values())
    assert nothing_happened(account)
    # The good one buys once, and once only.
    assert [visit(f"{reward.pk}/", token=good).status_code for _time in range(3)] == [302] * 3
    assert (balance(account), Redemption.objects.count()) == (150, 1)


def test_odd_numbers_are_refused_by_the_api(api_client, account):
    reward = make_reward(account.store, 100, kind="exchange", amount=Decimal(10))
    api = api_client(account.store)
    body = {"customer": account.customer_id, "reward": reward.pk}

    for points in (-100, 0, 1.5, "1e309", "१००x", 10**30, None, True, [], ""):
        answer = api.post("/api/v1/loyalty/redemptions/", body | {"points": points}, format="json")
        assert answer.status_code == 400, points

    assert nothing_happened(account)
