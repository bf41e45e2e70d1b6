"""Refunds: money that goes back once, whatever happens on the way."""

from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from crm.events.models import Event
from crm.orders.given_back import given_back
from crm.orders.models import Order
from crm.orders.models import Refund as Mirrored
from crm.stores import formats

from ..client import Client
from ..errors import WooCommerceError
from ..models import Push
from ..push import Kind, Refused, mark, register
from .comparing import amount, compare
from .payloads import Amount, BadPayload, Number, Payload
from .waiting import HANGS, SLOW

TOO_MUCH = "woocommerce_rest_cannot_create_order_refund"
SMALLEST = Decimal("0.0001")


class RefundTax(Payload):
    id = Number()
    refund_total = Amount()


class RefundLine(Payload):
    """What of a line of the order is given back; taxes come on top of `refund_total`."""

    id = Number()
    quantity = serializers.IntegerField(min_value=0, max_value=10**6)
    refund_total = Amount()
    refund_tax = RefundTax(many=True, required=False)


class RefundPayload(Payload):
    """Both switches are asked for: left out, the shop takes them for yes."""

    order = Number()
    amount = Amount(min_value=SMALLEST)
    reason = serializers.CharField(max_length=300, default="", allow_blank=True)
    line_items = RefundLine(many=True, required=False)
    # Whether the payment's gateway is to pay it back, and whether the goods are for sale again.
    api_refund = serializers.BooleanField()
    api_restock = serializers.BooleanField()


class Refund(Kind):
    label = _("Refund")
    payload = RefundPayload
    resource = "orders"
    AT_WORK, HANGS = SLOW, HANGS

    def check(self, push: Push) -> None:
        # Held as by who gives it back otherwise: the second of two at once sees the first.
        orders = Order.objects.for_store(push.store_id).filter(woo_id=push.payload["order"])
        order = orders.select_for_update(no_key=True).first()
        # Where nothing was given back otherwise, the shop itself knows best what is left.
        if order is None or not (given := given_back(order)):
            return
        most = refundable(order, given, push)
        if Decimal(push.payload["amount"]) > most:
            raise BadPayload({"amount": [given_back_said(order, given, most)]})

    def look(self, client: Client, push: Push) -> dict | None:
        rows = (row for page in client.pages(f"orders/{push.payload['order']}/refunds") for row in page.rows)
        return next((row for row in rows if reference(push) in str(row.get("reason"))), None)

    def send(self, client: Client, push: Push) -> dict:
        asked = push.payload
        try:
            # Since it was queued, or refused and now tried again, some may have been given back otherwise.
            with transaction.atomic():
                self.check(push)
        except BadPayload as error:
            raise Refused(str(error)) from error
        body = {name: asked[name] for name in ("amount", "api_refund", "api_restock")}
        # In the reason and not in meta data: that is written only once the gateway has paid.
        body["reason"] = f"{asked['reason']} ({reference(push)})".strip()
        if asked.get("line_items"):
            body["line_items"] = [as_numbers(line) for line in asked["line_items"]]
        try:
            return client.post(f"orders/{asked['order']}/refunds", body)
        except WooCommerceError as error:
            if error.code == TOO_MUCH:
                # A 500, but an answer: more than is left of the order, or the gateway declines. The shop has kept nothing of it.
                raise Refused(str(error)) from error
            raise

    def confirm(self, push: Push, answer: dict) -> None:
        asked = push.payload
        paid_back = answer.get("refunded_payment") if asked["api_refund"] else False
        compare(
            [
                ("amount", amount(asked["amount"]), amount(answer.get("amount"))),
                ("refunded_payment", asked["api_refund"], paid_back),
            ]
        )


def on_its_way(order: Order, besides: Push | None = None) -> Decimal:
    """What the shop was asked to refund of the order, and may have, that the mirror does not hold yet; `besides` is not counted."""
    pushes = Push.objects.for_store(order.store_id).filter(kind="refund", payload__order=order.woo_id)
    # Without `sent_at` nothing of what was refused or given up stands in the shop.
    owed = pushes.exclude(outcome=Push.Outcome.WITHDRAWN).exclude(state=Push.State.PARKED, sent_at=None)
    rows = [push for push in owed.select_related("store") if besides is None or push.pk != besides.pk]
    if not rows:
        return Decimal(0)
    held = list(Mirrored.objects.filter(order=order).values_list("woo_id", "reason"))
    numbers = {number for number, _reason in held}
    # What the mirror had and the shop has no more is not on its way either.
    gone = Event.objects.for_store(order.store_id).filter(
        type="refund.deleted", key__in=[str(push.woo_id) for push in rows if push.woo_id]
    )
    numbers |= {int(key) for key in gone.values_list("key", flat=True)}
    # An answer may be lost and the refund come by a webhook: then its reason alone names the push.
    missing = (
        push
        for push in rows
        if push.woo_id not in numbers and not any(reference(push) in reason for _number, reason in held)
    )
    return sum((Decimal(push.payload["amount"]) for push in missing), Decimal(0))


def refundable(order: Order, given: Decimal, besides: Push | None = None) -> Decimal:
    """What the shop may still be asked to refund where so much was given back otherwise."""
    return max(order.net_total - on_its_way(order, besides) - given, Decimal(0))


def given_back_said(order: Order, given: Decimal, most: Decimal) -> str:
    said = _("%(given)s was given back as store credit, or waits for approval; at most %(most)s is left.")
    return said % {"given": formats.money(given, order.currency), "most": formats.money(most, order.currency)}


def reference(push: Push) -> str:
    """What the refund is known again by."""
    return f"ref. {mark(push)[:10]}"


def as_numbers(line: dict) -> dict:
    """WooCommerce's schema has these amounts as numbers."""
    taxes = [{"id": tax["id"], "refund_total": float(tax["refund_total"])} for tax in line.get("refund_tax") or []]
    return line | {"refund_total": float(line["refund_total"]), "refund_tax": taxes}


register("refund", Refund())
