"""The webhooks that a shop sends us: made once, repaired when the shop has switched them off."""

import ipaddress
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from crm.stores.models import Store

from .client import Client

TOPICS = [
    f"{resource}.{event}"
    for resource in ("order", "customer", "product", "coupon")
    for event in ("created", "updated", "deleted", "restored")
    if (resource, event) != ("customer", "restored")
]


@dataclass
class Care:
    made: int = 0
    repaired: int = 0
    kept: int = 0


def address(store: Store) -> str:
    return f"{settings.SITE_URL}/webhooks/woocommerce/{store.public_id}/"


def is_reachable(store: Store) -> bool:
    """Whether the shop could call us: not on this machine's own name, unless the shop is near as well."""
    host = urlsplit(settings.SITE_URL).hostname or ""
    try:
        is_private = not ipaddress.ip_address(host).is_global
    except ValueError:
        is_private = host == "localhost" or host.endswith((".localhost", ".local"))
    return store.insecure or not is_private


def repair(store: Store, client: Client | None = None) -> Care:
    """Have exactly one active webhook per topic at our address, all with the store's secret.

    WooCommerce switches a webhook off after some failures, and would again at the next: it keeps counting. So a new one takes its place.
    """
    care, ours = Care(), address(store)
    if not store.webhook_secret:
        # A secret that an earlier connection used can't be read back: all webhooks get the new one.
        store.webhook_secret = secrets.token_urlsafe(32)
        store.save(update_fields=["webhook_secret"])
        is_fresh = True
    else:
        is_fresh = False
    with client or Client(store) as client:
        found: dict[str, dict] = {}
        for page in client.pages("webhooks", status="all"):
            for webhook in page.numbered.values():
                if str(store.public_id) not in str(webhook.get("delivery_url")):
                    continue
                topic = webhook.get("topic")
                if topic not in TOPICS or topic in found or webhook.get("status") == "disabled":
                    client.delete(f"webhooks/{webhook['id']}", force="true")
                    continue
                found[topic] = webhook
        for topic in TOPICS:
            wanted = {"status": "active", "delivery_url": ours, "secret": store.webhook_secret}
            webhook = found.get(topic)
            if webhook is None:
                client.post("webhooks", {"name": f"Postpurchase {topic}", "topic": topic, **wanted})
                care.made += 1
            elif is_fresh or webhook.get("delivery_url") != ours or webhook.get("status") != "active":
                client.put(f"webhooks/{webhook['id']}", wanted)
                care.repaired += 1
            else:
                care.kept += 1
    return care
