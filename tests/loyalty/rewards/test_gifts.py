"""Points become a gift card: one code for anybody, one mail to whom it is for, and a page that shows it."""

import itertools
import re
import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core import mail
from django.utils import timezone

from crm.messaging.models import Message, Suppression
from crm.orders import erasing
from crm.woocommerce import push
from crm.woocommerce.models import Push
from crm.work import drain
from loyalty import gifts, proof, redeeming, redemptions, tasks
from loyalty.models import Gift, Redemption
from tests.factories import (
    make_account,
    make_customer,
    make_program,
    make_reward,
    make_staff,
    make_store,
    sign_in,
)
from tests.loyalty.credit.making import change, order_with

from .taking import at_once, balance, nothing_happened, redeem, token_on, words
from .test_killed import Deaths, come_to_rest

State = Redemption.State
pytestmark = pytest.mark.django_db
FRIEND = "priya@friends.example"


def card_for(account, points=100, **fields):
    return make_reward(account.store, points, kind="gift_card", amount=Decimal(500), **fields)


def give(account, recipient=FRIEND, message="", reward=None, **fields):
    return redeem(account, reward or card_for(account, 1), gift=gifts.Wish(recipient, message), **fields)


def ready(account, recipient=FRIEND, **fields):
    """The shop has the code."""
    redemption = give(account, recipient, **fields)
    redemptions.confirmed(Push.objects.latest("pk"))
    redemption.refresh_from_db()
    return redemption


def lose(outcome="bounced", **fields):
    Message.objects.filter(kind="gift-card").update(outcome=outcome, state="done", **fields)


def test_a_card_is_made_mailed_shown_and_used(client, at_shop, shop):
    sign_in(client, "asha@mail.example")
    reward = card_for(at_shop, stock=3)
    assert "Gift card: ₹500.00 100 points The code works once" in words(client.get("/s/masala/rewards/"))
    asked = client.get(f"/s/masala/rewards/{reward.pk}/")
    form = {"token": token_on(asked), "recipient": f" {FRIEND.upper()} ", "message": "Happy birthday,\r\nPriya!"}
    first, again = (client.post(asked.request["PATH_INFO"], form) for _click in range(2))
    drain.drain_all()

    redemption = Redemption.objects.get()
    [coupon] = [row for row in shop.shop.rows["coupons"].values() if row["code"] == redemption.code.lower()]
    assert (first.url, balance(at_shop), redemption.state) == (again.url, 150, State.READY)
    assert (coupon["amount"], coupon["discount_type"], coupon["usage_limit"]) == ("500.00", "fixed_cart", 1)
    assert coupon["email_restrictions"] == []
    sent = {message.to[0]: message for message in mail.outbox}
    assert sorted(sent) == ["asha@mail.example", FRIEND]
    body = sent[FRIEND].body
    assert "Asha Kulkarni gives you ₹500.00 to spend at Masala House." in body
    assert "“Happy birthday, Priya!”" in body
    assert redemption.code in body
    assert FRIEND not in sent["asha@mail.example"].body
    page = re.search(r"https?://\S+(/g/\S+)", body)[1]
    client.logout()
    shown = words(client.get(page))
    assert "Asha Kulkarni has a gift for you" in shown
    assert redemption.code in client.get(page).content.decode()
    assert "points" not in shown
    drain.drain_all()
    assert len(mail.outbox) == 2

    change(order_with(redemption, "500.00"))
    assert "has been used" in words(client.get(page))
    assert redemption.code not in client.get(page).content.decode()


def test_the_giver_sees_what_became_of_it(visit, account, client):
    redemption = ready(account)
    page = f"codes/{redemption.pk}/"
    assert f"for {FRIEND}: on its way" in words(visit())
    for outcome, said in [
        ("sent", ": sent"),
        ("unknown", "may not have arrived"),
        ("failed", "could not be delivered"),
    ]:
        lose(outcome, sent_at=timezone.now())
        assert said in words(visit(page))
        assert redemption.code in visit(page).content.decode()
    assert "Please give the code or the link yourself" in words(visit(page))
    client.force_login(make_staff(account.store), backend="django.contrib.auth.backends.ModelBackend")
    found = words(client.get(f"/admin/loyalty/redemption/{redemption.pk}/change/"))
    assert f"{FRIEND} · Could not be delivered" in found
    assert redemption.code in words(client.get(f"/admin/loyalty/redemption/?q={FRIEND}"))


@pytest.mark.parametrize("outcome", ["bounced", "failed", "skipped"])
def test_a_mail_that_did_not_arrive_is_told_to_the_giver_once(account, outcome):
    ready(account)
    lose(outcome, skip_reason="suppressed" if outcome == "skipped" else "")
    for _hour in range(2):
        tasks.each_hour()

    told = Message.objects.get(kind="gift-undelivered")
    assert (told.recipient, FRIEND in str(told.context)) == ("asha@mail.example", False)


def test_the_mail_says_what_the_code_asks_for(account):
    ready(account, reward=card_for(account, minimum_order=Decimal(999), individual_use=True, valid_days=30))
    drain.drain_all()

    body = next(message for message in mail.outbox if message.to == [FRIEND]).body
    for sentence in ("The code works once", "For orders of at least ₹999.00.", "Not together with other codes."):
        assert body.count(sentence) == 1
    assert "30 days" not in body
    hindi = gifts.conditions(Redemption.objects.get(), "hi")
    assert len(hindi) == 3
    assert "Not together with other codes." not in hindi


def test_an_address_that_wants_no_mail_gets_none(account):
    Suppression.objects.create(store=account.store, email=FRIEND, reason="complaint")
    ready(account)
    drain.drain_all()

    assert [message.to for message in mail.outbox] == [["asha@mail.example"]]
    assert Gift.objects.get().delivery == "undelivered"


def test_a_card_that_was_sent_is_kept_and_one_that_was_not_can_be_handed_back(account, visit):
    sent, own = ready(account), ready(account, "")
    answer = visit(f"codes/{sent.pk}/", hand="back")
    assert (answer.status_code, "has been sent, so it can't be handed back" in words(answer)) == (409, True)
    assert "for you to hand over" in words(visit(f"codes/{own.pk}/"))
    assert Message.objects.filter(kind="gift-card").count() == 1
    lose("bounced")

    for redemption in (sent, own):
        visit(f"codes/{redemption.pk}/", hand="back")
        redemption.refresh_from_db()
        assert redemption.state == State.RETURNING
    redemptions.removed(Push.objects.get(kind="coupon_removal", payload__code=own.code))
    assert balance(account) == 249


def test_a_card_that_was_handed_back_is_neither_mailed_nor_told_of(account, visit):
    parked, bounced = ready(account), ready(account)
    Message.objects.filter(pk=parked.gift.mail_id).update(outcome="failed", state="parked")
    Message.objects.filter(pk=bounced.gift.mail_id).update(outcome="bounced", state="done")
    for redemption in (parked, bounced):
        visit(f"codes/{redemption.pk}/", hand="back")
    Message.objects.all().retry()
    drain.drain(Message)
    tasks.each_hour()

    assert set(Redemption.objects.values_list("state", flat=True)) == {State.RETURNING}
    assert FRIEND not in [address for message in mail.outbox for address in message.to]
    assert not Message.objects.filter(kind="gift-undelivered").exists()
    assert not Gift.objects.undelivered().filter(told=False).exists()


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"recipient": "nobody"}, "valid email address"),
        ({"recipient": "a@b.example\r\nBcc: x@y.example"}, "valid email address"),
        ({"message": "Win at https://evil.example"}, "leave web and email addresses and"),
        ({"message": "Win at evil.example/now"}, "leave web and email addresses and"),
        ({"message": "write to x@y"}, "leave web and email addresses and"),
        ({"message": "x" * 301}, "at most 300"),
    ],
)
def test_what_can_not_be_sent_is_told_at_the_form_and_costs_nothing(account, visit, wish, said):
    reward = card_for(account)
    answer = visit(f"{reward.pk}/", token=token_on(visit(f"{reward.pk}/")), **wish)

    assert (answer.status_code, said in words(answer)) == (400, True)
    assert nothing_happened(account)


@pytest.mark.parametrize(
    ("message", "is_refused"),
    [
        ("Win at evil\u200d.com", True),
        ("Win at evil.\u2060com", True),
        ("Win at evil。com", True),
        ("Win at evil｡com", True),
        ("Win at evil．com", True),
        ("Win at evil․com", True),
        ("Win at e\u0301vile\u0301.com", True),
        ("जीतो भाषा.भारत", True),
        ("x＠y", True),
        ("Call 9812345678", True),
        ("Call +91 (981) 234-56", True),
        ("Call 98\u201312\u00a034", True),
        ("Call ९८१२३४", True),
        ("Call 9\ufe0f\u20e38\ufe0f\u20e31\ufe0f\u20e32\ufe0f\u20e33\ufe0f\u20e34\ufe0f\u20e3", True),
        ("Happy 50th birthday, Priya... See you on 24/12/2026! P.S. 1,00,000 kisses ❤️", False),
        ("जन्मदिन मुबारक हो। वाङ्\u200dमय के साथ", False),
    ],
)
def test_a_message_leads_nowhere_however_it_is_written(account, message, is_refused):
    reward = card_for(account)
    if is_refused:
        with pytest.raises(redeeming.CannotSend, match="leave web"):
            give(account, message=message, reward=reward)
    else:
        assert give(account, message=message, reward=reward).gift.message == message


@pytest.mark.parametrize("name", ["www.win.example", "Call 09812345678", "<script>", "x" * 60])
def test_a_name_that_is_an_advertisement_is_not_said(account, name):
    type(account.customer).objects.update(first_name=name)
    account.customer.refresh_from_db()
    ready(account)
    drain.drain_all()

    assert "Somebody gives you ₹500.00" in next(message for message in mail.outbox if message.to == [FRIEND]).body


def test_strangers_are_not_spammed(account):
    reward = card_for(account, 1)
    for number in range(gifts.FROM_ONE):
        give(account, f"friend{number}@mail.example", reward=reward)
    with pytest.raises(redeeming.CannotSend, match="today"):
        give(account, reward=reward)
    give(account, "", reward=reward)
    for number in range(gifts.TO_ONE):
        give(make_account(make_customer(account.store), 10), FRIEND.replace("@", f"+{number}@"), reward=reward)
    other = make_account(make_customer(account.store), 10)
    with pytest.raises(redeeming.CannotSend):
        give(other, reward=reward)
    Gift.objects.update(created_at=timezone.now() - timedelta(days=1, minutes=1))

    assert give(other, reward=reward).gift.recipient == FRIEND


def test_a_card_that_the_shop_refuses_is_never_mailed(account):
    redemption = give(account)
    push.withdraw(Push.objects.get(), timezone.now())
    redemption.refresh_from_db()

    assert (redemption.state, balance(account)) == (State.FAILED, 250)
    assert [message.kind for message in Message.objects.all()] == ["reward-failed"]
    assert not list(proof.differences())


def test_the_page_says_when_there_is_nothing_to_use_any_more(client, account):
    redemption = ready(account)
    page = gifts.url(redemption.gift).partition("/g/")[2]
    for fields, said in [
        ({"state": State.PENDING}, "is making the gift card"),
        ({"state": State.READY, "expires_at": timezone.now() - timedelta(minutes=1)}, "has expired"),
        ({"state": State.RETURNING}, "does not work any more"),
    ]:
        Redemption.objects.update(**fields)
        shown = client.get(f"/g/{page}").content.decode()
        assert (said in shown, redemption.code in shown) == (True, False)
    for broken in (page[:-3] + "x/", "nothing/"):
        assert client.get(f"/g/{broken}").status_code == 404
    assert client.post(f"/g/{page}").status_code == 405


@pytest.mark.parametrize("who", ["giver", "recipient"])
def test_an_erased_person_is_in_no_gift(account, who):
    ready(account, message="For your new home")
    drain.drain_all()
    erasing.erase(erasing.find(account.store, "asha@mail.example" if who == "giver" else FRIEND, timezone.now()))

    gift = Gift.objects.get()
    assert (gift.sender, gift.recipient, gift.message) == ("", "", "")
    said = Message.objects.get(kind="gift-card")
    assert "Asha" not in f"{said.subject}{said.text}{said.html}{said.context}"


def test_a_card_whose_recipient_is_erased_stays_with_whom_it_was_sent_to(account, visit):
    sent, waiting = ready(account), ready(account)
    Message.objects.filter(pk=sent.gift.mail_id).update(outcome="sent", state="done", sent_at=timezone.now())
    pending = give(account)
    erasing.erase(erasing.find(account.store, FRIEND, timezone.now()))

    states = {}
    for redemption in (sent, waiting, pending):
        visit(f"codes/{redemption.pk}/", hand="back")
        redemption = Redemption.objects.get(pk=redemption.pk)
        states[redemption.pk] = (redemption.gift.delivery, redemption.state)
    assert states == {
        sent.pk: ("sent", State.READY),
        waiting.pk: ("by_hand", State.RETURNING),
        pending.pk: ("by_hand", State.PENDING),
    }


def test_a_program_gives_a_card(api_client, account):
    api, root = api_client(account.store), "/api/v1/loyalty/redemptions/"
    asked = {
        "customer": account.customer_id,
        "reward": card_for(account).pk,
        "gift": {"recipient": FRIEND, "message": "Hi"},
    }
    first, again = (api.post(root, asked, headers={"Idempotency-Key": "k"}) for _time in range(2))
    refused = api.post(root, asked | {"gift": {"message": "see www.x.example"}})

    made = first.json()
    assert (first.status_code, again.json(), refused.status_code) == (201, made, 400)
    url = made["gift"].pop("url")
    money = {"spent": "0.00", "left": "500.00", "rests": []}
    said = {"sender": "Asha Kulkarni", "recipient": FRIEND, "message": "Hi", "delivery": "waiting"}
    assert made["gift"] == said | money
    assert "/g/" in url
    assert balance(account) == 150


@pytest.mark.django_db(transaction=True)
def test_one_code_and_one_mail_wherever_the_worker_dies(at_shop, shop, monkeypatch):
    deaths, reward = Deaths(monkeypatch), card_for(at_shop, 1)
    Gift.objects.update(created_at=timezone.now())
    for steps in itertools.count(step=2):
        key, before = uuid.uuid4(), balance(at_shop)

        def make_and_send(key=key):
            give(at_shop, reward=reward, key=key)
            drain.drain(Push)

        done = deaths.survives(steps, make_and_send)
        redemption = give(at_shop, reward=reward, key=key)
        come_to_rest()

        redemption.refresh_from_db()
        made = [row for row in shop.shop.rows["coupons"].values() if row["code"] == redemption.code.lower()]
        mails = Message.objects.filter(kind="gift-card", key=f"gift:{redemption.gift.pk}").count()
        assert (redemption.state, len(made), mails, balance(at_shop)) == (State.READY, 1, 1, before - 1), steps
        Gift.objects.update(created_at=timezone.now() - timedelta(days=2))
        if done:
            break
    assert steps > 20
    assert not list(proof.differences())


@pytest.mark.django_db(transaction=True)
def test_one_key_at_once_is_one_card():
    store = make_store()
    make_program(store)
    account, key = make_account(make_customer(store), 250), uuid.uuid4()
    reward = card_for(account, 1)

    answers = at_once(24, lambda: give(account, reward=reward, key=key).gift.pk)

    assert answers == [Gift.objects.get().pk] * 24
    assert (balance(account), Push.objects.count()) == (249, 1)
