"""An account that staff check: nothing is bought with it, nothing is lost, and the customer reads why."""

import re
import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from crm.messaging import holds
from crm.messaging.models import Hold
from crm.orders import erasing
from crm.stores import formats
from loyalty import expiry, freezes, ledger, members, redeeming, spending
from loyalty.models import Freeze, Program, Redemption
from tests.factories import (
    make_account,
    make_credit,
    make_customer,
    make_gift,
    make_guest,
    make_program,
    make_redemption,
    make_reward,
    make_staff,
    make_store,
    sign_in,
)
from tests.loyalty.test_portal import words

pytestmark = pytest.mark.django_db


@pytest.fixture
def store():
    store = make_store(slug="masala")
    make_program(store)
    return store


@pytest.fixture
def account(store):
    return make_account(make_customer(store), 500)


@pytest.fixture
def owner(store):
    return make_staff(store)


def freeze(account, by, note="", at=None):
    row, _new = freezes.place(account.store, account.customer, "Odd orders", note, by, at or timezone.now())
    return row


def test_owners_freeze_an_account_and_let_it_go_on(client, store, account, owner):
    client.force_login(owner)
    page = f"/admin/loyalty/account/{account.pk}/"
    shown = client.get(f"{page}change/").content.decode()
    assert f"{page}freeze/" in shown and f"{page}unfreeze/" not in shown
    assert "can take no rewards" in client.get(f"{page}freeze/").content.decode()
    assert client.post(f"{page}freeze/", {"reason": ""}).status_code == 200 and not Freeze.objects.exists()

    for _click in range(2):
        answer = client.post(f"{page}freeze/", {"reason": "Odd orders", "note": "We call you."}, follow=True)

    row = Freeze.objects.get()
    assert (row.placed_by, row.note, row.lifted_at) == (owner, "We call you.", None)
    shown = answer.content.decode()
    assert f"{page}unfreeze/" in shown and "Odd orders" in shown and f"({owner})" in shown
    assert str(account.customer) in client.get("/admin/loyalty/account/?frozen=yes").content.decode()
    assert "Frozen: Odd orders" in client.get(f"{page}history/").content.decode()
    assert "can take rewards again" in client.get(f"{page}unfreeze/").content.decode()
    client.post(f"{page}unfreeze/")
    row.refresh_from_db()
    assert row.lifted_by == owner and row.lifted_at >= row.placed_at
    assert not holds.is_held(store.pk, account.customer_id, "", timezone.now())
    told = account.customer.events.order_by("pk").values_list("type", flat=True)
    assert list(told)[-2:] == ["account.frozen", "account.unfrozen"]


def test_nothing_is_bought_with_a_frozen_account(client, api_client, store, account, owner):
    reward, credit = make_reward(store, 100), make_credit(account.customer, 5000)
    kept = make_redemption(account, reward, code="MASALA-KEPT")
    sign_in(client, account.customer.email)
    asked = client.get(f"/s/masala/rewards/{reward.pk}/").content.decode()
    token = re.search(r'name="token" value="([^"]+)"', asked)[1]
    money = spending.token(store, account.customer)
    row = freeze(account, owner, "We call you.")
    said = f"The shop has been checking your account since {formats.day(row.placed_at, store.timezone)}."

    taken = client.post(f"/s/masala/rewards/{reward.pk}/", {"token": token})
    spent = client.post("/s/masala/credit/", {"token": money, "amount": "5"})
    api = api_client(store)
    called = api.post("/api/v1/loyalty/redemptions/", {"customer": account.customer_id, "reward": reward.pk})

    assert (taken.status_code, spent.status_code, called.status_code) == (409, 400, 400)
    assert said in words(taken) and said in words(spent) and said in called.content.decode()
    assert Redemption.objects.get() == kept
    account.refresh_from_db()
    credit.refresh_from_db()
    assert (account.balance, credit.balance) == (500, 5000)
    accounts = api.get("/api/v1/loyalty/accounts/").json()["results"]
    assert [bool(found["frozen_since"]) for found in accounts] == [True]

    freezes.lift(store, account.customer, owner, timezone.now())
    assert client.post(f"/s/masala/rewards/{reward.pk}/", {"token": token}).status_code == 302
    assert spending.spend_by_token(store, account.customer, Decimal(5), money, timezone.now())


def test_the_customer_reads_why_and_until_when(client, store, account, owner):
    reward = make_reward(store, 100)
    make_credit(account.customer, 5000)
    sign_in(client, account.customer.email)
    row = freeze(account, owner, "We <b>call</b> you.", timezone.now() - timedelta(days=3))
    said = f"since {formats.day(row.placed_at, store.timezone)}. Your points stay yours, none of them expire"

    pages = {path: client.get(f"/s/masala/{path}/") for path in ("points", "rewards", "credit")}

    for path, page in pages.items():
        assert said in words(page) and "We &lt;b&gt;call&lt;/b&gt; you." in words(page), path
        assert (
            "Odd orders" not in words(page) and "Choose this" not in words(page) and "Get the code" not in words(page)
        )
    assert "On hold" in words(pages["rewards"])
    assert client.get(f"/s/masala/rewards/{reward.pk}/").url == "/s/masala/rewards/"


def test_nothing_expires_of_a_frozen_account_and_earning_goes_on(client, store, account, owner):
    Program.objects.update(expiry="lot", expiry_months=12)
    now, other = timezone.now(), make_account(make_customer(store))
    for each in (account, other):
        ledger.earn(each, 30, "order:1:1", at=now - timedelta(days=370))
    expiry.run(store, now)
    freeze(account, owner, at=now)
    client.force_login(owner)
    client.post("/admin/messaging/hold/", {"action": "lift", "_selected_action": [Hold.objects.get().pk]})

    assert expiry.run(store, now + timedelta(days=9)) == 1
    other.refresh_from_db()
    assert other.balance == 0
    assert ledger.earn(account, 10, "review:1").balance_after == 540


def test_who_left_keeps_the_points_while_the_account_is_frozen(store, account, owner):
    now = timezone.now()
    row = members.leave(Program.objects.get(), account.customer, "portal", now)
    freeze(account, owner, at=now)
    over = row.points_until + timedelta(hours=1)

    assert members.drop_points(store, over) == 0
    account.refresh_from_db()
    assert account.balance == 500

    freezes.lift(store, account.customer, owner, over)
    assert members.drop_points(store, over + timedelta(hours=1)) == 1
    account.refresh_from_db()
    assert account.balance == 0


def test_a_guests_freeze_holds_for_the_customer_they_turn_out_to_be(store, owner):
    guest = make_guest(store, email="asha@mail.example")
    freeze(make_account(guest, 10), owner)
    customer = make_customer(store, email="asha@mail.example")
    make_account(customer, 100)
    guest.joined_to = customer
    guest.save(update_fields=["joined_to"])

    with pytest.raises(redeeming.Frozen):
        redeeming.require_unfrozen(store, customer)

    assert freezes.lift(store, customer, owner, timezone.now()) == 1
    redeeming.require_unfrozen(store, customer)


def test_why_it_was_frozen_goes_with_the_person(client, store, account, owner):
    card = make_redemption(account, make_reward(store, kind="gift_card"))
    make_gift(card)
    client.force_login(owner)
    for page in (f"account/{account.pk}", f"creditaccount/{make_credit(account.customer, 10).pk}"):
        client.post(f"/admin/loyalty/{page}/freeze/", {"reason": "Odd orders", "note": "We call you."})
        client.post(f"/admin/loyalty/{page}/unfreeze/")
    asked = {"points": -5, "reason": "Asha rang", "cause": uuid.uuid4()}
    client.post(f"/admin/loyalty/account/{account.pk}/adjust/", asked)
    client.post(f"/admin/loyalty/redemption/{card.pk}/end/", {"reason": "Stolen by Ravi"})
    other = make_account(make_customer(store), 5)
    client.post(f"/admin/loyalty/account/{other.pk}/freeze/", {"reason": "Odd, too"})
    log = LogEntry.objects.filter(user=owner)
    assert log.count() == 7

    found = erasing.erase(erasing.of_customer(account.customer, timezone.now())).found

    assert (found["Frozen accounts"], found["Entries of the admin's log"]) == (2, 6)
    assert set(Freeze.objects.of(account.customer_id).values_list("reason", "note", "placed_by")) == {
        ("", "", owner.pk)
    }
    said = set(log.values_list("object_repr", "change_message"))
    assert said == {("[erased]", "[erased]"), (str(other), "Frozen: Odd, too")}
    history = words(client.get(f"/admin/loyalty/account/{account.pk}/history/"))
    assert "[erased]" in history and "Odd" not in history
