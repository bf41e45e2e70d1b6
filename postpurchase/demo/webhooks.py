"""Webhooks: who wants to hear what, and the thread that delivers it."""

import base64
import hashlib
import heapq
import hmac
import itertools
import secrets
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlparse

import requests

from .state import Refused, State
from .web import wordpress_json

TOPICS = {
    "order": {
        "created": ["woocommerce_new_order"],
        "updated": ["woocommerce_update_order", "woocommerce_order_refunded"],
        "deleted": ["wp_trash_post"],
        "restored": ["untrashed_post"],
    },
    "customer": {
        "created": ["user_register", "woocommerce_created_customer", "woocommerce_new_customer"],
        "updated": ["profile_update", "woocommerce_update_customer"],
        "deleted": ["delete_user"],
    },
    "product": {
        "created": ["woocommerce_process_product_meta", "woocommerce_new_product", "woocommerce_new_product_variation"],
        "updated": [
            "woocommerce_process_product_meta",
            "woocommerce_update_product",
            "woocommerce_update_product_variation",
        ],
        "deleted": ["wp_trash_post"],
        "restored": ["untrashed_post"],
    },
    "coupon": {
        "created": ["woocommerce_process_shop_coupon_meta", "woocommerce_new_coupon"],
        "updated": ["woocommerce_process_shop_coupon_meta", "woocommerce_update_coupon"],
        "deleted": ["wp_trash_post"],
        "restored": ["untrashed_post"],
    },
}
FAILURES = 7  # in a row, and the webhook is disabled
AGENT = "WooCommerce/10.0.2 Hookshot (WordPress/6.8.8)"


class Webhooks(State):
    """The rows; `Deliveries` does the work. A row's secret and count of failures never show in the REST API."""

    def add_webhook(
        self, topic: str, url: str, secret: str | None = None, *, name: str = "", status: str = "active"
    ) -> dict:
        with self.lock:
            resource, _, event = topic.partition(".")
            row: dict = {
                "id": self.number("webhook"),
                "name": name or topic,
                "status": status,
                "topic": topic,
                "resource": resource,
                "event": event,
                "hooks": TOPICS[resource][event],
                "delivery_url": url,
                # A secret that is left out is random, and nobody can ever read it.
                "secret": secret or secrets.token_urlsafe(24),
                "failures": 0,
                "date_created_gmt": self.at(),
                "date_modified_gmt": None,
            }
            self.keep("webhooks", row)
            self.tell("webhook.saved", row["id"])
            return row

    def add_webhooks_to(self, url: str, secret: str) -> None:
        """One webhook for each topic that matters, unless the address has it already."""
        with self.lock:
            held = {row["topic"] for row in self.rows["webhooks"].values() if row["delivery_url"] == url}
            for resource, events in TOPICS.items():
                for topic in (f"{resource}.{event}" for event in events if event != "restored"):
                    if topic not in held:
                        self.add_webhook(topic, url, secret)

    def update_webhook(self, webhook_id: int, **fields) -> dict:
        """Setting it `active` again does not reset the count of failures: one more disables it."""
        with self.lock:
            row = self.rows["webhooks"][webhook_id]
            if fields.get("status", "active") not in ("active", "paused", "disabled"):
                raise Refused("woocommerce_rest_shop_webhook_invalid_status", "Webhook status must be valid.", 400)
            for key in ("name", "status", "delivery_url", "secret"):
                if fields.get(key):
                    row[key] = fields[key]
            if fields.get("topic"):
                resource, _, event = fields["topic"].partition(".")
                if event not in TOPICS.get(resource, {}):
                    message = "Webhook topic must be valid."
                    raise Refused("woocommerce_rest_shop_webhook_invalid_topic", message, 400)
                row |= {
                    "topic": fields["topic"],
                    "resource": resource,
                    "event": event,
                    "hooks": TOPICS[resource][event],
                }
            row["date_modified_gmt"] = self.at()
            self.keep("webhooks", row)
            self.tell("webhook.saved", webhook_id)
            return row


def sign(body: bytes, secret: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


@dataclass(eq=False)
class Delivery:
    """A webhook's request as it is about to leave; with the resource id 0 it is the unsigned greeting of a saved webhook."""

    hook: dict
    row_id: int
    headers: dict[str, str]
    body: bytes


Job = tuple[int, int] | Delivery  # (webhook, resource id), of which no delivery is made yet, or one that is


class Deliveries:
    """Hears what happens in the shop and tells the webhooks, one after another, from its own thread.

    What waits is (webhook, resource id) once, and the body is built when its turn comes: quick changes collapse into
    one delivery that shows the last. A failed one is gone for good.
    """

    def __init__(self, shop, site: str, payload, delay: float = 0.0, timeout: float = 10.0):
        """`payload(resource, id)` answers the JSON-able body; `delay` in seconds lets quick changes collapse."""
        self.shop, self.site, self.payload, self.delay, self.timeout = shop, site, payload, delay, timeout
        # What is to be told, or was told and is held up on its way; and the same by when it is due, by the monotonic clock.
        self.waiting: set[Job] = set()
        self.line: list[tuple[float, int, Job]] = []
        self.numbers = itertools.count()
        self.changed = threading.Condition()
        self.busy = False
        self.stopping = False
        self.session = requests.Session()
        self.session.trust_env = False
        self.thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        self.shop.listeners.append(self.hear)
        self.thread.start()

    def stop(self) -> None:
        self.shop.listeners.remove(self.hear)
        with self.changed:
            self.stopping = True
            self.changed.notify_all()
        self.thread.join(timeout=self.timeout + 5)
        self.session.close()

    def hear(self, topic: str, row_id: int) -> None:
        wanted = (
            [(row_id, 0)]
            if topic == "webhook.saved"
            else [
                (hook["id"], row_id)
                for hook in self.shop.rows["webhooks"].values()
                if hook["topic"] == topic and hook["status"] == "active"
            ]
        )
        for key in wanted:
            self.put(key, self.delay)

    def put(self, job: Job, seconds: float) -> None:
        """Have something done after so many seconds, unless it waits already."""
        with self.changed:
            if job not in self.waiting:
                self.waiting.add(job)
                heapq.heappush(self.line, (time.monotonic() + seconds, next(self.numbers), job))
                self.changed.notify_all()

    def settle(self, timeout: float = 10.0) -> bool:
        """Wait until nothing waits and nothing is under way; False when that took too long."""
        with self.changed:
            return self.changed.wait_for(lambda: not self.waiting and not self.busy, timeout)

    def _run(self) -> None:
        while True:
            with self.changed:
                self.busy = False
                self.changed.notify_all()
                self.changed.wait_for(lambda: self.waiting or self.stopping)
                if self.stopping:
                    return
                due, _number, job = self.line[0]
                if due > time.monotonic():
                    self.changed.wait(due - time.monotonic())
                    continue
                heapq.heappop(self.line)
                self.waiting.remove(job)
                self.busy = True
            self.work(job)

    def work(self, job: Job) -> None:
        delivery = job if isinstance(job, Delivery) else self.prepare(*job)
        if delivery:
            self.send(delivery)

    def prepare(self, webhook_id: int, row_id: int) -> Delivery | None:
        """A delivery that shows the object as it is now; None when nobody wants it any more."""
        with self.shop.lock:
            hook = dict(self.shop.rows["webhooks"].get(webhook_id) or {"status": "gone"})
            if hook["status"] != "active":
                return None
            body = self._body(hook, row_id) if row_id else f"webhook_id={webhook_id}".encode()
        headers = {"User-Agent": AGENT, "Connection": "close"}
        if not row_id:
            return Delivery(hook, 0, headers | {"Content-Type": "application/x-www-form-urlencoded"}, body)
        at = int(time.time())
        headers |= {
            "Content-Type": "application/json",
            "X-WC-Webhook-Source": self.site + "/",
            "X-WC-Webhook-Topic": hook["topic"],
            "X-WC-Webhook-Resource": hook["resource"],
            "X-WC-Webhook-Event": hook["event"],
            "X-WC-Webhook-Signature": sign(body, hook["secret"]),
            "X-WC-Webhook-ID": str(webhook_id),
            # One id for all that a webhook delivers within a second: it tells deliveries not apart.
            "X-WC-Webhook-Delivery-ID": hashlib.md5(f"{webhook_id}.{at}".encode(), usedforsecurity=False).hexdigest(),
        }
        return Delivery(hook, row_id, headers, body)

    def send(self, delivery: Delivery) -> int | str:
        """Returns the status of the answer, or what went wrong."""
        # A greeting is sent by other means, which follow a redirect; a delivery's redirect counts as delivered.
        answered = self._post(delivery, follow=not delivery.row_id)
        if delivery.row_id:
            self._settle(delivery.hook["id"], good=isinstance(answered, int) and 200 <= answered < 303)
        return answered

    def _body(self, hook: dict, row_id: int) -> bytes:
        if hook["event"] == "deleted":
            return wordpress_json({"id": row_id})
        return wordpress_json(self.payload(hook["resource"], row_id))

    def _post(self, delivery: Delivery, follow: bool) -> int | str:
        hook, row_id = delivery.hook, delivery.row_id
        started = time.monotonic()
        try:
            with self.session.post(
                hook["delivery_url"],
                data=delivery.body,
                headers=delivery.headers,
                timeout=self.timeout,
                allow_redirects=follow,
            ) as response:
                answered: int | str = response.status_code
        except requests.RequestException as error:
            answered = type(error).__name__
        topic = hook["topic"] if row_id else "ping"
        host = urlparse(hook["delivery_url"]).netloc
        seen = {"at": self.shop.at(), "topic": topic, "id": row_id, "to": host, "answered": answered}
        self.shop.deliveries.appendleft(seen | {"ms": round((time.monotonic() - started) * 1000)})
        return answered

    def _settle(self, webhook_id: int, good: bool) -> None:
        with self.shop.lock:
            hook = self.shop.rows["webhooks"].get(webhook_id)
            if hook is None or (good and not hook["failures"]):
                return
            if good:
                hook["failures"] = 0
            elif hook["failures"] >= FAILURES - 1:
                hook["status"] = "disabled"
            else:
                hook["failures"] += 1
            hook["date_modified_gmt"] = self.shop.at()
            self.shop.keep("webhooks", hook)
            self.shop.tell("webhook.saved", webhook_id)
