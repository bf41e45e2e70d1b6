"""Points become store credit: at once, once, and back again while none of it is spent."""

import itertools
import uuid
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from crm.messaging.models import Message
from crm.woocommerce.models import Push
from loyalty import ledger, proof, redeeming, redemptions, spending
from loyalty.models import Account, Redemption, Reward
from tests.factories import make_account, make_customer, make_guest, make_program, make_reward, make_staff, make_store
from tests.loyalty.rewards.test_killed import Deaths

from .taking import at_once, redeem, token_on, words

State = Redemption.State
pytestmark = pytest.mark.django_db


def credit_for(account, points=100, amount="12.50", **fields):
    return make_reward(account.store, points, kind="store_credit", amount=Decimal(amount), **fields)


def held(account):
    assert not list(proof.differences())
    return dict(Account.objects.filter(customer=account.customer_id).values_list("unit", "balance"))


def hand_back(redemption):
    return redemptions.hand_back(redemption.store, redemption.pk, timezone.now())


def test_points_are_credit_at_once_and_the_customer_is_told(visit, account, client):
    reward = credit_for(account, stock=2, per_customer=1)
    assert "Store credit: ₹12.50 100 points It is there at once" in words(visit())
    form = {"token": token_on(visit(f"{reward.pk}/"))}
    first, again = (visit(f"{reward.pk}/", **form) for _click in range(2))

    assert (first.status_code, first.url) == (302, again.url)
    assert held(account) == {"points": 150, "INR": 1250}
    assert (Redemption.objects.get().state, Push.objects.count(), Reward.objects.get().stock) == (State.GIVEN, 0, 1)
    assert Message.objects.get().context["amount"] == "₹12.50"
    assert "It is part of your store credit" in words(client.get(first.url))
    assert "For 100 points" in words(client.get("/s/masala/credit/"))
    assert "Reward: Store credit: ₹12.50" in words(client.get("/s/masala/points/statement/"))
    with pytest.raises(redeeming.LimitReached):
        redeem(account, reward)


def test_it_goes_back_while_none_of_it_is_spent(visit, account, client):
    reward = credit_for(account, stock=1)
    redemption = redeem(account, reward)
    code = spending.spend(account.store, account.customer, Decimal("0.01"), key=uuid.uuid4())
    page = f"/s/masala/rewards/codes/{redemption.pk}/"
    refused = client.post(page, {"hand": "back"})

    assert (refused.status_code, "Some of this credit has been spent" in words(refused)) == (409, True)
    assert "Hand it back" not in words(client.get(page))
    assert held(account) == {"points": 150, "INR": 1249}

    # What was spent came back, so it is whole again.
    redemptions._give_back(code, State.FAILED)
    assert "Hand it back" in words(client.get(page))
    said = words(client.post(page, {"hand": "back"}, follow=True))
    assert "Your points are on your account again" in said
    hand_back(redemption)

    assert held(account) == {"points": 250, "INR": 0}
    assert Reward.objects.get().stock == 1
    assert "Handed back for 100 points" in words(client.get("/s/masala/credit/"))


def test_other_credit_does_not_stand_in_for_it(account):
    first, second = (redeem(account, credit_for(account)) for _time in range(2))
    spending.spend(account.store, account.customer, Decimal("1"), key=uuid.uuid4())

    with pytest.raises(redemptions.CannotHandBack):
        hand_back(first)
    hand_back(second)

    assert held(account) == {"points": 150, "INR": 1150}


def test_credit_that_moved_on_to_a_joined_customer_stays_there(store):
    account = make_account(make_guest(store, email="asha@mail.example"), 250)
    redemption = redeem(account, credit_for(account))
    customer = make_customer(store, email="asha@mail.example")
    account.customer.joined_to = customer
    account.customer.save(update_fields=["joined_to"])
    ledger.join(store, [account.customer_id])

    with pytest.raises(redemptions.CannotHandBack):
        hand_back(redemption)

    assert held(customer.accounts.get(unit="INR")) == {"points": 150, "INR": 1250}


def test_a_customer_without_an_address_gets_it_and_one_of_another_currency_does_not(account):
    reward = credit_for(account, amount="12.5")
    type(account.store).objects.update(currency="JPY")
    account.store.refresh_from_db()
    with pytest.raises(redeeming.NotOffered):
        redeem(account, reward)
    assert held(account) == {"points": 250}
    Reward.objects.update(amount=500)
    assert redeem(make_account(make_customer(account.store, email=""), 100), reward).words == "Store credit: ¥500"


@pytest.mark.parametrize("fields", [{"amount": None}, {"amount": 0}])
def test_the_database_wants_an_amount(account, fields):
    with pytest.raises(IntegrityError), transaction.atomic():
        make_reward(account.store, **{"kind": "store_credit"} | fields)


def test_staff_hear_of_an_amount_that_nobody_can_pay(account, client):
    client.force_login(make_staff(account.store), backend="django.contrib.auth.backends.ModelBackend")
    form = {"store": account.store_id, "kind": "store_credit", "amount": "0.001", "points": 5, "position": 0}
    assert "So little of it" in words(client.post("/admin/loyalty/reward/add/", form))
    assert client.post("/admin/loyalty/reward/add/", form | {"amount": "0.01"}).status_code == 302
    with pytest.raises(ValidationError, match="So little"):
        credit_for(account, amount="0.001").full_clean()


def test_a_program_takes_it_and_hands_it_back(api_client, account):
    api, root = api_client(account.store), "/api/v1/loyalty/redemptions/"
    asked = {"customer": account.customer_id, "reward": credit_for(account).pk}
    first, again = (api.post(root, asked, headers={"Idempotency-Key": "k"}) for _time in range(2))

    assert (first.status_code, again.json()) == (201, first.json())
    assert (first.json()["state"], first.json()["code"]) == ("given", None)
    assert [row["amount"] for row in api.get("/api/v1/loyalty/credit-entries/").json()["results"]] == ["12.50"]
    assert api.get(f"{root}?kind=store_credit").json()["results"] == [first.json()]
    assert api.post(f"{root}{first.json()['id']}/hand-back/").json()["state"] == "returned"
    assert held(account) == {"points": 250, "INR": 0}


@pytest.mark.django_db(transaction=True)
def test_both_units_move_or_none_wherever_the_process_dies(monkeypatch):
    store = make_store()
    make_program(store)
    account = make_account(make_customer(store), 250)
    reward, deaths = credit_for(account, 1, "0.01"), Deaths(monkeypatch)
    for steps in itertools.count():
        points, key = held(account)["points"], uuid.uuid4()
        done = deaths.survives(steps, lambda key=key: redeem(account, reward, key=key))
        assert held(account)["points"] in (points, points - 1)
        redemption = redeem(account, reward, key=key)
        assert held(account) == {"points": points - 1, "INR": 1}, steps

        deaths.survives(steps, lambda redemption=redemption: hand_back(redemption))
        hand_back(redemption)
        assert held(account) == {"points": points, "INR": 0}, steps
        if done:
            break
    assert steps > 10


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("same_key", [True, False])
def test_however_many_ask_at_once_nothing_is_made_of_nothing(same_key):
    store = make_store()
    make_program(store)
    account = make_account(make_customer(store), 350)
    reward, key = credit_for(account), uuid.uuid4()

    def ask():
        try:
            taken = redeem(account, reward, key=key if same_key else uuid.uuid4())
        except redeeming.NotEnough:
            return None
        return hand_back(taken) if taken.pk % 2 else taken

    answers = at_once(24, ask)

    kept = Redemption.objects.filter(state=State.GIVEN).count()
    assert len(answers) == 24
    assert held(account) == {"points": 350 - 100 * kept, "INR": 1250 * kept}
    if same_key:
        assert Redemption.objects.count() == 1
