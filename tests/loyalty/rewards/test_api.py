"""Rewards for merchants' programs."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from loyalty import programs
from loyalty.models import Reward
from tests.factories import make_customer, make_product, make_program, make_reward, make_store, make_tier

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


ROOT = "/api/v1/loyalty/rewards/"
MONEY = {"kind": "money", "amount": "50", "points": 100}


def patch(api, reward, **body):
    return api._send("patch", f"{ROOT}{reward['id']}/", data=body, content_type="application/json")


def test_a_program_makes_changes_and_switches_off_a_reward(api_client, store):
    api = api_client(store)
    cup, gold = make_product(store, name="Cup"), make_tier(programs.of(store))
    body = {"kind": "product", "product": cup.woo_id, "points": 300, "tier": "gold", "stock": 5}
    body |= {"translations": {"hi": {"name": "प्याला", "description": ""}, "mr": {}}}
    first, again = (api.post(ROOT, body, headers={"Idempotency-Key": "k"}) for _time in range(2))
    made = first.json()
    assert (first.status_code, again.json(), Reward.objects.count()) == (201, made, 1)
    reward = Reward.objects.get()
    assert (reward.store, reward.product, reward.tier, reward.name) == (store, cup, gold, "")
    assert (made["name"], made["product"], made["tier"]) == ("Cup for free", cup.woo_id, "gold")
    assert made["translations"] == reward.translations == {"hi": {"name": "प्याला"}}
    assert api.get(f"{ROOT}{made['id']}/").json() == made

    changed = patch(api, made, name="A cup", tier=None, active=False)
    assert (changed.status_code, changed.json()["name"]) == (200, "A cup")
    assert changed.json()["version"] != made["version"]
    reward.refresh_from_db()
    assert (reward.name, reward.tier, reward.active, reward.stock, reward.points) == ("A cup", None, False, 5, 300)
    assert patch(api, made, name="").json()["name"] == "Cup for free"
    assert api._send("delete", f"{ROOT}{made['id']}/").status_code == 405


def test_a_reward_that_makes_no_sense_is_refused_with_its_reason(api_client, store):
    api, other = api_client(store), make_store()
    theirs, tier = make_product(other), make_tier(make_program(other), "Theirs")
    one = make_product(store, woo_id=1)
    for field, body in [
        ("__all__", {"amount": None}),
        ("__all__", {"kind": "percent", "amount": "101"}),
        ("__all__", {"kind": "access", "amount": None}),
        ("__all__", {"fewest": 5}),
        ("kind", {"kind": "house"}),
        ("amount", {"amount": "1e309"}),
        ("amount", {"amount": "NaN"}),
        ("amount", {"amount": "-1"}),
        ("amount", {"kind": "store_credit", "amount": "0.001"}),
        ("points", {"points": 0}),
        ("points", {"points": 10**13}),
        ("product", {"kind": "product", "amount": None, "product": theirs.woo_id + 10**9}),
        ("product", {"kind": "product", "amount": None, "product": 10**40}),
        ("product", {"kind": "product", "amount": None, "product": ["x"]}),
        ("whole number or text", {"kind": "product", "amount": None, "product": one.woo_id == 1}),
        ("whole number or text", {"kind": "product", "amount": None, "product": one.woo_id + 0.7}),
        ("tier", {"tier": tier.key}),
        ("tier", {"tier": "\0"}),
        ("name", {"name": "x" * 81}),
        ("translations", {"translations": {"xx": {"name": "Hi"}}}),
        ("translations", {"translations": {"hi": {"name": "x" * 81}}}),
        ("translations", {"translations": ["hi"]}),
        ("valid_days", {"valid_days": 3}),
        ("stock", {"stock": -1}),
        ("available_until", {"available_from": "2026-06-01T00:00Z", "available_until": "2026-05-01T00:00Z"}),
    ]:
        answer = api.post(ROOT, MONEY | body)
        assert (answer.status_code, answer.json()["type"]) == (400, "validation_error"), body
        assert field in str(answer.json()), (body, answer.json())
    assert not Reward.objects.exists()


def test_what_a_reward_gives_is_decided_by_keys_that_may_give_money(api_client, store):
    reward = make_reward(store)
    api = api_client(store, scopes=["loyalty:read", "loyalty:write"])
    assert api.get(f"{ROOT}{reward.pk}/").status_code == 200
    for answer in (api.post(ROOT, MONEY), patch(api, {"id": reward.pk}, points=1)):
        assert (answer.status_code, "credit:write" in answer.content.decode()) == (403, True)
    assert patch(api_client(make_store()), {"id": reward.pk}, points=1).status_code == 404
    assert Reward.objects.get().points == 100


def test_a_change_writes_nothing_but_what_was_asked_for(api_client, store):
    """Somebody may be taking one from the stock."""
    reward = make_reward(store, stock=5)
    with CaptureQueriesContext(connection) as asked:
        assert patch(api_client(store), {"id": reward.pk}, points=200).status_code == 200

    [update] = [query["sql"] for query in asked if query["sql"].startswith('UPDATE "loyalty_reward"')]
    assert ('"points" = 200' in update, '"stock"' in update) == (True, False)
