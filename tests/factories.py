"""The smallest valid objects, as plain functions. Every value can be given; what must be unique counts up."""

import hashlib
import itertools
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from crm.orders.models import Category, Customer, LineItem, Order, Product, Refund
from crm.stores.models import ApiKey, Membership, Store, StoreLogo, User
from crm.stores.sessions import PROVEN
from crm.woocommerce.models import WebhookDelivery
from loyalty import ledger
from loyalty.models import Account, Program

_count = itertools.count(1)
NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)


def at(text):
    """A moment in UTC: `at("2026-11-22T10:00")`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def make_store(logo: bytes | None = None, **fields) -> Store:
    """A connected store; `logo` is a PNG's bytes."""
    n = next(_count)
    defaults = {
        "slug": f"store-{n}",
        "name": f"Store {n}",
        "url": f"https://store-{n}.example",
        "currency": "INR",
        "timezone": "Asia/Kolkata",
        "announce_from": datetime(2026, 1, 1, tzinfo=UTC),
        "consumer_key": "ck_test",
        "consumer_secret": "cs_test",
        "webhook_secret": "webhook-secret",
    }
    store = Store.objects.create(**defaults | {"logo_type": "image/png" if logo else ""} | fields)
    if logo:
        StoreLogo.objects.create(store=store, body=logo)
    return store


def make_customer(store, **fields) -> Customer:
    n = next(_count)
    defaults = {"woo_id": n, "email": f"customer-{n}@shop.example", "first_name": "Asha", "last_name": "Kulkarni"}
    return Customer.objects.create(store=store, **defaults | fields)


def make_guest(store, **fields) -> Customer:
    return make_customer(store, woo_id=None, **fields)


def make_category(store, **fields) -> Category:
    n = next(_count)
    return Category.objects.create(
        store=store, **{"woo_id": n, "name": f"Category {n}", "slug": f"category-{n}"} | fields
    )


def make_product(store, **fields) -> Product:
    n = next(_count)
    defaults = {
        "woo_id": n,
        "name": f"Product {n}",
        "type": "simple",
        "status": "publish",
        "price": Decimal("100.00"),
        "permalink": f"{store.url}/product/product-{n}/",
    }
    return Product.objects.create(store=store, **defaults | fields)


def make_order(store, customer=None, lines=(), **fields) -> Order:
    """A paid order of 100.00; `lines` is a list of keyword arguments for `make_line`."""
    n = next(_count)
    defaults = {
        "woo_id": n,
        "number": str(n),
        "status": "processing",
        "currency": store.currency,
        "customer": customer,
        "customer_woo_id": (customer and customer.woo_id) or 0,
        "billing_email": customer.email if customer else "",
        "billing": {"first_name": "Asha", "last_name": "Kulkarni", "city": "Pune", "country": "IN"},
        "total": Decimal("100.00"),
        "total_tax": Decimal("0.00"),
        "shipping_total": Decimal("0.00"),
        "shipping_tax": Decimal("0.00"),
        "discount_total": Decimal("0.00"),
        "discount_tax": Decimal("0.00"),
        "date_created_gmt": NOW,
        "date_modified_gmt": NOW,
        "date_paid_gmt": NOW,
        "is_paid": True,
    }
    order = Order.objects.create(store=store, **defaults | fields)
    for line in lines:
        make_line(order, **line)
    return order


def make_line(order, product=None, **fields) -> LineItem:
    defaults = {
        "woo_id": next(_count),
        "product": product,
        "product_id_in_shop": product.woo_id if product else 0,
        "name": product.name if product else "Masala Chai 250 g",
        "quantity": Decimal(1),
        "price": Decimal("100.00"),
        "subtotal": Decimal("100.00"),
        "subtotal_tax": Decimal("0.00"),
        "total": Decimal("100.00"),
        "total_tax": Decimal("0.00"),
    }
    return LineItem.objects.create(store=order.store, order=order, **defaults | fields)


def make_refund(order, **fields) -> Refund:
    defaults = {"woo_id": next(_count), "amount": Decimal("10.00"), "date_created_gmt": NOW}
    return Refund.objects.create(store=order.store, order=order, **defaults | fields)


def make_staff(store=None, role=Membership.Role.OWNER, **fields) -> User:
    user = User.objects.create_user(**{"email": f"staff-{next(_count)}@shop.example", "is_staff": True} | fields)
    if store:
        Membership.objects.create(user=user, store=store, role=role)
    return user


def make_api_key(store, scopes=None, **fields) -> tuple[ApiKey, str]:
    """The row and the key; with every scope unless told."""
    return ApiKey.issue(store, "Test", list(ApiKey.Scope.values) if scopes is None else scopes, **fields)


# --- messaging ---
def make_message(store, **fields):
    """A message that is due; its kind is the thank-you unless told."""
    from crm.messaging.models import Message

    n = next(_count)
    defaults = {
        "kind": "thank-you",
        "purpose": "service",
        "key": f"order:{n}",
        "recipient": f"customer-{n}@shop.example",
        "language": "en",
        "due_at": NOW,
    }
    return Message.objects.create(store=store, **defaults | fields)


# --- portal ---


def sign_in(client, email) -> User:
    """Make this test client the session of somebody who has proven the address by a code."""
    user, _created = User.objects.get_or_create(email=email)
    client.force_login(user)
    session = client.session
    session[PROVEN] = email
    session.save()
    return user


# --- reviews ---


def make_invitation(order, **fields):
    from crm.reviews.models import Invitation

    defaults = {"store": order.store, "customer": order.customer, "due_at": NOW}
    return Invitation.objects.create(order=order, **defaults | fields)


def make_answer(line, **fields):
    """Five stars with words for a line of an order, made with an invitation if there is none."""
    from crm.reviews.models import Answer, Invitation

    invitation = Invitation.objects.filter(order=line.order).first() or make_invitation(
        line.order, state="done", outcome="invited"
    )
    defaults = {"score": 5, "text": "Smells like home.", "shown_name": "Asha K.", "product_name": line.name}
    defaults |= {"product": line.product and (line.product.parent or line.product)}
    return Answer.objects.create(store=line.store, invitation=invitation, line=line, **defaults | fields)


# --- loyalty ---


def make_program(store, **fields) -> Program:
    """One point for each unit of money, rounded down, since the beginning of the year."""
    defaults = {"rate": Decimal(1), "point_value": Decimal("0.01"), "starts_at": datetime(2026, 1, 1, tzinfo=UTC)}
    return Program.objects.create(store=store, **defaults | fields)


def make_account(customer, points=0) -> Account:
    """An account, with so many points on it."""
    account = Account.objects.create(store=customer.store, customer=customer)
    if points:
        ledger.post(account, "adjust", points, "opening")
        account.refresh_from_db()
    return account


def make_credit(customer, amount=0, currency="INR") -> Account:
    """Store credit: an account of money, with so many of the currency's smallest units on it."""
    account = Account.objects.create(store=customer.store, customer=customer, unit=currency)
    if amount:
        ledger.post(account, "adjust", amount, "opening")
        account.refresh_from_db()
    return account


def make_earning_rule(thing, rate, **fields):
    """Another rate for a product, a variation or a category; switched on unless told."""
    from loyalty.models import EarningRule

    kind = "category" if isinstance(thing, Category) else "product"
    return EarningRule.objects.create(
        store=thing.store, **{kind: thing, "rate": Decimal(rate), "active": True} | fields
    )


def make_occasion(store, kind="review", points=50, **fields):
    from loyalty.models import Occasion

    return Occasion.objects.create(store=store, kind=kind, points=points, **fields)


def make_campaign(store, multiplier=2, **fields):
    """Double points for everything and at any time; switched on unless told."""
    from loyalty.models import Campaign

    defaults = {"name": "Festival", "multiplier": Decimal(multiplier), "active": True}
    return Campaign.objects.create(store=store, **defaults | fields)


def make_reward(store, points=100, **fields):
    """Fifty off for so many points, unless told otherwise."""
    from loyalty.models import Reward

    return Reward.objects.create(store=store, points=points, **{"kind": "money", "amount": Decimal(50)} | fields)


def make_redemption(account, reward, **fields):
    """A reward that was taken, without its points and its coupon."""
    from loyalty.models import Redemption

    defaults = {"terms": reward.terms, "code": f"CODE-{Redemption.objects.count()}", "state": "ready"}
    return Redemption.objects.create(store=account.store, account=account, reward=reward, **defaults | fields)


def make_gift(redemption, **fields):
    """Of a gift card: that somebody has it, from nobody and without a word."""
    from loyalty.models import Gift

    fields = {"language": "en", "by_mail": bool(fields.get("recipient"))} | fields
    return Gift.objects.create(store=redemption.store, redemption=redemption, **fields)


def make_member(customer, **fields):
    """A customer who joined the programme in the portal."""
    from loyalty.models import Member

    defaults = {"joined_at": NOW, "joined_by": "portal"}
    return Member.objects.create(store=customer.store, customer=customer, **defaults | fields)


def make_tier(program, name="Gold", threshold=1000, **fields):
    from loyalty.models import Tier

    defaults = {"key": name.lower().replace(" ", "-"), "threshold": Decimal(threshold)}
    return Tier.objects.create(program=program, name=name, **defaults | fields)


def make_referral(member, **fields):
    """A friend who left an address at NOW and has two months to order."""
    from crm.messaging.mailboxes import mailbox
    from loyalty.models import Referral

    email = fields.pop("friend_email", f"friend-{next(_count)}@mail.example")
    defaults = {"created_at": NOW, "lapses_at": NOW + timedelta(days=60), "mailbox": mailbox(email)}
    return Referral.objects.create(store=member.store, member=member, friend_email=email, **defaults | fields)


# --- support ---


def make_ticket(store, customer=None, **fields):
    """A customer's question, opened at NOW over the telephone (nothing is mailed for that) unless told."""
    from support import tickets

    n = next(_count)
    defaults = {"subject": f"Question {n}", "text": "Where is my parcel?", "channel": "phone", "at": NOW}
    return tickets.open(store, customer=customer, **defaults | fields)


# --- shipping ---
def tracking_meta(*parcels) -> list:
    """An order's meta data with what the Shipment Tracking plug-in writes; each parcel overrides the first one's fields."""
    from crm.shipping.tracking_meta import KEY

    defaults = {
        "tracking_provider": "dhl",
        "custom_tracking_provider": "",
        "custom_tracking_link": "",
        "tracking_number": "JD0001",
        "date_shipped": str(int(NOW.timestamp())),
        "tracking_id": "abc",
    }
    return [{"id": 1, "key": KEY, "value": [defaults | parcel for parcel in parcels or [{}]]}]


def make_shipment(order, **fields):
    from crm.shipping.models import Shipment

    n = next(_count)
    defaults = {"key": f"key-{n}", "carrier": "dhl", "carrier_name": "DHL", "number": f"JD{n:06}", "shipped_at": NOW}
    return Shipment.objects.create(store=order.store, order=order, **defaults | fields)


# --- webhooks ---


def make_delivery(store, payload=None, topic="order.updated", **fields):
    """A kept delivery of this payload (or of the given `body`), waiting to be applied."""
    body = fields.pop("body", None) or json.dumps(payload).encode()
    digest = hashlib.sha256(body).digest()
    return WebhookDelivery.objects.create(
        store=store, topic=topic, body=body, digest=digest, **{"due_at": NOW} | fields
    )
