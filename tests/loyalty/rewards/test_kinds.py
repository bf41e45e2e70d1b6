"""Rewards that are no money off: a product for free, a donation, early access."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from crm.woocommerce.models import Push
from crm.work import drain
from loyalty import proof, redeeming, redemptions, rewards
from loyalty.models import Redemption
from tests.factories import make_product, make_reward, make_staff, make_store

from .taking import balance, nothing_happened, redeem, token_on, words

State = Redemption.State
pytestmark = pytest.mark.django_db


def make(account, kind, points=100, **fields):
    names = {"donation": "Plant a tree", "access": "Diwali sale, two days early"}
    return make_reward(account.store, points, **{"kind": kind, "amount": None, "name": names.get(kind, "")} | fields)


def test_a_product_is_a_coupon_for_one_of_it(at_shop, shop):
    row = shop.shop.first_product()
    product = make_product(at_shop.store, woo_id=row["id"], name="Chai sampler")
    redemption = redeem(at_shop, make(at_shop, "product", product=product))

    drain.drain_all()

    redemption.refresh_from_db()
    [coupon] = [coupon for coupon in shop.shop.rows["coupons"].values() if coupon["code"] == redemption.code.lower()]
    assert (redemption.state, redemption.words) == (State.READY, "Chai sampler for free")
    assert (coupon["discount_type"], coupon["amount"], coupon["product_ids"]) == ("percent", "100.00", [row["id"]])
    assert (coupon["limit_usage_to_x_items"], coupon["usage_limit"]) == (1, 1)

    # In a full cart one of it is free, and nothing else.
    other = next(r for r in shop.shop.rows["products"].values() if r["type"] == "simple" and r["id"] != row["id"])
    order = shop.shop.place_order(
        email="asha@mail.example", lines=[(row["id"], 3), (other["id"], 1)], coupon=redemption.code
    )
    free = {line["product_id"]: Decimal(line["subtotal"]) - Decimal(line["total"]) for line in order["line_items"]}
    assert free[row["id"]] == Decimal(order["line_items"][0]["subtotal"]) / 3
    assert free[other["id"]] == 0


def test_a_product_that_left_the_shop_is_not_offered(account):
    product = make_product(account.store)
    reward = make(account, "product", product=product)
    assert [offer.reward for offer in rewards.offers(account.store, account, timezone.now())] == [reward]
    type(product).objects.update(deleted_at=timezone.now())

    with pytest.raises(redeeming.NotOffered):
        redeem(account, reward)

    assert rewards.offers(account.store, account, timezone.now()) == []
    assert nothing_happened(account)


def test_a_donation_is_given_at_once_and_for_good(account):
    redemption = redeem(account, make(account, "donation", amount=50))

    assert (redemption.state, redemption.code, balance(account)) == (State.GIVEN, "", 150)
    assert not Push.objects.exists()
    with pytest.raises(redemptions.CannotHandBack):
        redemptions.hand_back(account.store, redemption.pk, timezone.now())
    # Two of them have no code, and that is no clash.
    redeem(account, redemption.reward)
    assert not list(proof.differences())


def test_early_access_lasts_its_days_and_the_api_says_who_has_it(account, api_client):
    reward = make(account, "access", valid_days=7, returns_expired=True)
    redemption = redeem(account, reward, at=datetime.fromisoformat("2026-12-01T06:00:00+00:00"))
    api = api_client(account.store)

    def listed():
        rows = api.get("/api/v1/loyalty/redemptions/?kind=access&state=ready").json()["results"]
        return [(row["customer"], row["code"], row["expires_at"]) for row in rows]

    assert listed() == [(account.customer_id, None, "2026-12-08T18:29:59Z")]
    assert api.get("/api/v1/loyalty/redemptions/?kind=donation").json()["results"] == []

    redemptions.expire(account.store, redemption.expires_at + timedelta(seconds=1))

    assert listed() == []
    assert balance(account) == 150


def test_owners_see_what_was_given_in_each_month(account, client):
    reward = make(account, "donation", 10, amount=50)
    # In Kolkata the second one is of December.
    for at in ("2026-11-30T18:29:00", "2026-11-30T18:31:00", "2026-12-31T00:00:00"):
        redeem(account, reward, at=datetime.fromisoformat(at + "+00:00"))
    client.force_login(make_staff(account.store), backend="django.contrib.auth.backends.ModelBackend")

    page = words(client.get(f"/admin/loyalty/reward/{reward.pk}/change/"))

    assert "2026-12: 2 × · 20 points ₹100.00" in page
    assert "2026-11: 1 × · 10 points ₹50.00" in page


@pytest.mark.parametrize("kind", ["donation", "access"])
def test_what_needs_no_code_is_taken_in_the_portal(visit, account, kind):
    reward = make(account, kind)

    asked = visit(f"{reward.pk}/")
    assert "code for the checkout" not in words(asked)
    taken = visit(f"{reward.pk}/", token=token_on(asked))

    page = words(visit(taken["Location"].removeprefix("/s/masala/rewards/")))
    assert ("Thank you! Your points have been given." if kind == "donation" else "It is yours until") in page
    assert "Hand the code back" not in page
    assert reward.name in words(visit())


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "product"},
        {"kind": "product", "amount": 5, "product": True},
        {"kind": "money", "amount": 5, "product": True},
        {"kind": "donation", "name": ""},
        {"kind": "donation", "name": "x", "amount": 0},
        {"kind": "access", "name": "x", "amount": 5},
    ],
)
def test_the_database_wants_what_a_kind_needs_and_no_more(store, fields):
    fields = {"amount": None, "points": 1} | fields
    if "product" in fields:
        fields["product"] = make_product(store)

    with pytest.raises(IntegrityError), transaction.atomic():
        make_reward(store, **fields)


def test_a_product_of_another_store_is_refused_in_the_form(store):
    from django.core.exceptions import ValidationError

    reward = make_reward(store, kind="product", amount=None, product=make_product(make_store()))

    with pytest.raises(ValidationError, match="another store"):
        reward.full_clean()
