"""Credit becomes a code of the shop, and what an order does not use of it is credit again."""

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from crm.work import drain
from loyalty import redeeming, redemptions, spending
from loyalty.models import Account, Redemption
from tests.factories import make_credit, make_customer, make_store, sign_in

from .making import change, in_shop, order_with, ready, spend, stands

pytestmark = pytest.mark.django_db
State = Redemption.State


@pytest.fixture
def account():
    return make_credit(make_customer(make_store(slug="masala", name="Masala House"), email="asha@mail.example"), 2500)


def words(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def test_credit_becomes_a_coupon_for_this_customer_and_comes_back_when_it_is_handed_back(client, at_shop, shop):
    sign_in(client, "asha@mail.example")
    page = client.get("/s/masala/credit/").content.decode()
    form = {"amount": "20.50", "token": re.search(r'name="token" value="([^"]+)"', page)[1]}
    first, again = (client.post("/s/masala/credit/", form) for _click in range(2))
    drain.drain_all()

    redemption = Redemption.objects.get()
    coupon = in_shop(shop, redemption)
    assert (first.status_code, first.url) == (302, again.url)
    assert (coupon["amount"], coupon["discount_type"], coupon["usage_limit"]) == ("20.50", "fixed_cart", 1)
    assert coupon["email_restrictions"] == ["asha@mail.example"]
    assert stands(redemption) == (State.READY, 450)
    assert redemption.code in mail.outbox[-1].body
    assert redemption.code in client.get(first.url).content.decode()
    assert "Store credit: ₹20.50" in words(client.get("/s/masala/credit/"))
    assert redemption.code not in words(client.get("/s/masala/rewards/"))

    said = words(client.post(first.url, {"hand": "back"}, follow=True))
    assert "Your credit comes back as soon as it has." in said
    drain.drain_all()
    assert stands(redemption) == (State.RETURNED, 2500)
    assert in_shop(shop, redemption)["status"] == "trash"
    assert "₹20.50 are back on your store credit" in mail.outbox[-1].subject


def test_two_open_pages_make_one_code_of_an_amount(client, account):
    sign_in(client, "asha@mail.example")

    def shown():
        return re.search(r'name="token" value="([^"]+)"', client.get("/s/masala/credit/").content.decode())[1]

    tabs = [shown(), shown(), shown()]
    answers = [
        client.post("/s/masala/credit/", {"amount": amount, "token": token})
        for token, amount in zip(tabs, ["5", "5.00", "7"], strict=True)
    ]
    on_purpose = client.post("/s/masala/credit/", {"amount": "5", "token": shown()})

    assert answers[0].url == answers[1].url
    assert len({answer.url for answer in [*answers, on_purpose]}) == 3
    assert Account.objects.get(pk=account.pk).balance == 2500 - 500 - 700 - 500


@pytest.mark.parametrize(
    ("amount", "said", "status"),
    [
        ("25.01", "You have credit of ₹25.00", 409), ("0", "type an amount", 400), ("-1", "type an amount", 400),
        ("0.001", "type an amount", 400), ("1e309", "type an amount", 400), ("NaN", "type an amount", 400), ("", "type an amount", 400),
    ],
)  # fmt: skip
def test_what_can_not_be_spent_is_told_and_changes_nothing(client, account, amount, said, status):
    sign_in(client, "asha@mail.example")
    form = {"amount": amount, "token": spending.token(account.store, account.customer)}
    answer = client.post("/s/masala/credit/", form)

    assert (answer.status_code, said in words(answer)) == (status, True)
    assert not Redemption.objects.exists()


def test_a_token_of_somebody_else_makes_nothing_and_a_used_key_of_somebody_else_tells_nothing(client, account):
    other = make_credit(make_customer(account.store), 5000)
    sign_in(client, "asha@mail.example")
    form = {"amount": "5", "token": spending.token(account.store, other.customer)}
    assert client.post("/s/masala/credit/", form).status_code == 400
    theirs = spend(other)
    with pytest.raises(redeeming.BadToken):
        spend(account, key=theirs.key)
    assert client.get(f"/s/masala/rewards/codes/{theirs.pk}/").status_code == 404
    assert Redemption.objects.get() == theirs


@pytest.mark.parametrize(("includes_tax", "back"), [(False, 800), (True, 700)])
def test_what_an_order_does_not_use_comes_back_once_it_is_paid(account, includes_tax, back):
    redemption = ready(account)
    order = order_with(redemption, "12.00", prices_include_tax=includes_tax, is_paid=False, status="pending")
    change(order)
    assert stands(redemption) == (State.READY, 500)

    change(order, is_paid=True, status="processing")

    assert stands(redemption) == (State.USED, 500 + back)
    assert redemption.returned.points == back


def test_an_order_that_changes_uses_more_or_less(account):
    redemption = ready(account)
    order = order_with(redemption, "12.00")
    change(order)
    for discount, balance in [("5", 2000), ("20", 500), ("21", 500), ("7.5", 1750), ("0", 2500)]:
        change(order, coupon_lines=[{"code": redemption.code.lower(), "discount": discount}])
        assert stands(redemption) == (State.USED, balance)
    change(order, status="refunded", is_paid=False)
    assert stands(redemption) == (State.USED, 2500)


def test_a_refunded_order_gives_all_of_it_back(account):
    redemption = ready(account)
    order = order_with(redemption, "12.00")
    change(order)
    change(order, status="refunded", is_paid=False)

    assert stands(redemption) == (State.USED, 2500)


def test_a_cancelled_order_frees_the_code_and_a_part_that_is_back_is_not_spent_twice(at_shop, shop):
    redemption = spend(at_shop)
    drain.drain_all()
    order = order_with(redemption, "20.00")
    change(order)
    change(order, status="cancelled")
    assert stands(redemption) == (State.READY, 500)

    change(order, status="processing", coupon_lines=[{"code": redemption.code.lower(), "discount": "15.00"}])
    assert stands(redemption) == (State.USED, 1000)
    change(order, status="cancelled")
    assert stands(redemption) == (State.RETURNING, 1000)
    drain.drain_all()
    assert stands(redemption) == (State.RETURNED, 2500)


def test_a_code_that_was_used_again_before_it_could_be_taken_back_pays_the_second_order(at_shop, shop):
    redemption = spend(at_shop)
    drain.drain_all()
    first = order_with(redemption, "15.00")
    change(first)
    change(first, status="cancelled")
    in_shop(shop, redemption)["usage_count"] = 1
    second = order_with(redemption, "18.00")
    drain.drain_all()

    assert stands(redemption) == (State.USED, 700)
    assert redemption.order == second
    change(second, status="refunded", is_paid=False)
    assert stands(redemption) == (State.USED, 2500)


def test_an_expired_code_is_credit_again(at_shop, shop):
    redemption = spend(at_shop)
    drain.drain_all()
    Redemption.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    redemptions.expire(at_shop.store, timezone.now())
    drain.drain_all()

    assert stands(redemption) == (State.RETURNED, 2500)


def test_a_joined_guests_code_gives_its_rest_to_the_customer(account):
    redemption = ready(account)
    customer = make_customer(account.store, email="asha@mail.example")
    account.customer.joined_to = customer
    account.customer.save(update_fields=["joined_to"])
    change(order_with(redemption, "12.00"))

    assert stands(redemption)[0] == State.USED
    assert customer.accounts.get(unit="INR").balance == 1300


def test_a_program_turns_credit_into_a_code_and_hands_it_back(api_client, account):
    api, root = api_client(account.store), "/api/v1/loyalty/credit-codes/"
    asked = {"customer": account.customer_id, "amount": "20.00"}
    first, again = (api.post(root, asked, headers={"Idempotency-Key": "k"}) for _time in range(2))
    refused = api.post(root, asked)

    made = first.json()
    assert (first.status_code, again.json(), refused.status_code) == (201, made, 400)
    assert (made["amount"], made["currency"], made["state"], made["code"]) == ("20.00", "INR", "pending", None)
    Redemption.objects.update(state=State.READY)
    assert api.post(f"{root}{made['id']}/hand-back/").json()["state"] == "returning"
    assert [row["id"] for row in api.get(f"{root}?email=asha@mail.example").json()["results"]] == [made["id"]]
    assert api.get("/api/v1/loyalty/redemptions/").json()["results"] == []
