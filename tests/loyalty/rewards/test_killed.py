"""A process dies at any step of a redemption: points and coupon agree afterwards."""

import itertools
import json
import uuid
from datetime import timedelta

import pytest
import requests
from django.db import connection
from django.utils import timezone

from crm.woocommerce.models import Push
from crm.work import drain
from loyalty import proof, redemptions
from loyalty.models import LedgerEntry, Redemption, Reward
from postpurchase.demo.web import json_response
from tests.factories import make_reward

from .taking import balance, redeem

State = Redemption.State
pytestmark = pytest.mark.django_db(transaction=True)


class Killed(BaseException):
    """Nothing catches it, as nothing catches a kill."""


class Deaths:
    """Dies before or after the n-th statement or request of a block."""

    def __init__(self, monkeypatch):
        self.left = None
        send = requests.Session.send

        def deadly(session, *args, **kwargs):
            self.step()
            answer = send(session, *args, **kwargs)
            self.step()
            return answer

        monkeypatch.setattr(requests.Session, "send", deadly)

    def step(self):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                raise Killed

    def statement(self, execute, sql, params, many, context):
        self.step()
        return execute(sql, params, many, context)

    def survives(self, steps, function) -> bool:
        """Whether the function came to its end within so many steps."""
        self.left = steps
        try:
            with connection.execute_wrapper(self.statement):
                function()
            return True
        except Killed:
            connection.close()  # what was not committed is gone
            return False
        finally:
            self.left = None


@pytest.fixture
def deaths(monkeypatch):
    return Deaths(monkeypatch)


def come_to_rest():
    """Let the lease run out, and have what is owed to the shop be done."""
    for hours in (1, 2):
        drain.drain(Push, at=timezone.now() + timedelta(hours=hours))


def test_a_redemption_is_whole_or_has_not_happened(store, account, deaths):
    reward = make_reward(store, 1, stock=1000)
    for steps in itertools.count():
        before = (balance(account), Redemption.objects.count(), Push.objects.count(), LedgerEntry.objects.count())
        key = uuid.uuid4()

        done = deaths.survives(steps, lambda key=key: redeem(account, reward, key=key))

        after = (balance(account), Redemption.objects.count(), Push.objects.count(), LedgerEntry.objects.count())
        # All of it or nothing; the last thing to die at is what comes after the commit.
        assert after in (before, (before[0] - 1, *(count + 1 for count in before[1:]))), steps
        assert not done or after != before
        # Whoever asks again with the same key gets the one.
        redeem(account, reward, key=key)
        assert balance(account) == before[0] - 1
        if done:
            break
    assert steps > 10
    assert Reward.objects.get().stock + Redemption.objects.count() == 1000
    assert not list(proof.differences())


def half_price(shop):
    """The shop saves another amount than it was asked for."""

    def fault(request, response):
        if request.method == "POST" and response.status == 201:
            row = shop.shop.rows["coupons"][json.loads(response.body)["id"]]
            row["amount"] = "25.00"
            return json_response(row | {"date_expires": None}, 201)
        return None

    return fault


@pytest.mark.parametrize("shop_says", ["yes", "no"])
def test_points_and_coupon_agree_wherever_the_worker_dies(at_shop, shop, deaths, shop_says):
    reward = make_reward(at_shop.store, 1)
    if shop_says == "no":
        shop.faults.append(half_price(shop))
    for steps in itertools.count():
        redemption, before = redeem(at_shop, reward), balance(at_shop)

        done = deaths.survives(steps, lambda: drain.drain(Push))
        come_to_rest()

        redemption.refresh_from_db()
        made = [row for row in shop.shop.rows["coupons"].values() if row["code"] == redemption.code.lower()]
        if shop_says == "yes":
            assert (redemption.state, len(made), balance(at_shop)) == (State.READY, 1, before), steps
        else:
            assert (redemption.state, len(made), balance(at_shop)) == (State.FAILED, 0, before + 1), steps
        if done:
            break
    assert steps > 10
    assert not list(proof.differences())


def test_points_and_coupon_agree_wherever_a_handing_back_is_cut_off(at_shop, shop, deaths):
    reward = make_reward(at_shop.store, 1)
    # Every other step: there are more of them, and the two halves are like the ones above.
    for steps in itertools.count(step=2):
        redemption = redeem(at_shop, reward)
        drain.drain(Push)
        before = balance(at_shop)

        def give_back(redemption=redemption):
            redemptions.hand_back(redemption.store, redemption.pk, timezone.now())
            drain.drain(Push)

        done = deaths.survives(steps, give_back)
        come_to_rest()

        redemption.refresh_from_db()
        [row] = [row for row in shop.shop.rows["coupons"].values() if row["code"] == redemption.code.lower()]
        # It either had not been asked for, or it is done.
        kept = (State.READY, "publish", before)
        assert (redemption.state, row["status"], balance(at_shop)) in [kept, (State.RETURNED, "trash", before + 1)], (
            steps
        )
        if done:
            assert redemption.state == State.RETURNED
            break
    assert steps > 10
    assert not list(proof.differences())
