"""Another status for an order, unless the shop has moved on meanwhile."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import serializers

from ..client import Client
from ..models import Push
from ..push import Kind, Refused, register
from .comparing import compare
from .payloads import Number, Payload
from .waiting import HANGS, SLOW

NOT_BY_STATUS = {
    "refunded": gettext_lazy("This would note a refund that nobody has paid; use a refund."),
    "trash": gettext_lazy("Orders are not deleted from here."),
    "auto-draft": gettext_lazy("This is no status of an order that was placed."),
    "checkout-draft": gettext_lazy("This is no status of an order that was placed."),
}


class OrderStatusPayload(Payload):
    """`was` is the status that the caller knows it by; where the shop has another by now, it is left alone."""

    order = Number()
    status = serializers.RegexField(r"^(?!wc-)[a-z0-9_-]+$", max_length=40)
    was = serializers.CharField(max_length=60, default="", allow_blank=True)

    def validate_status(self, status):
        if status in NOT_BY_STATUS:
            raise serializers.ValidationError(NOT_BY_STATUS[status])
        return status


class OrderStatus(Kind):
    label = gettext_lazy("Status of an order")
    payload = OrderStatusPayload
    resource = "orders"
    AT_WORK, HANGS = SLOW, HANGS

    def look(self, client: Client, push: Push) -> dict | None:
        order = client.get(f"orders/{push.payload['order']}")
        return order if order.get("status") == push.payload["status"] else None

    def send(self, client: Client, push: Push) -> dict:
        asked = push.payload
        order = client.get(f"orders/{asked['order']}")
        now = order.get("status")
        if now == asked["status"]:
            return order
        if now == "trash":
            # A status would fetch it out of the trash, and no webhook would tell.
            raise Refused(_("The order is in the shop's trash."))
        if asked["was"] and now != asked["was"]:
            raise Refused(_("The order is “%(now)s” by now and not “%(was)s”.") % {"now": now, "was": asked["was"]})
        return client.put(f"orders/{asked['order']}", {"status": asked["status"]})

    def confirm(self, push: Push, answer: dict) -> None:
        compare([("status", push.payload["status"], answer.get("status"))])

    def kept(self, push: Push, answer: dict) -> dict:
        return {name: answer.get(name) for name in ("id", "number", "status", "date_modified_gmt")}


register("order_status", OrderStatus())
