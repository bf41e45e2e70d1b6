"""Killed at every statement and every request: money and coupon agree."""

import itertools
import uuid

import pytest

from crm.woocommerce.models import Push
from crm.work import drain
from loyalty import proof, redemptions
from loyalty.models import Account, Redemption
from tests.factories import make_credit, make_customer, make_store
from tests.loyalty.rewards.test_killed import Deaths, come_to_rest

from .making import in_shop, order_with, ready, spend, stands

pytestmark = pytest.mark.django_db(transaction=True)
State = Redemption.State


@pytest.fixture
def account():
    return make_credit(make_customer(make_store()), 2500)


def test_money_and_coupon_agree_wherever_the_worker_dies(at_shop, shop, monkeypatch):
    deaths = Deaths(monkeypatch)
    for steps in itertools.count(step=2):
        before = Account.objects.get(pk=at_shop.pk).balance
        key = uuid.uuid4()

        def make_and_send(key=key):
            spend(at_shop, "0.01", key=key)
            drain.drain(Push)

        done = deaths.survives(steps, make_and_send)
        come_to_rest()

        made = Redemption.objects.filter(key=key).first()
        after = (before, None) if made is None else (before - 1, State.READY)
        assert (Account.objects.get(pk=at_shop.pk).balance, made and made.state) == after, steps
        assert made is None or in_shop(shop, made)["amount"] == "0.01"
        if done:
            break
    assert steps > 20
    assert not list(proof.differences())


def test_the_rest_is_given_once_wherever_the_following_is_cut_off(account, monkeypatch):
    deaths = Deaths(monkeypatch)
    for steps in itertools.count():
        redemption = ready(account, "0.05")
        order = order_with(redemption, "0.02")
        before = Account.objects.get(pk=account.pk).balance

        done = deaths.survives(steps, lambda order=order: redemptions.follow(order.store, [order.pk]))
        redemptions.follow(order.store, [order.pk])

        assert stands(redemption) == (State.USED, before + 3), steps
        if done:
            break
    assert steps > 5
