"""What a merchant's own program reads of points, and what it may change by itself."""

import pytest

from loyalty import adjusting, ledger
from loyalty.models import Account, Adjustment
from tests.factories import (
    NOW,
    make_account,
    make_api_key,
    make_customer,
    make_member,
    make_program,
    make_referral,
    make_staff,
)

pytestmark = pytest.mark.django_db
ROOT = "/api/v1/loyalty/"


@pytest.fixture
def account(store):
    make_program(store, adjust_limit=100)
    return make_account(make_customer(store, woo_id=4711), 1000)


@pytest.fixture
def call(client, store):
    key = make_api_key(store)[1]

    def call(method, path, data=None, **headers):
        headers = {"Authorization": f"Bearer {key}"} | headers
        more = {"content_type": "application/json"} if method == "post" else {}
        return getattr(client, method)(ROOT + path, data, headers=headers, **more)

    return call


def ids(answer):
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def test_within_the_limit_a_program_adjusts_at_once_and_beyond_it_an_owner_decides(call, store, account):
    path = f"accounts/{account.pk}/adjust/"
    assert call("post", path, {"points": 60, "reason": "Late parcel"}).status_code == 201
    waiting = call("post", path, {"points": -60, "reason": "Booked twice"}, **{"Idempotency-Key": "k"})
    again = call("post", path, {"points": -60, "reason": "Booked twice"}, **{"Idempotency-Key": "k"})

    assert (waiting.status_code, again.status_code, again.json()) == (202, 202, waiting.json())
    assert (waiting.json()["state"], waiting.json()["entry"]) == ("waiting", None)
    assert Account.objects.get().balance == 1060
    adjustment = adjusting.approve(Adjustment.objects.get(state="waiting"), make_staff(store), at=NOW)
    told = call("get", f"adjustments/{adjustment.pk}/").json()
    assert (told["state"], told["entry"], told["asked_by"][:5]) == ("posted", adjustment.entry_id, "Test ")
    assert (adjustment.entry.rule["api_key"][:3], Account.objects.get().balance) == ("pp_", 1000)


def test_the_limit_is_each_keys_own_and_a_persons_own(call, client, store, account):
    path = f"{ROOT}accounts/{account.pk}/adjust/"
    other = {"Authorization": f"Bearer {make_api_key(store)[1]}"}
    body = {"points": 100, "reason": "Sorry"}

    assert call("post", f"accounts/{account.pk}/adjust/", body).status_code == 201
    assert client.post(path, body, "application/json", headers=other).status_code == 201
    assert ledger.adjust(account, 100, "Sorry", make_staff(store)).entry is not None
    assert call("post", f"accounts/{account.pk}/adjust/", body).status_code == 202


def test_lots_say_what_a_balance_is_made_of(call, store, account):
    ledger.earn(account, 50, "review:1", expires_at=NOW, at=NOW.replace(year=2025))
    ledger.earn(account, 70, "order:1", available_from=NOW.replace(year=2999))
    ledger.redeem(account, 50, "coupon:TEA", at=NOW.replace(year=2025))
    first, second, third = account.lots.order_by("pk")

    assert ids(call("get", "lots/")) == [third.pk, second.pk, first.pk]
    assert ids(call("get", "lots/", {"open": "false"})) == [second.pk]
    assert ids(call("get", "lots/", {"pending": "true", "account": account.pk})) == [third.pk]
    assert ids(call("get", "lots/", {"expires_before": "2027-01-01T00:00:00Z"})) == [second.pk]
    told = call("get", f"lots/{third.pk}/").json()
    assert (told["granted"], told["remaining"], told["released_at"], told["customer"]) == (
        70,
        70,
        None,
        account.customer_id,
    )


@pytest.mark.parametrize("path", ["accounts/", "entries/", "lots/", "members/", "adjustments/"])
def test_each_list_is_filtered_by_customer_address_and_number_in_the_shop(call, store, account, path):
    make_member(account.customer)
    adjusting.adjust(account, 5, "Gift", make_staff(store))
    stranger = make_account(make_customer(store, woo_id=99), 10)
    make_member(stranger.customer)

    mine = ids(call("get", path, {"customer_woo_id": 4711}))
    assert mine
    assert ids(call("get", path, {"email": account.customer.email.upper()})) == mine
    assert ids(call("get", path, {"customer": account.customer_id})) == mine
    assert ids(call("get", path, {"customer_woo_id": 12345})) == []
    assert call("get", path, {"customer_number": 1}).status_code == 400


def test_lists_are_filtered_by_days(call, store, account):
    member = make_member(account.customer, joined_at=NOW)
    referral = make_referral(account.customer, created_at=NOW)
    adjustment = adjusting.adjust(account, 5, "Gift", make_staff(store), at=NOW)
    day, next_day = "2026-06-15T00:00:00Z", "2026-06-16T00:00:00Z"

    for path, name, row in (
        ("members/", "joined", member),
        ("referrals/", "created", referral),
        ("adjustments/", "asked", adjustment),
    ):
        assert ids(call("get", path, {f"{name}_after": day, f"{name}_before": next_day})) == [row.pk]
        assert ids(call("get", path, {f"{name}_before": day})) == []
    assert ids(call("get", "accounts/", {"created_after": "2026-01-01T00:00:00Z"})) == [account.pk]
    assert ids(call("get", "referrals/", {"member_woo_id": 4711})) == [referral.pk]


def test_lists_cost_the_same_whatever_their_length(call, store, account, django_assert_max_num_queries):
    staff = make_staff(store)
    for _ in range(30):
        other = make_account(make_customer(store), 10)
        adjusting.adjust(other, 5, "Gift", staff)

    for path in ("lots/", "adjustments/"):
        with django_assert_max_num_queries(4):
            assert len(ids(call("get", path))) == 25
