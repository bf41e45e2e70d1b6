from datetime import timedelta

import pytest
from django.utils import timezone

from crm.work import drain
from loyalty.models import Campaign, EarningRule
from tests.factories import (
    make_campaign,
    make_category,
    make_customer,
    make_earning_rule,
    make_order,
    make_product,
    make_program,
    make_store,
)

pytestmark = pytest.mark.django_db
RULES, CAMPAIGNS = "/api/v1/loyalty/rules/", "/api/v1/loyalty/campaigns/"


@pytest.fixture
def chai(store):
    make_program(store)
    return make_product(store, name="Chai")


def test_a_program_makes_changes_and_deletes_a_rule(api, chai):
    made = api.post(RULES, {"product": chai.pk, "rate": "2"})
    assert (made.status_code, made.json()["name"], made.json()["active"]) == (201, "Chai", False)
    url = f"{RULES}{made.json()['id']}/"

    changed = api._send("patch", url, data={"rate": "3", "active": True}, content_type="application/json")
    assert (changed.status_code, EarningRule.objects.get().rate, EarningRule.objects.get().active) == (200, 3, True)
    assert [row["name"] for row in api.get(RULES).json()["results"]] == ["Chai"]
    assert api._send("delete", url).status_code == 204
    assert not EarningRule.objects.exists()


def test_a_key_for_points_alone_drafts_and_touches_nothing_that_is_on(api_client, chai, store):
    points, money = (
        api_client(store, scopes=["loyalty:read", "loyalty:write", *more]) for more in ([], ["credit:write"])
    )

    def patch(api, url, **values):
        return api._send("patch", url, data=values, content_type="application/json")

    for root, rest in (
        (RULES, {"product": chai.pk, "rate": "1000000"}),
        (CAMPAIGNS, {"name": "Mine", "bonus": 1_000_000}),
    ):
        assert points.post(root, rest | {"active": True}).status_code == 403
        draft = f"{root}{points.post(root, rest).json()['id']}/"
        assert points.post(f"{draft}try/").status_code == 201
        refused = patch(points, draft, active=True)
        assert (refused.status_code, "credit:write" in refused.content.decode()) == (403, True)
        assert patch(money, draft, active=True).status_code == 200
        for change in ({"active": False}, {"rate": "5"} if root == RULES else {"bonus": 5}):
            assert patch(points, draft, **change).status_code == 403
        assert points._send("delete", draft).status_code == 403
        assert patch(money, draft, active=False).status_code == 200
        assert points._send("delete", draft).status_code == 204


@pytest.mark.parametrize(
    "body",
    [
        {"rate": "2"},
        {"product": "chai", "category": "tea", "rate": "2"},
        {"product": "chai", "rate": "-1"},
        {"product": "chai", "rate": "1e309"},
        {"product": "chai", "rate": "NaN"},
        {"product": "elsewhere", "rate": "2"},
        {"product": "taken", "rate": "2", "active": True},
        {"product": 10**40, "rate": "2"},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_with_its_reason(api, chai, store, body):
    taken = make_product(store)
    make_earning_rule(taken, 1)
    there = {"chai": chai, "tea": make_category(store), "elsewhere": make_product(make_store()), "taken": taken}

    answer = api.post(RULES, {name: there[value].pk if value in there else value for name, value in body.items()})

    assert (answer.status_code, answer.json()["type"]) == (400, "validation_error")
    assert EarningRule.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "Diwali", "multiplier": "2", "weekdays": [5, 6]}, 201),
        ({"name": "Diwali"}, 400),
        ({"name": "Diwali", "multiplier": "2", "weekdays": [7]}, 400),
        ({"name": "Diwali", "bonus": 50, "product_ids": ["chai"]}, 201),
        ({"name": "Diwali", "bonus": 50, "product_ids": ["elsewhere"]}, 400),
        ({"name": "Diwali", "bonus": 50, "starts_at": "2026-06-01T00:00Z", "ends_at": "2026-05-01T00:00Z"}, 400),
    ],
)
def test_a_program_makes_a_campaign(api, chai, body, status):
    keys = {"chai": chai.pk, "elsewhere": make_product(make_store()).pk}
    if "product_ids" in body:
        body = body | {"product_ids": [keys[name] for name in body["product_ids"]]}

    answer = api.post(CAMPAIGNS, body)

    assert answer.status_code == status
    assert Campaign.objects.count() == (status == 201)


def test_a_program_has_a_rule_tried(api, chai, store):
    rule = make_earning_rule(chai, 3, active=False)
    placed = timezone.now() - timedelta(days=2)
    make_order(store, make_customer(store), [{"product": chai}], date_created_gmt=placed)

    asked = api.post(f"{RULES}{rule.pk}/try/", {"days": 90}, headers={"Idempotency-Key": "once"})
    again = api.post(f"{RULES}{rule.pk}/try/", {"days": 90}, headers={"Idempotency-Key": "once"})
    assert (asked.status_code, asked.json()["state"], again.json()) == (201, "due", asked.json())
    drain.drain_all()

    answer = api.get(f"/api/v1/loyalty/trials/{asked.json()['id']}/").json()
    assert (answer["state"], answer["result"]["now"], answer["result"]["then"]) == ("done", 100, 300)
    assert api.post(f"{RULES}{rule.pk}/try/", {"days": 31}).status_code == 400


def test_another_stores_rules_are_not_there(api, chai):
    other = make_product(make_store())
    rule, campaign = make_earning_rule(other, 2), make_campaign(other.store)

    assert api.get(f"{RULES}{rule.pk}/").status_code == 404
    assert api.post(f"{CAMPAIGNS}{campaign.pk}/try/").status_code == 404
    assert api.get(RULES).json()["results"] == []
