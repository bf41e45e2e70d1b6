"""The webhooks that a shop sends us: made once, watched, and made anew when the shop has switched them off."""

import ipaddress
import secrets
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.stores.models import Store

from . import identity, incidents
from .client import Client
from .locks import alone
from .models import ShopWebhook, WebhookDelivery

TOPICS = [
    f"{resource}.{event}"
    for resource in ("order", "customer", "product", "coupon")
    for event in ("created", "updated", "deleted", "restored")
    if (resource, event) != ("customer", "restored")
]

PORTS = {None, 80, 443, 8080}
NAMES_OF_HOMES = (".localhost", ".local", ".lan", ".internal", ".home.arpa")


@dataclass
class Care:
    made: int = 0
    repaired: int = 0
    kept: int = 0
    # What was wrong with a webhook that had been there, by topic.
    problems: dict[str, str] = field(default_factory=dict)


def address(store: Store) -> str:
    return f"{settings.SITE_URL}/webhooks/woocommerce/{store.public_id}/"


def is_reachable(store: Store) -> bool:
    """Whether the shop could call us: WordPress refuses private addresses and most ports (`wp_http_validate_url`), unless the shop is near as well."""
    site = urlsplit(settings.SITE_URL)
    host = site.hostname or ""
    try:
        is_public = ipaddress.ip_address(host).is_global
    except ValueError:
        is_public = "." in host and not host.endswith(NAMES_OF_HOMES)
    return store.insecure or (is_public and site.port in PORTS)


def has_called(store: Store) -> bool:
    """Whether one of its webhooks lately arrived, which some shops manage that WordPress alone would not let."""
    return WebhookDelivery.objects.for_store(store).exists()


def repair(store: Store, client: Client | None = None) -> Care:
    """Have exactly one active webhook per topic at our address, all with the store's secret, and remember how they were found.

    WooCommerce switches a webhook off after some failures, and would again at the next: it keeps counting. So a new one takes its place.
    When one that had been there was off, changed or gone, the merchant is told, once for all that comes of one cause. Raises Busy while another process is at it.
    """
    care = Care()
    # Two at once would each make a secret and webhooks of its own.
    with alone(store, "webhooks"), client or Client(store) as client:
        found, surplus = _look(store, client)
        _have_a_secret(store)
        known = dict(ShopWebhook.objects.for_store(store).values_list("topic", "woo_id"))
        problems = {topic: _problem(store, found.get(topic)) for topic in TOPICS}
        # Whose secret can't be read back: somebody else's, an earlier connection's, or of a first time that was cut short.
        strange = {topic for topic, webhook in found.items() if known.get(topic) != webhook["id"]}
        if (surplus or strange or any(problems.values())) and identity.is_known(store):
            # A copy of the shop must not be made to call us.
            identity.verify(store, client, timezone.now())
        for webhook in surplus:
            client.delete(f"webhooks/{webhook['id']}", force="true")
        for topic, problem in problems.items():
            found[topic] = _mend(store, client, topic, found.get(topic), problem or topic in strange, care)
        care.problems = {topic: problem for topic, problem in problems.items() if problem and topic in known}
        _keep(store, found, care, timezone.now())
    return care


def _have_a_secret(store: Store) -> None:
    store.refresh_from_db(fields=["webhook_secret"])
    if not store.webhook_secret:
        store.webhook_secret = secrets.token_urlsafe(32)
        store.save(update_fields=["webhook_secret"])
        # What there is in the shop was made with another one.
        ShopWebhook.objects.for_store(store).update(woo_id=None)


def _look(store: Store, client: Client) -> tuple[dict[str, dict], list[dict]]:
    """Our webhooks in the shop: one for each topic, an active one rather than another, and those that are too many."""
    found: dict[str, dict] = {}
    surplus = []
    ours = [
        webhook
        for page in client.pages("webhooks", status="all")
        for webhook in page.numbered.values()
        if str(store.public_id) in str(webhook.get("delivery_url"))
    ]
    for webhook in sorted(ours, key=lambda webhook: webhook.get("status") != "active"):
        topic = str(webhook.get("topic"))
        if topic not in TOPICS or topic in found:
            surplus.append(webhook)
        else:
            found[topic] = webhook
    return found, surplus


def _problem(store: Store, webhook: dict | None) -> str:
    if webhook is None:
        return _("missing")
    if webhook.get("status") == "disabled":
        return _("switched off by the shop after failed deliveries")
    if webhook.get("status") != "active":
        return _("paused")
    return "" if webhook.get("delivery_url") == address(store) else _("led to another address")


def _mend(store, client, topic, webhook, problem, care) -> dict:
    """The webhook as it is from now on."""
    wanted = {"status": "active", "delivery_url": address(store), "secret": store.webhook_secret}
    if webhook and webhook.get("status") == "disabled":
        client.delete(f"webhooks/{webhook['id']}", force="true")
        webhook = None
    if webhook is None:
        care.made += 1
        return client.post("webhooks", {"name": f"Postpurchase {topic}", "topic": topic, **wanted})
    if problem:
        care.repaired += 1
        return client.put(f"webhooks/{webhook['id']}", wanted)
    care.kept += 1
    return webhook


@transaction.atomic
def _keep(store: Store, found: dict[str, dict], care: Care, at: datetime) -> None:
    """Write down what there is now, so that no page has to ask, and tell of what was wrong."""
    for topic, webhook in found.items():
        status = webhook.get("status")
        fields = {
            "woo_id": webhook.get("id"),
            "status": status if status in ShopWebhook.Status.values else ShopWebhook.Status.DISABLED,
            "checked_at": at,
        }
        if problem := care.problems.get(topic):
            fields |= {"problem": problem, "repaired_at": at}
        ShopWebhook.objects.update_or_create(store=store, topic=topic, defaults=fields)
    if not care.problems:
        incidents.webhooks_are_well(store, at)
        return
    counts = Counter(care.problems.values())
    what = "; ".join(f"{count} × {problem}" for problem, count in counts.items())
    incidents.webhooks_repaired(
        store,
        _(
            "%(store)s: some of the shop's webhooks were not as they should be (%(what)s). They have been put right, and what they did not tell is being "
            "fetched. If this comes again, see whether %(address)s can be reached from the shop's server, and whether a firewall stands between."
        )
        % {"store": store.name, "what": what, "address": address(store)},
        at,
    )
