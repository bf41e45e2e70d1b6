"""The coupon of a redemption: its code, what it says, owing it to the shop and taking it back."""

import secrets
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Q

from crm.orders.models import GIFT_CARD, Customer, Order
from crm.stores.models import Store
from crm.woocommerce import push
from crm.woocommerce.models import Push

from . import coupon_limits, units
from .models import Redemption, Reward

# Nobody has to ask whether that was a zero: no 0, O, 1, I, L. Ten of them are 49 bits.
LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
# Of an order that was paid, and is not any more: it has used its code all the same.
REFUNDED = "refunded"
# WooCommerce counts a coupon as unused again when its order comes to this, or to the trash.
FREES = ("cancelled", "failed")
FREED = Q(status__in=FREES) | Q(deleted_at__isnull=False)
# How the keys of removals end by which nothing comes back but what comes back of expired codes.
CLEARED = ":cleared"


def new_code(store: Store) -> str:
    """`MASALA-7F3KQ-XW2PD`: nobody guesses it, and nobody misreads it."""
    prefix = "".join(letter for letter in store.slug.upper() if letter in LETTERS)[:6] or "PP"
    first, second = ("".join(secrets.choice(LETTERS) for _place in range(5)) for _half in range(2))
    return f"{prefix}-{first}-{second}"


def last_moment(valid_days: int | None, store: Store, at: datetime) -> datetime | None:
    """The last second of the last day, by the store's clock."""
    if valid_days is None:
        return None
    last = at.astimezone(store.zone) + timedelta(days=valid_days)
    return last.replace(hour=23, minute=59, second=59, microsecond=0)


def cause(redemption: Redemption) -> str:
    """Names the redemption in the ledger, in the outbox and among mails."""
    return f"redemption:{redemption.pk}"


def owe(redemption: Redemption, customer: Customer, at: datetime, attempt: int = 1) -> Push:
    """Owe the shop the coupon; another code is another `attempt`. Raises BadPayload for an address that the shop would not keep."""
    terms = redemption.terms
    kind = terms["kind"]
    payload = coupon_limits.for_coupon(terms) | {
        "code": redemption.code,
        "discount_type": "percent" if kind in (Reward.Kind.PERCENT, Reward.Kind.PRODUCT) else "fixed_cart",
        "amount": "100" if kind == Reward.Kind.PRODUCT else terms["amount"] or "0",
        "free_shipping": kind == Reward.Kind.SHIPPING,
        "individual_use": terms["individual_use"],
        "usage_limit": 1,
        # A gift is for whoever has the code.
        "email_restrictions": [] if redemption.is_gift else [customer.email],
        "date_expires": redemption.expires_at,
        "description": _description(redemption),
    }
    if kind == Reward.Kind.PRODUCT:
        # One of it, however many lie in the cart.
        payload |= {"product_ids": [terms["product"]], "limit_usage_to_x_items": 1}
    key = cause(redemption) if attempt == 1 else f"{cause(redemption)}:{attempt}"
    return push.queue(redemption.store, "coupon", key, payload, customer=customer, at=at)


def _description(redemption: Redemption) -> str:
    if redemption.is_credit:
        return "Postpurchase: store credit"
    if redemption.rest_of_id:
        return f"{GIFT_CARD}, the rest of it"
    what = GIFT_CARD if redemption.is_gift else "Postpurchase: reward"
    return f"{what} for {redemption.points} points"


def take_back(redemption: Redemption, code: str, at: datetime | None = None) -> Push:
    """Have the shop delete the coupon if nobody has used it."""
    removals = Push.objects.filter(store=redemption.store, kind="coupon_removal")
    before = removals.filter(key__startswith=f"{cause(redemption)}:back:").count()
    key = f"{cause(redemption)}:back:{before + 1}"
    return push.queue(redemption.store, "coupon_removal", key, {"code": code}, at=at)


def clear(redemption: Redemption, before: datetime, at: datetime) -> Push:
    """Have the shop delete the coupon of a code whose time is over, once, if by the shop's own word it ended `before` and nobody has used it."""
    payload = {"code": redemption.code, "expired_before": before}
    return push.queue(redemption.store, "coupon_removal", f"{cause(redemption)}{CLEARED}", payload, at=at)


def is_clearing(row: Push) -> bool:
    return row.key.endswith(CLEARED)


def was_cleared(redemption: Redemption) -> bool:
    """Whether it was taken out of the shop because its time was over."""
    key = f"{cause(redemption)}{CLEARED}"
    removals = Push.objects.filter(store=redemption.store, kind="coupon_removal", key=key)
    return removals.filter(outcome=Push.Outcome.CONFIRMED).exists()


def worth(redemption: Redemption) -> int:
    """What a code of money takes off at most, in the currency's smallest unit."""
    currency = redemption.terms["currency"]
    return int(Decimal(redemption.terms["amount"]) / units.money(1, currency))


def used_of(redemption: Redemption, order: Order) -> int:
    """What the order really took off with the code, in the currency's smallest unit: a coupon may be larger than the goods."""
    most = worth(redemption)
    lines = [line for line in order.coupon_lines if str(line.get("code")).lower() == redemption.code.lower()]
    if not lines or order.currency != redemption.terms["currency"]:
        # Nobody knows what is left.
        return most
    fields = ["discount", "discount_tax"] if order.prices_include_tax else ["discount"]
    amount = sum((Decimal(str(line.get(field) or 0)) for line in lines for field in fields), Decimal())
    smallest = units.money(1, redemption.terms["currency"])
    return min(int((amount / smallest).to_integral_value("ROUND_HALF_UP")), most)


def attempt_of(row: Push) -> int:
    """Of a push that owes a coupon: the number of the code."""
    *_reason, number = row.key.split(":")
    return int(number) if row.key.count(":") > 1 else 1
