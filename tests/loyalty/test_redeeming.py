"""Points become coupons of the shop: once for each form, whatever happens on the way."""

import re
import threading
import uuid
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone

from crm.events import recording
from crm.woocommerce import push
from crm.woocommerce.models import Push
from crm.work import drain
from loyalty import proof, redeeming, rewards
from loyalty.models import Account, LedgerEntry, Redemption, Reward
from postpurchase.demo import server
from tests.factories import (
    make_account,
    make_customer,
    make_member,
    make_order,
    make_program,
    make_reward,
    make_store,
    sign_in,
)

State = Redemption.State
pytestmark = pytest.mark.django_db


@pytest.fixture
def store():
    store = make_store(slug="masala", name="Masala House")
    make_program(store)
    return store


@pytest.fixture
def account(store):
    return make_account(make_customer(store, email="asha@mail.example"), 250)


@pytest.fixture
def reward(store):
    return make_reward(store, 100)


def redeem(account, reward, **fields):
    return redeeming.redeem(account.store, account.customer, reward.pk, **{"key": uuid.uuid4()} | fields)


def balance(account):
    return Account.objects.get(pk=account.pk).balance


def nothing_happened(account, points=250):
    return balance(account) == points and not Redemption.objects.exists() and not Push.objects.exists()


def test_points_entry_row_and_owed_coupon_are_made_together(account, reward):
    redemption = redeem(account, reward)

    row = Push.objects.get()
    assert (balance(account), redemption.state) == (150, "pending")
    assert (redemption.entry.points, redemption.entry.cause) == (-100, f"redemption:{redemption.pk}")
    assert (row.kind, row.key, row.customer) == ("coupon", f"redemption:{redemption.pk}", account.customer)
    assert (row.payload["code"], row.payload["usage_limit"]) == (redemption.code, 1)
    assert row.payload["email_restrictions"] == ["asha@mail.example"]
    assert row.payload["individual_use"] is True
    assert not list(proof.differences())


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"discount_type": "fixed_cart", "amount": "50", "free_shipping": False}),
        ({"kind": "percent", "amount": Decimal("12.5")}, {"discount_type": "percent", "amount": "12.5"}),
        ({"kind": "shipping", "amount": None}, {"amount": "0", "free_shipping": True}),
        ({"minimum_order": Decimal(500), "individual_use": False}, {"minimum_amount": "500", "individual_use": False}),
        ({"valid_days": None}, {"date_expires": None}),
    ],
)
def test_the_coupon_gives_what_the_reward_says(account, fields, expected):
    redeem(account, make_reward(account.store, **fields))

    assert expected.items() <= Push.objects.get().payload.items()


def test_a_code_lasts_to_the_end_of_a_day_by_the_shops_clock(account):
    redeem(account, make_reward(account.store, valid_days=30), at=datetime.fromisoformat("2026-12-01T20:00:00+00:00"))

    # In Kolkata it is the second of December already.
    assert Push.objects.get().payload["date_expires"] == "2027-01-01T23:59:59"


def test_codes_have_the_shops_letters_and_none_that_is_misread(store):
    codes = {redeeming.new_code(store) for _number in range(500)}

    assert len(codes) == 500
    assert all(re.fullmatch(r"MASA?A?-[2-9A-HJKMNP-Z]{5}-[2-9A-HJKMNP-Z]{5}", code) for code in codes)


def test_the_same_key_is_the_same_redemption(account, reward):
    key = uuid.uuid4()

    assert redeem(account, reward, key=key) == redeem(account, reward, key=key)

    assert (balance(account), Push.objects.count()) == (150, 1)


def test_a_key_is_good_for_one_reward_alone(account, reward):
    key = uuid.uuid4()
    redeem(account, reward, key=key)

    with pytest.raises(redeeming.BadToken):
        redeem(account, make_reward(account.store, 10), key=key)

    assert balance(account) == 150


def _elsewhere(account, reward):
    other = make_store()
    return make_reward(other)


def _leave(account, reward):
    make_member(account.customer, left_at=timezone.now() + timedelta(days=400), left_by="portal",
                points_until=timezone.now() + timedelta(days=500), joined_at=timezone.now() - timedelta(days=1))  # fmt: skip


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"points": 251}, redeeming.NotEnough),
        ({"active": False}, redeeming.NotOffered),
        ({"available_from": timezone.now() + timedelta(days=1)}, redeeming.NotOffered),
        ({"available_until": timezone.now() - timedelta(days=1)}, redeeming.NotOffered),
        ({"stock": 0}, redeeming.SoldOut),
        (_elsewhere, redeeming.NotOffered),
        (_leave, redeeming.NotAllowed),
    ],
)
def test_what_cannot_be_says_why_and_changes_nothing(account, reward, change, error):
    if callable(change):
        reward = change(account, reward) or reward
    else:
        Reward.objects.filter(pk=reward.pk).update(**change)

    with pytest.raises(error):
        redeem(account, reward)

    assert nothing_happened(account)


@pytest.mark.parametrize("change", [{"points": 90}, {"amount": 40}, {"valid_days": 10}])
def test_what_the_customer_did_not_see_is_not_sold(account, reward, change):
    seen = rewards.version(reward)
    Reward.objects.filter(pk=reward.pk).update(**change)

    with pytest.raises(redeeming.Changed):
        redeem(account, reward, seen=seen)

    assert nothing_happened(account)


@pytest.mark.parametrize("email", ["", "आशा@mail.example"])
def test_a_code_is_never_open_to_everybody(store, reward, email):
    account = make_account(make_customer(store, email=email), 250)

    with pytest.raises(redeeming.NoAddress):
        redeem(account, reward)

    assert nothing_happened(account)


def test_a_limit_counts_what_was_taken_and_not_what_failed(account):
    reward = make_reward(account.store, 100, per_customer=1)
    first = redeem(account, reward)
    with pytest.raises(redeeming.LimitReached):
        redeem(account, reward)

    push.withdraw(Push.objects.get(), timezone.now())

    assert Redemption.objects.get(pk=first.pk).state == State.FAILED
    assert redeem(account, reward).state == State.PENDING


def test_stock_goes_down_and_comes_back(account):
    reward = make_reward(account.store, 100, stock=1)
    redeem(account, reward)
    with pytest.raises(redeeming.SoldOut):
        redeem(account, reward)

    push.withdraw(Push.objects.get(), timezone.now())

    reward.refresh_from_db()
    assert (reward.stock, balance(account)) == (1, 250)


@pytest.fixture
def shop():
    with server.running() as demo:
        yield demo


@pytest.fixture
def at_shop(shop):
    keys = {"url": shop.url, "consumer_key": shop.key, "consumer_secret": shop.secret, "insecure": True}
    store = make_store(slug="masala", name="Masala House", **keys)
    make_program(store)
    return make_account(make_customer(store, email="asha@mail.example"), 250)


def test_the_shop_makes_the_coupon_and_the_code_comes_by_mail(at_shop, shop):
    redemption = redeem(at_shop, make_reward(at_shop.store))

    drain.drain_all()

    redemption.refresh_from_db()
    made = [row for row in shop.shop.rows["coupons"].values() if row["code"] == redemption.code.lower()]
    assert redemption.state == State.READY
    assert [(row["usage_limit"], row["email_restrictions"]) for row in made] == [(1, ["asha@mail.example"])]
    assert [sent.to for sent in mail.outbox] == [["asha@mail.example"]]
    assert redemption.code in mail.outbox[0].body
    assert "50.00 off" in mail.outbox[0].subject


def test_a_shop_that_is_down_costs_no_points_and_the_code_comes_later(at_shop, shop):
    shop.faults.append(lambda request, response: _away())
    redemption = redeem(at_shop, make_reward(at_shop.store))
    drain.drain_all()
    redemption.refresh_from_db()
    assert (redemption.state, balance(at_shop), mail.outbox) == (State.PENDING, 150, [])

    shop.faults.clear()
    drain.drain_all(at=timezone.now() + timedelta(hours=1))

    redemption.refresh_from_db()
    assert (redemption.state, balance(at_shop), len(mail.outbox)) == (State.READY, 150, 1)


def _away():
    from postpurchase.demo.http import Response

    return Response(503, b"")


def test_what_the_shop_refuses_gives_the_points_back_and_says_so(at_shop, shop):
    redemption = redeem(at_shop, make_reward(at_shop.store))
    shop.shop.add_coupon(code=redemption.code, amount="5")

    drain.drain_all()

    redemption.refresh_from_db()
    assert (redemption.state, balance(at_shop)) == (State.FAILED, 250)
    assert redemption.returned.kind == LedgerEntry.Kind.RETURN
    assert mail.outbox[0].subject == "Your points are back"
    assert "100 points are back on your account" in mail.outbox[0].body
    assert not list(proof.differences())


def test_a_coupon_that_comes_after_the_points_is_taken_away(account, reward):
    redemption = redeem(account, reward)
    row = Push.objects.get()
    push.withdraw(row, timezone.now())

    row.refresh_from_db()
    redeeming.confirmed(row)

    removal = Push.objects.get(kind="coupon_removal")
    assert removal.payload == {"code": redemption.code}
    assert balance(account) == 250


def test_other_coupons_are_none_of_its_business(account, reward):
    redemption = redeem(account, reward)
    stranger = push.queue(account.store, "coupon", "api:1", {"code": "TEN", "discount_type": "percent", "amount": "10"})

    redeeming.confirmed(stranger)

    redemption.refresh_from_db()
    assert redemption.state == State.PENDING


def test_a_used_code_and_an_expired_one_are_noted(account, reward):
    used, gone = redeem(account, reward), redeem(account, reward)
    Redemption.objects.update(state=State.READY)
    order = make_order(account.store, account.customer)
    data = {"code": used.code.lower(), "currency": "INR"}
    recording.record(
        "coupon.used", account.store, f"{order.woo_id}:{used.code}", customer=account.customer, order=order, data=data,
        occurred_at=timezone.now(),
    )  # fmt: skip
    drain.drain_all()

    redeeming.expire(account.store, timezone.now() + timedelta(days=100))

    used.refresh_from_db()
    gone.refresh_from_db()
    assert (used.state, used.order, gone.state) == (State.USED, order, State.EXPIRED)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("same_key", [True, False])
def test_however_many_ask_at_once_points_are_spent_once(same_key):
    store = make_store()
    make_program(store)
    account, reward = make_account(make_customer(store), 300), make_reward(store, 100)
    key, begin, answers = uuid.uuid4(), threading.Barrier(16), []

    def ask():
        try:
            begin.wait(20)
            answers.append(redeem(account, reward, key=key if same_key else uuid.uuid4()).pk)
        except redeeming.NotEnough:
            answers.append(None)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    made = {pk for pk in answers if pk}
    assert len(answers) == 16
    assert len(made) == Redemption.objects.count() == Push.objects.count() == (1 if same_key else 3)
    assert balance(account) == (200 if same_key else 0)
    assert not list(proof.differences())


# --- portal ---


@pytest.fixture
def visit(client, account):
    sign_in(client, account.customer.email)
    return lambda path="", **form: (
        client.post(f"/s/masala/rewards/{path}", form) if form else client.get(f"/s/masala/rewards/{path}")
    )


def words(response):
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).replace("&#x27;", "'").split())


def token_on(response):
    return re.search(r'name="token" value="([^"]+)"', response.content.decode())[1]


def test_the_shelf_says_how_each_reward_stands(visit, account, django_assert_max_num_queries):
    store = account.store
    make_reward(store, 100)
    make_reward(store, 337, kind="percent", amount=Decimal(20))
    make_reward(store, 10, kind="shipping", amount=None, stock=0)
    make_reward(store, 20, active=False, description="Hidden")

    page = words(visit())

    assert "You have 250 points" in page
    assert "₹50.00 off 100 points Not together with other codes. The code is valid for 90 days. Choose this" in page
    assert "20% off 337 points" in page
    assert "87 more points" in page
    assert "Free shipping 10 points Not together with other codes. The code is valid for 90 days. Sold out" in page
    assert "Hidden" not in page
    for number in range(10):
        make_reward(store, 1 + number)
        redeem(account, Reward.objects.last())
    with django_assert_max_num_queries(20):
        visit()


def test_choosing_asks_first_and_a_double_click_is_one_redemption(visit, account, reward):
    asked = visit(f"{reward.pk}/")
    assert "It costs 100 points. 150 points are left then." in words(asked)

    token = token_on(asked)
    answers = [visit(f"{reward.pk}/", token=token) for _click in range(2)]

    assert [answer.status_code for answer in answers] == [302, 302]
    assert (balance(account), Redemption.objects.count()) == (150, 1)
    assert "The shop is making your code." in words(visit())


def test_a_ready_code_is_shown_with_its_last_day(visit, account, reward):
    redemption = redeem(account, reward)
    assert redemption.code not in visit().content.decode()

    Redemption.objects.update(state=State.READY)

    page = visit().content.decode()
    assert f'value="{redemption.code}" readonly' in page
    assert "It works once." in page


def test_a_stale_page_is_told_so(visit, account, reward):
    token = token_on(visit(f"{reward.pk}/"))
    Reward.objects.update(points=200)

    answer = visit(f"{reward.pk}/", token=token)

    assert answer.status_code == 409
    assert "The shop has changed this reward since you saw it." in words(answer)
    assert nothing_happened(account)


def test_a_forged_or_borrowed_token_is_refused(visit, account, reward):
    stranger = make_customer(account.store)
    dear = make_reward(account.store, 240)
    bad = [
        "",
        "x",
        token_on(visit(f"{reward.pk}/"))[:-1],
        redeeming.token(reward, stranger),
        redeeming.token(dear, account.customer),
    ]

    answers = [visit(f"{reward.pk}/", token=token) for token in bad]

    assert [answer.status_code for answer in answers] == [400] * 5
    assert nothing_happened(account)


def test_who_can_not_take_it_is_sent_back_to_the_shelf(visit, account):
    dear = make_reward(account.store, 251)

    assert visit(f"{dear.pk}/")["Location"] == "/s/masala/rewards/"
    assert visit("999999/")["Location"] == "/s/masala/rewards/"


def test_the_statement_names_the_reward(visit, client, account, reward):
    redeem(account, reward)
    push.withdraw(Push.objects.get(), timezone.now())

    page = words(client.get("/s/masala/points/"))

    assert "Reward: ₹50.00 off" in page
    assert "Given back: ₹50.00 off" in page


# --- API ---


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
