"""Two shops with one row of everything in each, every word of which tells whose it is: `Ownedbya`, `Ownedbyb`.

What belongs to a second customer of the first shop says `Ownedbyc`. Whoever is shown a mark that is not theirs found a hole.
"""

import secrets
from dataclasses import dataclass, field

from django.apps import apps
from django.test import Client
from django.utils import timezone

from crm.events.models import Event, Handling
from crm.messaging.models import Consent, Hold, MailboxMessage, MailSettings, Suppression
from crm.messaging.outbox import queue
from crm.orders.models import Coupon, Erasure, OrderNote, ProductReview, RefundLine
from crm.reviews.models import ReviewSettings
from crm.shipping.models import ShipmentItem, ShippingSettings, TrackingEvent
from crm.stores.models import ApiKey, Membership, Store
from crm.woocommerce.models import Connection, KeptAside, Push, Reread, SyncRun, SyncState
from loyalty import trials
from loyalty.models import (
    Adjustment,
    BalanceImport,
    CreditAccount,
    Gift,
    JoinLink,
    MembershipTerms,
    ProgramLiability,
    ReferralCode,
    ReferralTerms,
    RuleVersion,
    ShopDisplay,
    Trial,
)
from support import tickets
from tests import factories
from tests.factories import NOW

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cfc000000003000100"
    "18dd8db00000000049454e44ae426082"
)
MARKS = ("ownedbya", "ownedbyb", "ownedbyc")
SECRETS = {
    "consumer_key": "ck_secret_canary_1f0c",
    "consumer_secret": "cs_secret_canary_2a9b",
    "webhook_secret": "wh_secret_canary_3d7e",
}
NOTE = "Internal-note-canary-5be1"


@dataclass
class Side:
    """A shop: one row of each model, people who work there and their keys, customers."""

    mark: str
    store: Store
    rows: dict[type, object] = field(default_factory=dict)
    staff: dict[str, object] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, label):
        """The row of a model: `side["support.Ticket"]`."""
        return self.rows[apps.get_model(label)]


@dataclass
class World:
    a: Side
    b: Side
    c: Side
    superuser: object
    clients: dict[str, Client]


def build() -> World:
    """Everything, with a signed-in client for each person. Call it in a transaction that is rolled back."""
    a, b = (_side(mark, _store(mark)) for mark in MARKS[:2])
    c = _side(MARKS[2], a.store)
    superuser = factories.make_staff(email="root@postpurchase.example", is_superuser=True)
    # Owns the second shop and looks on in the first.
    both = factories.make_staff(b.store, Membership.Role.OWNER, last_login=NOW)
    Membership.objects.create(user=both, store=a.store, role=Membership.Role.VIEWER)
    people = {
        "anonymous": Client(),
        "superuser": _staff(superuser),
        "other_owner": _staff(b.staff["owner"]),
        "owner_and_viewer": _staff(both),
        **{role: _staff(a.staff[role]) for role in ("viewer", "agent", "owner")},
        "customer": _customer(a),
        "other_customer": _customer(c),
        "customer_elsewhere": _customer(b),
        "key": _program(a.keys["all"]),
        "other_key": _program(b.keys["all"]),
        "key_without_scope": _program(a.keys["none"]),
        "wrong_key": _program("pp_" + secrets.token_urlsafe(32)),
    }
    return World(a, b, c, superuser, people)


def _store(mark):
    return factories.make_store(
        slug=f"shop-of-{mark}",
        name=f"{mark.title()} Shop",
        url=f"https://{mark}.example",
        contact_email=f"help@{mark}.example",
        logo=PNG,
        **{name: f"{secret}_{mark}" for name, secret in SECRETS.items()},
    )


def _side(mark, store) -> Side:
    side = Side(mark, store)
    name = mark.title()
    address = {"first_name": name, "last_name": name, "address_1": f"{name} Road 1", "city": name, "postcode": "411001"}
    customer = factories.make_customer(
        store, email=f"{mark}@mail.example", first_name=name, last_name=name, billing=address
    )
    category = factories.make_category(store, name=f"{name} Shelf", count=1)
    product = factories.make_product(store, name=f"{name} Chai", image_url=f"https://{mark}.example/chai.jpg")
    product.categories.add(category)
    order = factories.make_order(
        store, customer, number=f"9{customer.woo_id}", status="completed", billing=address, shipping=address,
        customer_note=f"{name} note", coupon_lines=[{"code": f"{mark}-ten", "discount": "1.00"}],
        date_completed_gmt=NOW,
    )  # fmt: skip
    line = factories.make_line(order, product)
    refund = factories.make_refund(order, reason=f"{name} changed their mind")
    shipment = factories.make_shipment(order, carrier_name=f"{name} Post")
    invitation = factories.make_invitation(order, state="done", outcome="invited")
    account = factories.make_account(customer, points=50)
    ticket = factories.make_ticket(
        store, customer, order=order, subject=f"{name} asks", text=f"{name} text", channel="portal"
    )
    rule = factories.make_earning_rule(product, 2, active=False)
    campaign = factories.make_campaign(store, name=f"{name} Festival", active=False)
    reward = factories.make_reward(store, 20, description=f"{name} shelf")
    redemption = factories.make_redemption(account, reward, code=f"{name}-CODE", error=customer.email)
    trial = trials.ask(campaign, days=30)
    Trial.objects.filter(pk=trial.pk).update(state="done", result=trials.Result().dump())
    trial.refresh_from_db()
    # The one that opening the ticket recorded.
    event = Event.objects.get(type="ticket.opened", key=str(ticket.pk))
    _keep(
        side, store, customer, category, product, order, line, refund, shipment, invitation, account, ticket,
        account.entries.get(), account.lots.get(), rule, reward, redemption, campaign, trial, RuleVersion.objects.get(of="campaign", object_id=campaign.pk),
        RefundLine.objects.create(
            refund=refund, line_item=line, woo_id=refund.woo_id + 1, name=f"{name} Chai", quantity=0,
            total=0, total_tax=0,
        ),
        Coupon.objects.create(
            store=store, woo_id=order.woo_id, code=f"{mark}-ten", amount=10, discount_type="percent",
            email_restrictions=[customer.email],
        ),
        OrderNote.objects.create(
            store=store, order=order, woo_id=order.woo_id, author=f"{name} staff", note=f"<p>{name} rang</p>",
            customer_note=True, date_created_gmt=NOW,
        ),
        Erasure.objects.create(store=store, found={f"{name} rows": 1}),
        ProductReview.objects.create(
            store=store, woo_id=order.woo_id, product=product, product_id_in_shop=product.woo_id, customer=customer,
            status="approved", reviewer=name, reviewer_email=customer.email, review=f"<p>{name} likes it</p>", rating=4,
            date_created_gmt=NOW,
        ),
        factories.make_answer(line, text=f"{name} loves it", shown_name=name, score=2),
        ShipmentItem.objects.create(shipment=shipment, line_item=line, quantity=1),
        TrackingEvent.objects.create(shipment=shipment, occurred_at=NOW, status="shipped", text=f"{name} van"),
        event,
        Handling.objects.create(event=event, handler=f"{mark}.handler", due_at=NOW),
        _mail(store, customer, order, name),
        Consent.objects.create(store=store, email=customer.email, given=True, at=NOW, source=f"{name} checkout"),
        Suppression.objects.create(store=store, email=f"bounced@{mark}.example", detail=f"{name} said"),
        Hold.objects.get(reason=f"ticket:{ticket.pk}"),
        factories.make_member(customer, joined_at=NOW),
        ReferralCode.objects.create(store=store, customer=customer, code=f"code{customer.pk}"),
        factories.make_referral(customer, friend_email=f"friend@{mark}.example", flags=["address"]),
        factories.make_delivery(store, {"id": 1, "number": mark}, source=f"https://{mark}.example"),
        SyncRun.objects.create(
            store=store, mode="changes", outcome="failed", started_at=NOW, finished_at=NOW, error=f"{name} sleeps"
        ),
        Push.objects.create(
            store=store, kind="order_note", key=f"note:{mark}", payload={"order": order.woo_id, "note": mark}, due_at=NOW,
            order=order, customer=customer, state="parked", outcome="refused", error=f"{name} said no",
        ),
        Reread.objects.create(store=store, resource="orders", woo_id=order.woo_id, due_at=NOW),
        KeptAside.objects.create(store=store, resource="orders", woo_id=order.woo_id, error=name, payload=f'{{"id": "{mark}"}}'),
        Gift.objects.create(
            store=store, redemption=redemption, sender=name, recipient=f"friend@{mark}.example", message=f"{name} says",
            language="en",
        ),
        JoinLink.objects.create(store=store, email=customer.email, language="en", state="done"),
        CreditAccount.objects.get(pk=factories.make_credit(customer, 500).pk),
        MailboxMessage.objects.create(
            sender="shop@shop.example", recipients=customer.email, subject=f"{name} mail",
            raw=f"To: {mark}@mail.example\nSubject: {name}\nContent-Type: text/html\n\n<p>{name}</p>".encode(),
        ),
    )  # fmt: skip
    if not Membership.objects.filter(store=store).exists():
        _people(side, store)
    return side


def _keep(side, *rows):
    side.rows |= {type(row): row for row in rows}


def _people(side, store):
    """What a shop has once: its settings, its staff, its keys."""
    name = side.mark.title()
    for model in (ShippingSettings, ReviewSettings, MailSettings):
        _keep(side, model.objects.create(store=store))
    _keep(side, SyncState.objects.create(store=store, resource="orders"), Connection.objects.get(pk=store.pk))
    program = factories.make_program(store, name=f"{name} Shop Points")
    _keep(
        side,
        program,
        MembershipTerms.objects.get(pk=program.pk),
        ProgramLiability.objects.get(pk=program.pk),
        factories.make_tier(program, f"{name} Gold", 500),
    )
    ReferralTerms.objects.create(program=program)
    _keep(side, factories.make_occasion(store), ShopDisplay.objects.create(store=store))
    for role in Membership.Role.values:
        side.staff[role] = factories.make_staff(
            store, role, email=f"{role}@{side.mark}.example", first_name=name, last_login=NOW
        )
    _keep(side, side.staff["agent"], side.staff["agent"].memberships.get())
    ticket = side["support.Ticket"]
    tickets.assign(ticket, side.staff["agent"])
    _keep(
        side,
        tickets.reply_from_staff(ticket, side.staff["agent"], f"{name} answer"),
        tickets.note(ticket, side.staff["agent"], f"{NOTE} {name}"),
    )
    _keep(
        side,
        BalanceImport.objects.create(
            store=store, name=f"{name}.csv", digest=side.mark, text="email,points\nx@mail.example,5", state="done"
        ),
        Adjustment.objects.create(
            store=store, account=side["loyalty.Account"], points=5, reason=f"{name} gift", asked_by=side.staff["owner"]
        ),
    )
    for label, scopes in (("all", ApiKey.Scope.values), ("none", [])):
        row, side.keys[label] = factories.make_api_key(store, scopes)
        _keep(side, row)
    # Noted once an hour; not in the middle of a test.
    store.api_keys.update(last_used_at=timezone.now())


def _mail(store, customer, order, name):
    """A thank-you as it was sent."""
    message = queue(store, "thank-you", f"order:{order.woo_id}", customer=customer, order=order)
    message.subject, message.text, message.html = f"Thank you, {name}", name, f"<html><head></head>{name}</html>"
    message.outcome, message.state, message.sent_at = "sent", "done", NOW
    message.save()
    return message


def _staff(user):
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def _customer(side):
    client = Client()
    factories.sign_in(client, side["orders.Customer"].email)
    return client


def _program(key):
    return Client(headers={"Authorization": f"Bearer {key}"})
