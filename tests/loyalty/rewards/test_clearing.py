"""Coupons that nobody used leave the shop some time after their last day, and nothing comes back for them."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from crm.orders.models import Coupon
from crm.woocommerce.models import Push
from crm.work import drain
from loyalty import clearing, redemptions, tasks
from loyalty.models import Redemption
from tests.factories import make_account, make_customer, make_store

from .taking import balance
from .test_following import State, in_shop, ready, state

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


def removals():
    return list(Push.objects.filter(kind="coupon_removal").values_list("payload__code", flat=True))


def test_an_unused_code_leaves_the_shop_a_month_after_its_last_day_and_its_row_stays(at_shop, shop):
    redemption = expired(at_shop, 31)
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


def test_a_code_that_was_used_is_never_removed(at_shop, shop):
    redemption = expired(at_shop, 31)
    in_shop(shop, redemption)["usage_count"] = 1
    assert clearing.clear(at_shop.store, timezone.now()) == 1
    drain.drain_all()

    assert in_shop(shop, redemption)["status"] == "publish"
    assert (state(redemption), balance(at_shop)) == (State.EXPIRED, 150)


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
