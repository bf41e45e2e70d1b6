"""For which orders and goods a reward's code is good: chosen by owners and programs, told to customers, asked of the shop."""

from decimal import Decimal

import pytest

from crm.stores.models import Membership
from crm.woocommerce.models import Push
from crm.work import drain
from loyalty import coupon_limits
from loyalty.models import Redemption, Reward
from tests.factories import make_category, make_product, make_reward, make_staff, make_store, sign_in

from .taking import redeem, words
from .test_api import patch

pytestmark = pytest.mark.django_db
ADD = "/admin/loyalty/reward/add/"


def goods_of(store):
    """Chai alone, and nothing of the sweets."""
    chai, sweets = make_product(store, name="Chai", woo_id=71), make_category(store, name="Sweets", woo_id=9)
    return coupon_limits.described({"products": [chai], "excluded_categories": [sweets]})


def test_owners_choose_goods_of_their_own_store(client, store):
    client.force_login(make_staff(store), backend="django.contrib.auth.backends.ModelBackend")
    chai, mug = (make_product(store, name=name, woo_id=number) for name, number in (("Chai", 71), ("Mug", 72)))
    sweets = make_category(store, name="Sweets", woo_id=9)
    form = {"store": store.pk, "kind": "percent", "amount": 20, "points": 5, "position": 0, "excludes_sale": "on"}
    limits = {"maximum_order": 900, "products": [mug.pk, chai.pk], "excluded_categories": [sweets.pk]}

    assert client.post(ADD, form | limits).status_code == 302

    reward = Reward.objects.get()
    page = f"/admin/loyalty/reward/{reward.pk}/change/"
    assert (reward.maximum_order, reward.excludes_sale) == (900, True)
    assert reward.goods == {
        "products": [{"id": 71, "name": "Chai"}, {"id": 72, "name": "Mug"}],
        "excluded_categories": [{"id": 9, "name": "Sweets"}],
    }
    shown = client.get(page).context["adminform"].form.initial
    assert sorted(shown["products"]) == sorted([chai.pk, mug.pk]) and shown["excluded_categories"] == [sweets.pk]
    for wrong, said in [
        ({"categories": [sweets.pk], "products": [mug.pk]}, "not both"),
        ({"minimum_order": 1000, "maximum_order": 900}, "smaller than the smallest"),
        ({"products": [make_product(make_store()).pk]}, "Select a valid choice"),
        ({"kind": "donation", "name": "A tree", "products": [mug.pk]}, "Goods are chosen for"),
    ]:
        assert said in words(client.post(page, form | wrong)), wrong
    assert client.post(page, form).status_code == 302
    assert Reward.objects.get().goods == {}


def test_more_goods_than_the_shop_is_asked_for_can_not_be_chosen(client, store):
    client.force_login(make_staff(store), backend="django.contrib.auth.backends.ModelBackend")
    cups = [make_category(store, name=f"Cups {n}", woo_id=n).pk for n in range(1, 102)]
    form = {"store": store.pk, "kind": "percent", "amount": 20, "points": 5, "position": 0}

    assert "Choose at most 100." in words(client.post(ADD, form | {"excluded_categories": cups}))
    assert client.post(ADD, form | {"excluded_categories": cups[1:]}).status_code == 302


@pytest.mark.parametrize("role", ["viewer", "agent"])
def test_who_may_not_choose_goods_reads_them(client, store, role):
    reward = make_reward(store, kind="percent", amount=Decimal(20), goods=goods_of(store))
    client.force_login(make_staff(store, Membership.Role(role)), backend="django.contrib.auth.backends.ModelBackend")

    page = words(client.get(f"/admin/loyalty/reward/{reward.pk}/change/"))

    assert "Only on: Chai. Not on goods of: Sweets." in page
    assert "But not these" not in page


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"kind": "percent", "amount": Decimal(20)},
            "Only on: Chai. Not on goods of: Sweets. Not on goods on sale.",
        ),
        (
            {"kind": "money"},
            "Only for orders with one of these: Chai. Not for orders with goods of: Sweets. Not for orders with goods on sale.",
        ),
    ],
)
def test_the_limits_are_told_before_and_after_and_asked_of_the_shop(client, at_shop, shop, fields, said):
    store = at_shop.store
    limits = {"goods": goods_of(store), "maximum_order": Decimal(900), "excludes_sale": True}
    reward = make_reward(store, 100, **fields | limits)
    sign_in(client, at_shop.customer.email)
    said = f"For orders of at most ₹900.00. {said}"
    for page in ("", f"{reward.pk}/", "about/"):
        assert said in words(client.get(f"/s/masala/rewards/{page}")), page

    redemption = redeem(at_shop, reward)
    Reward.objects.update(goods={}, maximum_order=None, excludes_sale=False)
    drain.drain_all()

    redemption.refresh_from_db()
    assert (redemption.state, Push.objects.get().outcome) == (Redemption.State.READY, Push.Outcome.CONFIRMED)
    coupon = shop.shop.coupon_by_code(redemption.code.lower())
    assert (coupon["product_ids"], coupon["excluded_product_categories"]) == ([71], [9])
    assert (Decimal(coupon["maximum_amount"]), coupon["exclude_sale_items"]) == (900, True)
    assert said in words(client.get(f"/s/masala/rewards/codes/{redemption.pk}/"))


def test_a_long_list_of_goods_says_how_many_more(store):
    goods = coupon_limits.described(
        {"products": [make_product(store, name=f"Cup {n}", woo_id=n) for n in range(1, 14)]}
    )
    reward = make_reward(store, kind="percent", amount=Decimal(5), goods=goods)

    assert coupon_limits.sentences(reward.terms)[0].endswith("Cup 9, Cup 10 and 3 more.")


def test_programs_choose_goods_by_their_numbers_in_the_shop(api_client, store):
    goods_of(store)
    api, root = api_client(store), "/api/v1/loyalty/rewards/"
    asked = {"kind": "percent", "amount": "20", "points": 5, "maximum_order": "900", "excludes_sale": True}

    made = api.post(root, asked | {"goods": {"products": [71], "excluded_categories": [9]}})

    assert made.status_code == 201, made.json()
    assert made.json()["goods"] == {
        "products": [71], "excluded_products": [], "categories": [], "excluded_categories": [9],
    }  # fmt: skip
    assert Reward.objects.get().goods["products"] == [{"id": 71, "name": "Chai"}]
    assert patch(api, made.json(), goods={}).json()["goods"]["products"] == []
    for wrong in (
        {"products": [72]}, {"things": [71]}, {"products": ["x"]}, {"products": [10**30]}, [71], {"products": [71], "categories": [9]},
    ):  # fmt: skip
        assert patch(api, made.json(), goods=wrong).status_code == 400, wrong
    assert patch(api, made.json(), maximum_order="5", minimum_order="6").status_code == 400
