"""Making codes of credit, and reading what became of them."""

import uuid
from decimal import Decimal

from crm.orders.models import Order
from loyalty import proof, redemptions, spending
from loyalty.models import Account, Redemption
from tests.factories import make_order

State = Redemption.State


def spend(account, amount="20", **fields):
    return spending.spend(account.store, account.customer, Decimal(amount), **{"key": uuid.uuid4()} | fields)


def ready(account, amount="20"):
    redemption = spend(account, amount)
    Redemption.objects.filter(pk=redemption.pk).update(state=State.READY)
    return redemption


def order_with(redemption, discount, **fields):
    lines = [{"code": redemption.code.lower(), "discount": discount, "discount_tax": "1.00"}]
    codes = [redemption.code.lower()]
    return make_order(
        redemption.store, redemption.account.customer,
        **{"status": "processing", "is_paid": True, "coupon_codes": codes, "coupon_lines": lines} | fields,
    )  # fmt: skip


def change(order, **fields):
    Order.objects.filter(pk=order.pk).update(**fields)
    redemptions.follow(order.store, [order.pk])
    redemptions.follow(order.store, [order.pk])


def stands(redemption):
    """The code's state, and the money on the account."""
    redemption.refresh_from_db()
    assert not list(proof.differences())
    return redemption.state, Account.objects.get(pk=redemption.account_id).balance


def in_shop(shop, redemption):
    rows = [row for row in shop.shop.rows["coupons"].values() if row["code"] == redemption.code.lower()]
    return rows[0] if rows else None
