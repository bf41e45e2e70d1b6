"""Rewards for merchants' programs."""

import pytest

from loyalty.models import Reward
from tests.factories import make_customer, make_reward, make_store

from .taking import balance, nothing_happened

pytestmark = pytest.mark.django_db


def test_a_program_takes_a_reward_once_for_its_key(api_client, account, reward):
    api = api_client(account.store)
    body = {"customer": account.customer_id, "reward": reward.pk}
    headers = {"Idempotency-Key": "basket-7"}

    first, again = (api.post("/api/v1/loyalty/redemptions/", body, headers=headers) for _time in range(2))

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert (first.json()["state"], first.json()["code"], first.json()["points"]) == ("pending", None, 100)
    assert balance(account) == 150
    row = api.get("/api/v1/loyalty/redemptions/", data={"customer": account.customer_id}).json()["results"][0]
    assert row == first.json()
    for filters, found in (
        ({"customer_woo_id": account.customer.woo_id}, 1),
        ({"customer_woo_id": 987654}, 0),
        ({"created_after": row["created_at"]}, 1),
        ({"created_before": row["created_at"]}, 0),
    ):
        assert len(api.get("/api/v1/loyalty/redemptions/", data=filters).json()["results"]) == found


def test_a_program_is_told_why_not(api_client, account, reward):
    api = api_client(account.store)
    seen = api.get(f"/api/v1/loyalty/rewards/{reward.pk}/").json()
    assert (seen["name"], seen["points"], seen["amount"]) == ("₹50.00 off", 100, "50.0000")
    Reward.objects.update(points=300)

    def refused(**body):
        answer = api.post("/api/v1/loyalty/redemptions/", {"customer": account.customer_id, "reward": reward.pk} | body)
        assert answer.status_code == 400
        return str(answer.json())

    assert "has changed this reward" in refused(version=seen["version"])
    assert "You have 250 points; this costs 300." in refused()
    assert "not offered" in refused(reward=make_reward(make_store()).pk)
    assert "no such customer" in refused(customer=make_customer(make_store()).pk)
    assert nothing_happened(account)
