"""Coupons that nobody used leave the shop some time after their last day, and nothing comes back for them."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from crm.orders.models import Coupon
from crm.woocommerce import push
from crm.woocommerce.models import Push
from crm.work import drain
from loyalty import clearing, ledger, proof, redemptions, tasks
from loyalty.models import Redemption
from postpurchase.demo.catalogue import stamp
from tests.factories import make_account, make_credit, make_customer, make_store
from tests.loyalty.credit import making

from .taking import balance
from .test_following import State, change, in_shop, order_with, ready, state

pytestmark = pytest.mark.django_db


def expired(account, days, **coupon):
    """A code that expired so many days ago, and its coupon in the mirror."""
    redemption = ready(account)
    day = timezone.now() - timedelta(days=days)
    Redemption.objects.filter(pk=redemption.pk).update(expires_at=day)
    redemptions.expire(account.store, timezone.now())
    fields = {"amount": 50, "date_expires_gmt": day, "usage_count": 0, "deleted_at": None} | coupon
    Coupon.objects.update_or_create(
        store=account.store, code=redemption.code.lower(), defaults=fields, create_defaults=fields | {"woo_id": redemption.pk}
    )  # fmt: skip
    return redemption


def at_its_end(account, shop, days=31):
    """As `expired`, of a coupon that the shop has."""
    redemption = expired(account, days)
    in_shop(shop, redemption)["date_expires_gmt"] = redemption_day(redemption)
    return redemption


def redemption_day(redemption, days=0):
    redemption.refresh_from_db()
    return stamp(redemption.expires_at + timedelta(days=days))


def removals():
    return list(Push.objects.filter(kind="coupon_removal").values_list("payload__code", flat=True))


def test_an_unused_code_leaves_the_shop_a_month_after_its_last_day_and_its_row_stays(at_shop, shop):
    redemption = at_its_end(at_shop, shop)
    mail.outbox.clear()
    for _night in range(2):
        tasks.each_night()
        drain.drain_all()

    assert in_shop(shop, redemption)["status"] == "trash"
    assert (state(redemption), balance(at_shop), mail.outbox) == (State.EXPIRED, 150, [])
    assert removals() == [redemption.code]
    # Whoever fetches it back wants to have it.
    Coupon.objects.update(deleted_at=None)
    assert clearing.clear(at_shop.store, timezone.now()) == 0


def test_a_code_that_was_used_or_prolonged_meanwhile_stays_and_nobody_need_look_at_it(at_shop, shop):
    ledger.earn(at_shop, 100, "more")
    used, prolonged, endless = (at_its_end(at_shop, shop, days) for days in (31, 32, 33))
    in_shop(shop, used)["usage_count"] = 1
    in_shop(shop, prolonged)["date_expires_gmt"] = redemption_day(prolonged, days=20)
    in_shop(shop, endless)["date_expires_gmt"] = None
    assert clearing.clear(at_shop.store, timezone.now()) == 3
    drain.drain_all()

    for redemption in (used, prolonged, endless):
        assert (in_shop(shop, redemption)["status"], state(redemption)) == ("publish", State.EXPIRED)
    pushes = Push.objects.filter(kind="coupon_removal")
    assert set(pushes.values_list("state", "outcome", "sent_at")) == {("done", "withdrawn", None)}


@pytest.mark.parametrize("unit", ["points", "credit"])
def test_what_comes_back_of_an_expired_code_comes_back_with_it_if_the_shop_was_away_before(at_shop, shop, unit):
    if unit == "credit":
        at_shop = make_credit(at_shop.customer, 10000)
        redemption = making.spend(at_shop, "100")
        drain.drain_all()
    else:
        redemption = ready(at_shop, returns_expired=True)
    day = timezone.now() - timedelta(days=31)
    had = balance(at_shop)
    Redemption.objects.filter(pk=redemption.pk).update(expires_at=day)
    redemptions.expire(at_shop.store, timezone.now())
    push.withdraw(Push.objects.get(kind="coupon_removal"), timezone.now())
    assert (state(redemption), balance(at_shop)) == (State.EXPIRED, had)
    in_shop(shop, redemption)["date_expires_gmt"] = redemption_day(redemption)
    Coupon.objects.create(
        store=at_shop.store, woo_id=9, code=redemption.code.lower(), amount=50, date_expires_gmt=day, usage_count=0
    )

    assert clearing.clear(at_shop.store, timezone.now()) == 1
    drain.drain_all()

    assert (state(redemption), balance(at_shop)) == (State.RETURNED, had + redemption.points)
    assert not list(proof.differences())


def test_what_is_owed_of_an_expired_code_comes_back_when_the_shop_deletes_it_by_itself(account):
    owed, over = ready(account, returns_expired=True), ready(account)
    Redemption.objects.filter(pk__in=[owed.pk, over.pk]).update(state=State.EXPIRED)
    for _time in range(2):
        redemptions.deleted(account.store, [(owed.code, 0), (over.code, 0)])

    assert (state(owed), state(over), balance(account)) == (State.RETURNED, State.EXPIRED, 150)
    assert not list(proof.differences())


def test_an_old_count_of_an_order_that_came_to_nothing_does_not_prove_that_a_code_was_used(account):
    redemption = ready(account)
    order = order_with(redemption)
    redemptions.follow(account.store, [order.pk])
    change(order, status="cancelled", is_paid=False)

    redemptions.deleted(account.store, [(redemption.code, 1)])

    assert (state(redemption), balance(account)) == (State.RETURNED, 250)


def test_a_code_that_waits_in_an_unpaid_order_is_cleared_once_that_came_to_nothing(account):
    redemption = expired(account, 31)
    order = order_with(redemption, status="on-hold", is_paid=False)
    assert clearing.clear(account.store, timezone.now()) == 0

    change(order, status="cancelled")
    assert clearing.clear(account.store, timezone.now()) == 1

    # An order that is taken up again, and cancelled again, brings back nothing for what had its time.
    removal = Push.objects.get(kind="coupon_removal")
    removal.outcome = Push.Outcome.CONFIRMED
    removal.save(update_fields=["outcome"])
    redemptions.removed(removal)
    Coupon.objects.update(deleted_at=timezone.now())
    change(order, status="processing", is_paid=True)
    assert state(redemption) == State.USED
    change(order, status="cancelled", is_paid=False)
    assert (state(redemption), balance(account)) == (State.EXPIRED, 150)


def test_what_is_not_over_or_was_used_or_prolonged_or_is_gone_is_left_alone(store, django_assert_max_num_queries):
    now = timezone.now()
    account = make_account(make_customer(store), 1000)
    for days, coupon in [
        (29, {}),
        (31, {"usage_count": 1}),
        (31, {"deleted_at": now}),
        (31, {"date_expires_gmt": now + timedelta(days=9)}),
        (31, {"date_expires_gmt": None}),
    ]:
        expired(account, days, **coupon)
    with django_assert_max_num_queries(3):
        assert clearing.clear(store, now) == 0

    due = [expired(account, 31).code for _code in range(3)]
    store_elsewhere = make_store()
    assert clearing.clear(store_elsewhere, now) == 0
    assert clearing.clear(store, now) == 3
    assert removals() == due


def test_a_night_asks_for_so_many_and_the_next_for_others(account, monkeypatch):
    monkeypatch.setattr(clearing, "BATCH", 1)
    codes = [expired(account, 31).code, expired(account, 31).code]

    assert [clearing.clear(account.store, timezone.now()) for _night in range(3)] == [1, 1, 0]
    assert removals() == codes
