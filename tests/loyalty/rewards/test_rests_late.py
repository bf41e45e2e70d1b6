"""What is left of a gift card when news come late, in the wrong order, or staff stand in the way: never more than was promised, and never less."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from crm.messaging.models import Message
from crm.orders.models import Coupon
from crm.woocommerce.models import Push
from crm.work import drain
from loyalty import redemptions, rests
from loyalty.models import Redemption
from postpurchase.demo.web import Response
from tests.factories import make_staff, make_store, sign_in
from tests.loyalty.credit.making import change, in_shop, order_with

from .taking import balance, words
from .test_gifts import FRIEND, card_for, give, ready
from .test_rests import page_of, rest_of, stands

State = Redemption.State
pytestmark = pytest.mark.django_db
OWNER = "django.contrib.auth.backends.ModelBackend"


def old(card):
    """As cards were before what is left of them became a code."""
    del card.terms["keeps_rest"]
    card.save(update_fields=["terms"])
    return card


@pytest.fixture
def visit_shop(client, at_shop):
    sign_in(client, at_shop.customer.email)
    path = "/s/masala/rewards/"
    return lambda page, **form: client.post(path + page, form) if form else client.get(path + page)


def pass_the_last_day(*cards):
    Redemption.objects.filter(pk__in=[card.pk for card in cards]).update(
        expires_at=timezone.now() - timedelta(minutes=1)
    )
    redemptions.expire(cards[0].store, timezone.now())


def worth(card):
    return [row.terms["amount"] for row in card.rests.order_by("pk")]


@pytest.mark.parametrize("is_old", [False, True])
def test_what_was_merely_left_over_does_not_come_back_after_the_last_day(account, is_old):
    reward = card_for(account, 10)
    late, paid_before = (ready(account, reward=reward) for _number in range(2))
    if is_old:
        old(late), old(paid_before)
        # Before what is left was counted at all.
        order = order_with(paid_before, "200")
        Redemption.objects.filter(pk=paid_before.pk).update(order=order, state=State.USED)
        redemptions.follow(order.store, [order.pk])
    else:
        order = order_with(paid_before, "200")
        change(order)
    assert worth(paid_before) == ([] if is_old else ["300.00"])
    on_hold = order_with(late, "200", is_paid=False, status="on-hold")
    change(on_hold)
    pass_the_last_day(late, paid_before, *paid_before.rests.all())

    for _time in range(2):
        change(on_hold, is_paid=True, status="processing")
        change(order, status="completed")
    assert (worth(late), stands(late)) == ([], ("200.00", "0.00", []))
    assert len(worth(paid_before)) == (not is_old)

    # What an order used comes back with it, and for both states of both.
    for status, paid in [("cancelled", False), ("processing", True), ("refunded", False)]:
        for one in (on_hold, order):
            change(one, status=status, is_paid=paid)
    assert worth(late)[-1:] == worth(paid_before)[-1:] == ["200.00"]
    assert (len(worth(late)), len(worth(paid_before))) == (1, 2 - is_old)


def test_an_old_card_keeps_its_terms_before_its_last_day(client, account):
    card = old(ready(account))
    order = order_with(card, "200")
    assert "what an order does not use of it is lost" in client.get(page_of(card)).content.decode()  # fmt: skip
    change(order)
    change(order)
    assert (worth(card), stands(card)[:2]) == ([], ("200.00", "0.00"))
    change(order, status="cancelled")
    assert stands(card) == ("0.00", "500.00", [card.code])
    change(order, status="processing")
    change(order, status="refunded", is_paid=False)

    assert worth(card) == ["500.00"]


def test_a_used_rest_is_not_made_again_when_its_coupon_is_deleted(account):
    card = ready(account)
    change(order_with(card, "200"))
    rest = rest_of(card)
    order = order_with(rest, "300", is_paid=False, status="on-hold")
    redemptions.deleted(account.store, [(rest.code.lower(), 0)])
    rest.refresh_from_db()
    assert (rest.state, card.rests.count()) == (State.USED, 1)

    change(order, status="cancelled")
    assert (worth(card), stands(card)[1]) == (["300.00"], "300.00")


@pytest.mark.parametrize("is_refused", [False, True])
def test_a_rest_on_its_way_costs_nobody_the_good_card(at_shop, shop, is_refused):
    card = give(at_shop)
    drain.drain_all()
    order = order_with(card, "200")
    change(order)
    rest = card.rests.get()
    if is_refused:
        shop.faults.append(lambda request, response: Response(400, b"{}") if request.method == "POST" else None)
        drain.drain(Push)
        rest.refresh_from_db()
        assert rest.state == State.FAILED
    change(order, status="cancelled")
    assert not Push.objects.filter(kind="coupon_removal", payload__code=card.code).exists()
    shop.faults.clear()
    if is_refused:
        Push.objects.parked().retry()
    drain.drain_all()

    rest.refresh_from_db()
    made = in_shop(shop, rest)
    assert (rest.state, made["status"], in_shop(shop, card)["status"]) == (State.REPLACED, "trash", "publish")
    assert (stands(card), card.rests.count()) == (("0.00", "500.00", [card.code]), 1)
    assert not Message.objects.filter(kind="gift-rest").exists()


def test_the_code_of_a_rest_is_refused_tried_again_and_never_withdrawn(client, api_client, at_shop, shop):
    card = give(at_shop)
    drain.drain_all()
    change(order_with(card, "200"))
    push = Push.objects.latest("pk")
    client.force_login(make_staff(at_shop.store, "owner"), backend=OWNER)
    api = api_client(at_shop.store, scopes=["pushes:write", "pushes:read", "credit:read"])

    def withdraw():
        form = {"action": "withdraw_selected", "_selected_action": [push.pk]}
        said = client.post("/admin/woocommerce/push/", form, follow=True).content.decode()
        answer = api.post(f"/api/v1/pushes/{push.pk}/withdraw/")
        assert ("left of a gift card, which is owed" in said, answer.status_code) == (True, 400)
        push.refresh_from_db()
        return push.state

    assert withdraw() == Push.State.DUE
    shop.faults.append(lambda request, response: Response(400, b"{}") if request.method == "POST" else None)
    drain.drain(Push)
    assert (withdraw(), card.rests.get().state) == (Push.State.PARKED, State.FAILED)
    shown = words(client.get(page_of(card)))
    assert (balance(at_shop), stands(card)[1], "could not make the code for ₹300.00" in shown) == (249, "300.00", True)
    shop.faults.clear()
    client.post("/admin/woocommerce/push/", {"action": "retry_selected", "_selected_action": [push.pk]})
    drain.drain_all()

    assert (card.rests.get().state, in_shop(shop, card.rests.get())["amount"]) == (State.READY, "300.00")
    assert Message.objects.get(kind="gift-rest").recipient == FRIEND


def test_a_rest_that_was_refused_and_is_used_after_all_is_used(account):
    card = ready(account)
    change(order_with(card, "200"))
    card.rests.update(state=State.FAILED)
    change(order_with(card.rests.get(), "100"))

    assert (card.rests.first().state, worth(card), stands(card)[0]) == (State.USED, ["300.00", "200.00"], "300.00")


@pytest.mark.parametrize("news", ["AB", "BA"])
@pytest.mark.parametrize("is_paid_first", [False, True])
def test_the_order_that_is_alive_has_the_code_whatever_is_heard_first(account, news, is_paid_first):
    card = ready(account)
    paid = order_with(card, "100") if is_paid_first else None
    first = order_with(card, "200")
    change(first)
    orders = {"A": first, "B": paid or order_with(card, "100")}
    first.status, first.is_paid = "cancelled", False
    first.save(update_fields=["status", "is_paid"])
    for name in news:
        redemptions.follow(account.store, [orders[name].pk])
    redemptions.follow(account.store, [order.pk for order in orders.values()])

    card.refresh_from_db()
    assert (card.state, card.order, stands(card)[0]) == (State.USED, orders["B"], "100.00")
    assert stands(card)[1] == "400.00"


@pytest.mark.parametrize("ends", ["expires", "is handed back"])
def test_a_card_that_is_whole_again_gives_its_points_back_as_promised(at_shop, shop, visit_shop, ends):
    card = give(at_shop, "", reward=card_for(at_shop, 100, returns_expired=True))
    drain.drain_all()
    order = order_with(card, "200")
    change(order)
    drain.drain_all()
    change(order, status="cancelled")
    drain.drain_all()
    assert (worth(card), balance(at_shop)) == (["300.00"], 150)
    if ends == "expires":
        pass_the_last_day(card)
    else:
        assert "Ready" in words(visit_shop(f"codes/{card.pk}/"))
        assert visit_shop(f"codes/{card.pk}/", hand="back").status_code == 302
    drain.drain_all()

    card.refresh_from_db()
    assert (card.state, balance(at_shop), stands(card)[1]) == (State.RETURNED, 250, "0.00")


def test_a_card_that_can_have_no_other_code_gives_its_points_back(account):
    card = ready(account)
    order = order_with(card, "200", currency="EUR")
    account.store.currency = "EUR"
    account.store.save(update_fields=["currency"])
    order.store.refresh_from_db()
    change(order)
    code = card.code.lower()
    Coupon.objects.create(store=account.store, woo_id=9, code=code, amount=500, deleted_at=timezone.now())
    change(order, status="cancelled")

    card.refresh_from_db()
    assert (card.state, balance(account), worth(card)) == (State.RETURNED, 250, [])


@pytest.mark.parametrize(("role", "may"), [("owner", True), ("agent", False)])
def test_an_owner_ends_a_stolen_card_for_good(client, at_shop, shop, role, may):
    card = give(at_shop)
    drain.drain_all()
    order = order_with(card, "200")
    change(order)
    drain.drain_all()
    rest = card.rests.get()
    person = make_staff(at_shop.store, role)
    client.force_login(person, backend=OWNER)
    page = f"/admin/loyalty/redemption/{rest.pk}/end/"
    assert client.post(page, {"reason": ""}).status_code == (200 if may else 403)
    change_page = f"/admin/loyalty/redemption/{rest.pk}/change/"
    assert (page in client.get(change_page).content.decode()) is may
    for _time in range(2):
        client.post(page, {"reason": "Stolen"})
    assert page not in client.get(change_page).content.decode()
    drain.drain_all()
    assert in_shop(shop, rest)["status"] == ("trash" if may else "publish")
    if not may:
        return

    assert "Ended: Stolen" in str(LogEntry.objects.filter(user=person).last().change_message)
    change(order, status="cancelled")
    redemptions.deleted(card.store, [(rest.code, 0)])
    drain.drain_all()
    assert (in_shop(shop, card)["status"], card.rests.count(), balance(at_shop)) == ("trash", 1, 249)
    assert "This gift card does not work any more." in words(client.get(page_of(card)))
    sign_in(client, at_shop.customer.email)
    said = words(client.get(f"/s/masala/rewards/codes/{card.pk}/"))
    assert ("Ended" in said, "does not work any more" in said, "Your points" in said) == (True, True, False)


def test_a_code_that_is_on_its_way_when_its_card_is_ended_is_taken_back(account):
    whole, card = give(account, reward=(reward := card_for(account, 1))), ready(account, reward=reward)
    owner = make_staff(account.store)
    with pytest.raises(rests.CannotEnd):
        rests.end(account.store, whole.pk, "Stolen", owner, timezone.now())
    with pytest.raises(LookupError):
        rests.end(make_store(), card.pk, "Stolen", owner, timezone.now())
    change(order_with(card, "200"))
    rests.end(account.store, card.pk, "Stolen", owner, timezone.now())
    rest = rest_of(card)

    assert (rest.state, Push.objects.get(kind="coupon_removal").payload) == (State.RETURNING, {"code": rest.code})
    assert not Message.objects.filter(kind="gift-rest").exists()
