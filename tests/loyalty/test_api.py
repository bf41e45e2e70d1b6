import json

import pytest

from loyalty import earning, ledger
from loyalty.models import Account, LedgerEntry
from tests.factories import make_account, make_api_key, make_customer, make_order, make_program, make_store

pytestmark = pytest.mark.django_db
ACCOUNTS, ENTRIES = "/api/v1/loyalty/accounts/", "/api/v1/loyalty/entries/"


@pytest.fixture
def account(store):
    make_program(store)
    return make_account(make_customer(store), 1250)


@pytest.fixture
def key(store):
    return make_api_key(store)[1]


@pytest.fixture
def get(client, key):
    return lambda url, **query: client.get(url, query, headers={"Authorization": f"Bearer {key}"})


@pytest.fixture
def post(client, key):
    def post(url, data, **headers):
        return client.post(
            url,
            json.dumps(data),
            "application/json",
            headers={"Authorization": f"Bearer {headers.pop('key', key)}"} | headers,
        )

    return post


def test_an_account_tells_balance_and_worth(get, account):
    Account.objects.update(tier="gold")

    answer = get(ACCOUNTS, email=account.customer.email.upper()).json()

    assert [{**row, "created_at": None} for row in answer["results"]] == [
        {
            "id": account.pk,
            "customer": account.customer_id,
            "email": account.customer.email,
            "balance": 1250,
            "pending": 0,
            "earned": 0,
            "worth": "12.50",
            "currency": "INR",
            "tier": "gold",
            "frozen_since": None,
            "created_at": None,
        }
    ]
    assert get(f"{ACCOUNTS}{account.pk}/").json()["balance"] == 1250
    assert get(ACCOUNTS, email="nobody@shop.example").json()["results"] == []


def test_entries_explain_themselves(get, store, account):
    order = make_order(store, account.customer)
    earning.settle(store, [order.pk], history=True)

    row = get(ENTRIES, order=order.pk).json()["results"][0]

    assert (row["kind"], row["points"], row["balance_after"], row["customer"]) == (
        "earn",
        100,
        1350,
        account.customer_id,
    )
    assert row["rule"]["rate"] == "1"
    assert row["explanation"] == [
        "₹100.00 of the order counts: goods after discounts, without tax.",
        "1 point for each ₹1.00: ₹100.00 × 1 = 100.",
    ]


def test_entries_are_filtered(get, store, account):
    other = make_account(make_customer(store), 10)
    ledger.post(other, "redeem", -10, "coupon:TEA")
    first, second, third = LedgerEntry.objects.order_by("pk")

    def found(**query):
        return [row["id"] for row in get(ENTRIES, **query).json()["results"]]

    assert found() == [third.pk, second.pk, first.pk]
    assert found(customer=other.customer_id, kind="redeem") == [third.pk]
    assert found(account=account.pk) == [first.pk]
    assert found(email=other.customer.email) == [third.pk, second.pk]
    assert found(created_after=second.created_at.isoformat(), created_before=third.created_at.isoformat()) == [
        second.pk
    ]
    assert get(ENTRIES, kind="steal").status_code == 400


def test_lists_cost_the_same_whatever_their_length(get, store, account, django_assert_max_num_queries):
    for _ in range(30):
        order = make_order(store, make_customer(store))
        earning.settle(store, [order.pk], history=True)

    with django_assert_max_num_queries(5):
        assert len(get(ACCOUNTS).json()["results"]) == 25
    with django_assert_max_num_queries(3):
        assert len(get(ENTRIES).json()["results"]) == 25


def test_an_adjustment_is_posted_with_its_reason(post, account):
    answer = post(f"{ACCOUNTS}{account.pk}/adjust/", {"points": -250, "reason": "Booked twice"})

    assert answer.status_code == 201
    assert answer.json()["balance_after"] == 1000
    assert answer.json()["note"] == "Booked twice"
    assert answer.json()["rule"]["api_key"].startswith("pp_")
    assert Account.objects.get(pk=account.pk).balance == 1000


def test_an_adjustment_with_a_key_is_posted_once(post, account):
    url, body = f"{ACCOUNTS}{account.pk}/adjust/", {"points": 100, "reason": "Sorry"}

    first = post(url, body, **{"Idempotency-Key": "one"})
    again = post(url, body, **{"Idempotency-Key": "one"})

    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert Account.objects.get(pk=account.pk).balance == 1350


@pytest.mark.parametrize(
    ("body", "attr"),
    [
        ({"points": -1251, "reason": "Too much"}, "points"),
        ({"points": 0, "reason": "Nothing"}, "points"),
        ({"points": 10**13, "reason": "Far too much"}, "points"),
        ({"points": "1e309", "reason": "Odd"}, "points"),
        ({"points": 5}, "reason"),
        ({"points": 5, "reason": " "}, "reason"),
        ({"points": 5, "reason": "x" * 301}, "reason"),
    ],
)
def test_a_bad_adjustment_is_told_by_field(post, account, body, attr):
    answer = post(f"{ACCOUNTS}{account.pk}/adjust/", body)

    assert answer.status_code == 400
    assert [error["attr"] for error in answer.json()["errors"]] == [attr]
    assert Account.objects.get(pk=account.pk).balance == 1250


def test_another_stores_points_are_not_there(get, post, account):
    stranger = make_account(make_customer(make_store()), 10)
    entry = stranger.entries.get()

    assert get(f"{ACCOUNTS}{stranger.pk}/").status_code == 404
    assert get(f"{ENTRIES}{entry.pk}/").status_code == 404
    assert post(f"{ACCOUNTS}{stranger.pk}/adjust/", {"points": 5, "reason": "Mine"}).status_code == 404
    assert stranger.pk not in [row["id"] for row in get(ACCOUNTS).json()["results"]]


def test_writing_needs_its_scope(post, store, account):
    reader = make_api_key(store, ["loyalty:read"])[1]

    assert post(f"{ACCOUNTS}{account.pk}/adjust/", {"points": 5, "reason": "Please"}, key=reader).status_code == 403


def test_the_schema_describes_the_adjustment(client):
    schema = client.get("/api/v1/schema/", headers={"Accept": "application/json"}).json()

    operation = schema["paths"]["/api/v1/loyalty/accounts/{id}/adjust/"]["post"]
    assert operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/AdjustRequest")
    assert operation["responses"]["201"]["content"]["application/json"]["schema"]["$ref"].endswith("/Entry")
