"""Meta data of orders and customers. The newest value counts: a write that was overtaken leaves its keys alone."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from ..client import Client
from ..models import Push
from ..push import Kind, register
from .comparing import compare, meta_of, meta_value
from .payloads import MetaData, Number, Payload


class OrderMetaPayload(Payload):
    order = Number()
    meta = MetaData(allow_empty=False)


class CustomerMetaPayload(Payload):
    """Only keys of ours: others of a user's meta data say what that person may do in WordPress."""

    customer = Number()
    meta = MetaData(keys=r"_?postpurchase_\w+", allow_empty=False)


class Meta(Kind):
    # What the payload calls the object.
    name = ""

    def look(self, client: Client, push: Push) -> dict | None:
        answer = client.get(self._path(push))
        return answer if not list(self._different(push, answer)) else None

    def send(self, client: Client, push: Push) -> dict:
        wanted = self._wanted(push)
        if not wanted:
            return client.get(self._path(push))
        return client.put(self._path(push), {"meta_data": [{"key": k, "value": v} for k, v in wanted.items()]})

    def confirm(self, push: Push, answer: dict) -> None:
        compare(self._different(push, answer))

    def kept(self, push: Push, answer: dict) -> dict:
        mine = [entry for entry in answer.get("meta_data") or [] if entry.get("key") in push.payload["meta"]]
        return {"id": answer.get("id"), "meta_data": mine}

    def number_to_reread(self, push: Push) -> int:
        return push.payload[self.name]

    def _path(self, push: Push) -> str:
        return f"{self.resource}/{push.payload[self.name]}"

    def _wanted(self, push: Push) -> dict[str, Any]:
        """What is to be written, without what a later push for the same object has a newer value for."""
        same = {"store": push.store_id, "kind": push.kind, f"payload__{self.name}": push.payload[self.name]}
        later = Push.objects.filter(**same, pk__gt=push.pk).exclude(outcome=Push.Outcome.WITHDRAWN)
        taken = {key for payload in later.values_list("payload", flat=True) for key in payload["meta"]}
        return {key: value for key, value in push.payload["meta"].items() if key not in taken}

    def _different(self, push, answer):
        found = meta_of(answer)
        for key, value in self._wanted(push).items():
            held = found.get(key, [])
            if value is None and held:
                yield key, None, held[0]
            elif value is not None and meta_value(value) not in held:
                yield key, meta_value(value), held[0] if held else None


class OrderMeta(Meta):
    label = _("Meta data of an order")
    payload = OrderMetaPayload
    resource = "orders"
    name = "order"


class CustomerMeta(Meta):
    label = _("Meta data of a customer")
    payload = CustomerMetaPayload
    resource = "customers"
    name = "customer"


register("order_meta", OrderMeta())
register("customer_meta", CustomerMeta())
