"""What an order leaves of a gift card is another code, and a cancelled or refunded order's part comes back: once, and never more than there was."""

import itertools
import random
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core import mail
from django.db import transaction
from django.utils import timezone

from crm.messaging import compose
from crm.messaging.models import Message
from crm.orders import erasing
from crm.orders.models import Coupon
from crm.woocommerce.models import Push
from crm.work import drain
from loyalty import gifts, proof, redemptions, rests
from loyalty.models import Redemption
from postpurchase.demo.web import Response
from tests.factories import make_account, make_customer, make_program, make_staff, make_store
from tests.loyalty.credit.making import change, in_shop, order_with

from .taking import at_once, balance, words
from .test_gifts import FRIEND, card_for, give, ready
from .test_killed import Deaths

State = Redemption.State
pytestmark = pytest.mark.django_db


def rest_of(card):
    """The newest code of the card, made by the shop, as far as we are told."""
    redemptions.confirmed(Push.objects.filter(kind="coupon").latest("pk"))
    return card.rests.latest("pk")


def stands(card):
    """What was spent and what is left, and the codes that can be used."""
    card = Redemption.objects.get(pk=card.pk)
    found = rests.standing(card)
    assert not list(proof.differences())
    return str(found.spent), str(found.left), [row.code for row in found.codes]


def page_of(card):
    return "/g/" + gifts.url(card.gift).partition("/g/")[2]


def test_the_rest_is_one_code_on_the_same_conditions_mailed_and_shown(client, account):
    reward = card_for(account, minimum_order=Decimal(99), individual_use=True, valid_days=30)
    card = ready(account, reward=reward)
    order = order_with(card, "200.00", is_paid=False, status="on-hold")
    change(order)
    assert not card.rests.exists()
    change(order, is_paid=True, status="processing")
    change(order)

    rest = card.rests.get()
    asked = Push.objects.get(key=f"redemption:{rest.pk}").payload
    first = Push.objects.get(key=f"redemption:{card.pk}").payload
    assert asked | {"code": "", "description": ""} == first | {"code": "", "description": "", "amount": "300.00"}
    assert "new code for ₹300.00" in words(client.get(page_of(card)))
    rest = rest_of(card)
    drain.drain_all()
    [said] = [message for message in mail.outbox if "is left" in message.subject]
    assert (said.to, said.subject) == ([FRIEND], "₹300.00 is left of your gift card from Masala House")
    assert rest.code in said.body and "Asha" not in said.body
    shown = client.get(page_of(card))
    assert "₹200.00 of it has been spent, and ₹300.00 is left." in words(shown)
    assert (rest.code in shown.content.decode(), card.code in shown.content.decode()) == (True, False)

    change(order_with(rest, "299.99"))
    assert (stands(card), "has been used" in words(client.get(page_of(card)))) == (("499.99", "0.00", []), True)
    assert (card.rests.count(), balance(account)) == (1, 150)


@pytest.mark.parametrize(("discount", "more"), [("499.99", {}), ("200", {"currency": "EUR"}), ("500", {}), ("700", {})])
def test_nothing_is_left_of_what_was_spent_or_nobody_knows(account, discount, more):
    card = ready(account)
    change(order_with(card, discount, **more))

    assert not card.rests.exists()


def test_a_refunded_order_gives_its_part_to_the_recipient_and_not_to_the_giver(account):
    card = ready(account)
    order = order_with(card, "200")
    change(order)
    rest = rest_of(card)
    other = order_with(rest, "300")
    change(other)
    for _time in range(2):
        change(order, status="refunded", is_paid=False)
    back = rest_of(card)
    assert (back.terms["amount"], stands(card)) == ("200.00", ("300.00", "200.00", [back.code]))
    change(other, status="refunded", is_paid=False)

    assert [row.terms["amount"] for row in card.rests.order_by("pk")] == ["300.00", "200.00", "300.00"]
    assert balance(account) == 249
    assert not Message.objects.filter(kind="reward-returned").exists()


def test_a_reward_that_gives_nothing_back_for_refunds_gives_no_code_either(account):
    card = ready(account, reward=card_for(account, returns_refunded=False))
    order = order_with(card, "500")
    change(order)
    change(order, status="refunded", is_paid=False)

    assert (stands(card), card.rests.count()) == (("500.00", "0.00", []), 0)


def test_a_cancelled_order_frees_its_code_and_the_rest_is_taken_back(at_shop, shop):
    card = give(at_shop)
    drain.drain_all()
    order = order_with(card, "200")
    change(order)
    drain.drain_all()
    rest = card.rests.get()
    assert in_shop(shop, rest)["amount"] == "300.00"

    change(order, status="cancelled")
    assert stands(card) == ("0.00", "500.00", [card.code])
    drain.drain_all()

    rest.refresh_from_db()
    assert (rest.state, in_shop(shop, rest)["status"], in_shop(shop, card)["status"]) == (
        "replaced",
        "trash",
        "publish",
    )
    assert (stands(card), card.rests.count()) == (("0.00", "500.00", [card.code]), 1)


def test_a_rest_that_was_used_stays_used_and_the_freed_code_becomes_one_for_its_order_alone(at_shop, shop):
    card = give(at_shop)
    drain.drain_all()
    first = order_with(card, "200")
    change(first)
    drain.drain_all()
    rest = card.rests.get()
    # In an order that nobody has told of yet.
    in_shop(shop, rest)["usage_count"] = 1
    change(first, status="cancelled")
    drain.drain_all()
    made = card.rests.latest("pk")
    assert (in_shop(shop, card)["status"], in_shop(shop, made)["amount"]) == ("trash", "200.00")

    # It is cancelled before it was paid: to the shop its code can be used again.
    second = order_with(rest, "100", is_paid=False, status="pending")
    change(second, status="cancelled")
    assert stands(card) == ("0.00", "500.00", [rest.code, made.code])
    change(second, status="processing", is_paid=True)
    drain.drain_all()
    assert [in_shop(shop, row)["amount"] for row in card.rests.order_by("pk")] == ["300.00", "200.00", "200.00"]


def test_what_comes_back_after_the_last_day_can_be_used_for_thirty_days_more(account):
    card = ready(account)
    order = order_with(card, "200")
    change(order)
    rest = rest_of(card)
    Redemption.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    redemptions.expire(account.store, timezone.now())
    change(order, status="cancelled")

    back = rest_of(card)
    rest.refresh_from_db()
    assert (back.terms["amount"], rest.state, stands(card)[1:]) == ("200.00", State.EXPIRED, ("200.00", [back.code]))
    assert 29 < (back.expires_at - timezone.now()).days < 31


def test_a_rest_that_the_shop_deletes_is_made_again(account):
    card = ready(account)
    change(order_with(card, "200"))
    rest = rest_of(card)
    for _time in range(2):
        redemptions.deleted(account.store, [(rest.code.lower(), 0)])

    rest.refresh_from_db()
    assert (rest.state, card.rests.count(), stands(card)[1]) == (State.REPLACED, 2, "300.00")


def test_a_freed_code_that_the_shop_deleted_is_the_recipients_and_not_the_givers(account):
    card = ready(account)
    order = order_with(card, "500")
    change(order)
    code = card.code.lower()
    Coupon.objects.create(store=account.store, woo_id=9, code=code, amount=500, deleted_at=timezone.now())
    change(order, status="cancelled")

    assert (balance(account), stands(card)[1], card.rests.count()) == (249, "500.00", 1)


def test_the_giver_sees_what_is_left_and_hands_nothing_back(account, visit, django_assert_max_num_queries):
    card = ready(account, "")
    order = order_with(card, "200")
    change(order)
    rest = rest_of(card)
    for path in ("", f"codes/{card.pk}/"):
        shown = visit(path)
        assert "Partly used" in words(shown)
        assert "₹200.00 of it has been spent, and ₹300.00 is left." in words(shown)
        assert not {card.code, rest.code} & set(shown.content.decode().split())
    assert visit(f"codes/{rest.pk}/").status_code == 404
    change(order, status="cancelled")
    answer = visit(f"codes/{card.pk}/", hand="back")
    assert (answer.status_code, balance(account)) == (409, 249)
    assert "A part of this gift card has been spent" in words(answer)
    for _number in range(3):
        another = ready(account, "")
        change(order_with(another, "200"))
    with django_assert_max_num_queries(30):
        visit("")


def test_programs_and_owners_see_the_rests_and_what_is_owed(client, api_client, account):
    card = ready(account)
    change(order_with(card, "200"))
    rest = rest_of(card)
    root = "/api/v1/loyalty/redemptions/"
    for scopes, code in [(["loyalty:read"], None), (["loyalty:read", "credit:read"], rest.code)]:
        api = api_client(account.store, scopes=scopes)
        [shown] = api.get(root).json()["results"]
        [told] = shown["gift"]["rests"]
        assert (shown["gift"]["spent"], shown["gift"]["left"], told["amount"], told["code"]) == (
            "200.00", "300.00", "300.00", code,
        )  # fmt: skip
        assert api.get(f"{root}{rest.pk}/").status_code == 404
    assert api.get("/api/v1/loyalty/liability/").json()["gift_cards"] == [{"amount": "300.00", "currency": "INR"}]
    for role in ("owner", "agent"):
        client.force_login(make_staff(account.store, role), backend="django.contrib.auth.backends.ModelBackend")
        for row in (card, rest):
            said = words(client.get(f"/admin/loyalty/redemption/{row.pk}/change/"))
            assert f"{card.code if role == 'owner' else '…' + card.code[-4:]} · ₹500.00 · Used" in said
            assert f"{rest.code if role == 'owner' else '…' + rest.code[-4:]} · ₹300.00 · Ready" in said
        assert "₹300.00 left of: Gift card: ₹500.00" in words(client.get("/admin/loyalty/redemption/"))


@pytest.mark.parametrize("why", ["erased", "bounced", "by hand"])
def test_the_giver_is_mailed_where_the_first_mail_did_not_reach_anybody(account, why):
    card = ready(account, "" if why == "by hand" else FRIEND)
    if why == "bounced":
        Message.objects.filter(kind="gift-card").update(outcome="bounced", state="done")
    elif why == "erased":
        erasing.erase(erasing.find(account.store, FRIEND, timezone.now()))
    change(order_with(card, "200"))

    assert rest_of(card).state == State.READY
    assert not Message.objects.filter(kind="gift-rest").exists()
    told = Message.objects.filter(kind="gift-ready").latest("pk")
    subject, text, _page = compose.render(told)
    assert (told.recipient, subject) == ("asha@mail.example", "₹300.00 is left of your gift card from Masala House")
    assert "/rewards/codes/" in text and "a code of its own now" in text and rest_of(card).code not in text


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_in_whatever_order_nothing_is_lost_or_there_twice(at_shop, shop, seed):
    """Orders are made with the codes that the shop takes, and go on as they like; the outbox is sometimes late."""
    dice, card, orders = random.Random(seed), give(at_shop), []
    drain.drain(Push)

    def usable():
        return [row for row in [card, *card.rests.all()] if (made := in_shop(shop, row)) and made["status"] == "publish" and not made["usage_count"]]  # fmt: skip

    for _step in range(25):
        what = dice.choice(["buy", "buy", "cancel", "pay", "refund", "late"])
        if what == "buy" and (codes := usable()):
            code = dice.choice(codes)
            took = dice.randint(0, int(Decimal(code.terms["amount"])))
            in_shop(shop, code)["usage_count"] = 1
            orders.append((order_with(code, str(took)), code))
            change(orders[-1][0])
        elif what != "buy" and orders:
            order, code = dice.choice(orders)
            order.refresh_from_db()
            if what == "cancel" and order.status == "processing":
                in_shop(shop, code)["usage_count"] = 0
                change(order, status="cancelled", is_paid=False)
            elif what == "pay" and order.status == "cancelled" and code in usable():
                in_shop(shop, code)["usage_count"] = 1
                change(order, status="processing", is_paid=True)
            elif what == "refund" and order.status == "processing":
                change(order, status="refunded", is_paid=False)
        if what != "late":
            drain.drain_all()
            spent = sum(Decimal(order.coupon_lines[0]["discount"]) for order in all_of(orders) if order.is_paid)
            left = sum(Decimal(row.terms["amount"]) for row in usable())
            assert (spent + left, stands(card)[0]) == (500, f"{spent:.2f}"), what


def all_of(orders):
    for order, _code in orders:
        order.refresh_from_db()
        yield order


@pytest.mark.django_db(transaction=True)
def test_one_rest_wherever_the_worker_dies(at_shop, shop, monkeypatch):
    deaths, reward = Deaths(monkeypatch), card_for(at_shop, 1)
    for steps in itertools.count(step=3):
        card = give(at_shop, "", reward=reward)
        drain.drain(Push)
        order = order_with(card, "200")

        def follow_and_make(order=order):
            redemptions.follow(order.store, [order.pk])
            drain.drain(Push)

        done = deaths.survives(steps, follow_and_make)
        redemptions.follow(order.store, [order.pk])
        for hours in (1, 2):
            drain.drain(Push, at=timezone.now() + timedelta(hours=hours))

        rest = card.rests.get()
        assert (rest.state, in_shop(shop, rest)["amount"]) == (State.READY, "300.00"), steps
        if done:
            break
    assert steps > 20


@pytest.mark.django_db(transaction=True)
def test_news_that_comes_twelve_times_at_once_makes_one_rest():
    store = make_store()
    make_program(store)
    with transaction.atomic():
        card = ready(make_account(make_customer(store), 250), "")
    order = order_with(card, "200")

    at_once(12, lambda: redemptions.follow(store, [order.pk]))

    assert card.rests.get().terms["amount"] == "300.00"


def test_a_shop_that_is_away_gets_the_code_of_the_rest_later(at_shop, shop):
    card = give(at_shop)
    drain.drain_all()
    change(order_with(card, "200"))
    shop.faults.append(lambda request, response: Response(503, b""))
    drain.drain_all()
    assert stands(card)[:2] == ("200.00", "300.00")
    shop.faults.clear()
    drain.drain_all(at=timezone.now() + timedelta(hours=1))

    assert in_shop(shop, card.rests.get())["amount"] == "300.00"
