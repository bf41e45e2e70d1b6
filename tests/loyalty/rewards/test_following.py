"""What becomes of a code: handed back, used, freed, refunded, deleted in the shop, expired."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from crm.events import recording
from crm.orders.models import Coupon, Order
from crm.woocommerce import push, sync
from crm.woocommerce.models import Push, SyncState
from crm.work import drain
from loyalty import codes, proof, redemptions
from loyalty.models import Redemption
from postpurchase.demo.web import Response
from tests.factories import make_customer, make_order, make_reward

from .taking import balance, redeem

State = Redemption.State
pytestmark = pytest.mark.django_db


def ready(account, reward=None, **fields):
    redemption = redeem(account, reward or make_reward(account.store, 100, **fields))
    drain.drain_all()
    if redemption.account.store.url.endswith(".example"):
        Redemption.objects.filter(pk=redemption.pk).update(state=State.READY)
    mail.outbox.clear()
    redemption.refresh_from_db()
    assert redemption.state == State.READY
    return redemption


def hand_back(redemption):
    return redemptions.hand_back(redemption.store, redemption.pk, timezone.now())


def in_shop(shop, redemption):
    [row] = [row for row in shop.shop.rows["coupons"].values() if row["code"] == redemption.code.lower()]
    return row


def state(redemption):
    redemption.refresh_from_db()
    return redemption.state


def test_points_come_back_once_the_shop_has_deleted_the_code(at_shop, shop):
    redemption = ready(at_shop, stock=1)
    shop.faults.append(lambda request, response: Response(503, b""))

    assert hand_back(redemption) == hand_back(redemption)
    drain.drain_all()
    assert (state(redemption), balance(at_shop), in_shop(shop, redemption)["status"]) == ("returning", 150, "publish")

    shop.faults.clear()
    drain.drain_all(at=timezone.now() + timedelta(hours=1))
    redemption.reward.refresh_from_db()
    assert (state(redemption), balance(at_shop), in_shop(shop, redemption)["status"]) == ("returned", 250, "trash")
    assert redemption.reward.stock == 1
    assert [sent.subject for sent in mail.outbox] == ["Your points are back"]
    assert f"You have handed back the code {redemption.code}." in mail.outbox[0].body
    assert not list(proof.differences())


def test_a_code_that_was_used_meanwhile_is_not_handed_back(at_shop, shop):
    redemption = ready(at_shop)
    hand_back(redemption)
    in_shop(shop, redemption)["usage_count"] = 1

    drain.drain_all()

    assert (state(redemption), balance(at_shop), mail.outbox) == (State.USED, 150, [])
    with pytest.raises(redemptions.CannotHandBack):
        hand_back(redemption)


def test_what_the_shop_can_not_be_asked_for_a_day_stays_the_customers(account):
    redemption = ready(account)
    hand_back(redemption)
    removal = Push.objects.get(kind="coupon_removal")

    push.withdraw(removal, timezone.now())
    assert (state(redemption), balance(account)) == (State.READY, 150)

    hand_back(redemption)
    assert (state(redemption), Push.objects.filter(kind="coupon_removal").count()) == (State.RETURNING, 2)


@pytest.mark.parametrize("why", ["order", "pending", "expired"])
def test_what_can_not_be_handed_back(account, why):
    redemption = ready(account)
    if why == "order":
        make_order(account.store, account.customer, status="pending", coupon_codes=[redemption.code.lower()])
    elif why == "pending":
        Redemption.objects.update(state=State.PENDING)
    else:
        Redemption.objects.update(expires_at=timezone.now() - timedelta(minutes=1))

    with pytest.raises(redemptions.CannotHandBack):
        hand_back(redemption)

    assert not Push.objects.filter(kind="coupon_removal").exists()


def order_with(redemption, **fields):
    fields = {"status": "processing", "is_paid": True, "coupon_codes": [redemption.code.lower()]} | fields
    return make_order(redemption.store, redemption.account.customer, **fields)


def change(order, **fields):
    Order.objects.filter(pk=order.pk).update(**fields)
    redemptions.follow(order.store, [order.pk])


def test_a_paid_order_uses_a_code_and_a_cancelled_one_frees_it(account, django_assert_max_num_queries):
    redemption = ready(account)
    order = order_with(redemption, is_paid=False, status="pending")
    redemptions.follow(account.store, [order.pk])
    assert state(redemption) == State.READY

    change(order, is_paid=True, status="processing")
    assert (state(redemption), redemption.order) == (State.USED, order)

    change(order, status="cancelled")
    assert (state(redemption), redemption.order) == (State.READY, None)

    change(order, status="completed")
    assert (state(redemption), redemption.order) == (State.USED, order)

    change(order, deleted_at=timezone.now())
    assert (state(redemption), redemption.order) == (State.READY, None)

    change(order, deleted_at=None, coupon_codes=[])
    assert (state(redemption), balance(account)) == (State.READY, 150)
    with django_assert_max_num_queries(6):
        redemptions.follow(account.store, range(order.pk, order.pk + 500))


def test_the_news_of_an_order_is_followed(account):
    redemption = ready(account)
    order = order_with(redemption)
    about = {"customer": account.customer, "order": order, "occurred_at": timezone.now()}
    recording.record("coupon.used", account.store, f"{order.woo_id}:x", data={"code": "x", "currency": "INR"}, **about)

    drain.drain_all()

    assert state(redemption) == State.USED


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_refunded_order_gives_the_points_back_if_the_reward_says_so(account, comes_back):
    redemption = ready(account, returns_refunded=comes_back)
    order = order_with(redemption)
    redemptions.follow(account.store, [order.pk])

    for _time in range(2):
        change(order, status="refunded", is_paid=False)

    drain.drain_all()
    assert (state(redemption), balance(account)) == (State.USED, 250 if comes_back else 150)
    assert [sent.subject for sent in mail.outbox] == ["Your points are back"] * comes_back
    assert not list(proof.differences())


def test_a_refund_that_is_undone_takes_the_points_again_as_far_as_they_are_there(account):
    redemption = ready(account)
    order = order_with(redemption)
    redemptions.follow(account.store, [order.pk])
    for _time in range(2):
        change(order, status="refunded", is_paid=False)
        change(order, status="refunded", is_paid=False)
        assert (state(redemption), balance(account)) == (State.USED, 250)
        change(order, status="processing", is_paid=True)
        change(order, status="completed")
        assert (state(redemption), redemption.returned, balance(account)) == (State.USED, None, 150)

    change(order, status="refunded", is_paid=False)
    redeem(account, make_reward(account.store, 200))
    change(order, status="processing", is_paid=True)
    assert (state(redemption), balance(account)) == (State.USED, 0)
    change(order, status="cancelled", is_paid=False)
    hand_back(redemption)
    redemptions.deleted(account.store, [(redemption.code, 0)])
    assert (state(redemption), balance(account)) == (State.RETURNED, 50)
    assert not list(proof.differences())


def test_points_and_a_code_that_is_free_again_are_not_both_kept(account):
    redemption = ready(account)
    order = order_with(redemption)
    change(order, status="refunded", is_paid=False)

    change(order, status="cancelled")

    removal = Push.objects.get(kind="coupon_removal")
    assert (state(redemption), balance(account)) == (State.RETURNING, 250)
    assert removal.payload == {"code": redemption.code}
    redemptions.removed(removal)
    assert (state(redemption), balance(account)) == (State.RETURNED, 250)


@pytest.mark.parametrize(
    ("was", "uses", "becomes", "points"),
    [
        (State.READY, 0, State.RETURNED, 250),
        (State.RETURNING, 0, State.RETURNED, 250),
        (State.READY, 1, State.USED, 150),
        (State.EXPIRED, 0, State.EXPIRED, 150),
        (State.USED, 0, State.USED, 150),
    ],
)
def test_a_code_that_the_shop_deletes_costs_nobody_points(account, was, uses, becomes, points):
    redemption = ready(account)
    Redemption.objects.update(state=was)
    data = {"code": redemption.code.lower(), "usage_count": uses}
    recording.record("coupon.deleted", account.store, "9:now", data=data, occurred_at=timezone.now())

    drain.drain_all()

    assert (state(redemption), balance(account)) == (becomes, points)


def test_a_code_that_the_merchant_puts_in_the_trash_gives_the_points_back(at_shop, shop):
    redemption = ready(at_shop)
    sync.run(at_shop.store, mode=SyncState.Mode.COMPARE)
    shop.shop.trash_coupon(in_shop(shop, redemption)["id"])

    sync.run(at_shop.store, mode=SyncState.Mode.COMPARE)
    drain.drain_all()

    assert (state(redemption), balance(at_shop)) == (State.RETURNED, 250)


def test_a_code_freed_after_the_shop_deleted_it_gives_the_points_back(account):
    redemption = ready(account)
    order = order_with(redemption)
    redemptions.follow(account.store, [order.pk])
    Coupon.objects.create(
        store=account.store, woo_id=9, code=redemption.code.lower(), amount=50, deleted_at=timezone.now(), usage_count=1
    )

    change(order, status="cancelled")

    assert (state(redemption), balance(account)) == (State.RETURNED, 250)


@pytest.mark.parametrize("comes_back", [True, False])
def test_an_expired_code_gives_the_points_back_if_the_reward_says_so(at_shop, comes_back):
    redemption = ready(at_shop, returns_expired=comes_back)
    Redemption.objects.update(expires_at=timezone.now() - timedelta(hours=1))

    assert redemptions.expire(at_shop.store, timezone.now()) == 1
    drain.drain_all()

    assert redemptions.expire(at_shop.store, timezone.now()) == 0
    assert (state(redemption), balance(at_shop)) == ((State.RETURNED, 250) if comes_back else (State.EXPIRED, 150))
    assert len(mail.outbox) == comes_back


def test_a_strangers_coupon_of_the_code_costs_a_second_try_and_no_points(at_shop, shop):
    redemption = redeem(at_shop, make_reward(at_shop.store))
    shop.shop.add_coupon(code=redemption.code, amount="5")
    first = redemption.code

    drain.drain_all()

    assert (state(redemption), balance(at_shop)) == (State.READY, 150)
    assert redemption.code != first
    assert in_shop(shop, redemption)["email_restrictions"] == ["asha@mail.example"]
    assert redemption.code in mail.outbox[0].body and first not in mail.outbox[0].body


def test_after_the_last_code_the_points_are_back(at_shop, shop, monkeypatch):
    monkeypatch.setattr(codes.secrets, "choice", lambda letters: "A")
    shop.shop.add_coupon(code=f"{codes.new_code(at_shop.store)}", amount="5")
    redemption = redeem(at_shop, make_reward(at_shop.store))

    drain.drain_all()

    assert (state(redemption), balance(at_shop)) == (State.FAILED, 250)
    assert Push.objects.filter(kind="coupon").count() == redemptions.CODES


def test_a_joined_guests_code_is_followed_and_its_points_go_to_the_customer(account):
    guest, registered = account.customer, make_customer(account.store)
    redemption = ready(account)
    type(guest).objects.filter(pk=guest.pk).update(joined_to=registered)

    recording.record("coupon.deleted", account.store, "9:now", occurred_at=timezone.now(),
                     data={"code": redemption.code.lower(), "usage_count": 0})  # fmt: skip
    drain.drain_all()

    assert state(redemption) == State.RETURNED
    assert registered.accounts.get().balance == 250
