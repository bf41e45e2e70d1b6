"""What must be true of events, points, mails, pushes and kept webhooks when everything is quiet."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from hashlib import sha256

from django.db.models import F, Q, Sum

from crm.events.models import Event
from crm.messaging.models import Message
from crm.orders.models import Customer, Order
from crm.stores.models import Store
from crm.woocommerce.models import Push, WebhookDelivery
from crm.work import drain
from crm.work.models import DueWork
from loyalty import earning, proof
from loyalty.models import LedgerEntry, Program
from postpurchase.demo.server import Demo

from .mirror import is_news
from .witness import Witness

State = DueWork.State
PAID = ("processing", "completed")
ROUNDING = {"down": ROUND_FLOOR, "nearest": ROUND_HALF_UP, "up": ROUND_CEILING}


def work_left(at: datetime) -> Iterator[str]:
    """Rows that are due, held by somebody or given up; what is only due at a later time is no work yet."""
    for model in drain.tables():
        left = model.objects.filter(Q(state__in=[State.RUNNING, State.PARKED]) | Q(state=State.DUE, due_at__lte=at))
        for row in left.order_by("pk")[:20]:
            if isinstance(row, Push) and row.outcome == Push.Outcome.REFUSED:
                continue  # `pushes` judges these
            yield f"{model.__name__} {row.pk} is {row.state}: {row.error.splitlines()[0] if row.error else 'no error'}"


def events(store: Store, demo: Demo, since: datetime) -> Iterator[str]:
    """Each fact about an order that is news stands in the log once, history not at all.

    `since` is when the shop was connected, by the shop's clock.
    """
    seen = Counter(Event.objects.filter(store=store).values_list("type", "key"))
    yield from (f"event {type} {key}: {count} times" for (type, key), count in seen.items() if count > 1)
    held = set(Order.objects.filter(store=store).values_list("woo_id", flat=True))
    with demo.shop.lock:
        rows = [dict(row) for row in demo.shop.rows["orders"].values() if row["id"] in held]
    for row in rows:
        number = str(row["id"])
        wanted = {
            "order.created": row["status"] != "trash",
            "order.paid": row["status"] in PAID,
            "order.completed": row["status"] == "completed",
            "order.cancelled": row["status"] == "cancelled",
        }
        if not is_news(row["date_created_gmt"], since):
            if ("order.created", number) in seen:
                yield f"order.created {number}: history was announced"
            continue
        for type, is_wanted in wanted.items():
            if is_wanted and (type, number) not in seen:
                yield f"{type} {number}: never told"
        if row["status"] != "trash":
            for refund in row["refunds"]:
                if ("order.refunded", str(refund["id"])) not in seen:
                    yield f"order.refunded {refund['id']}: never told"


def points(store: Store, demo: Demo, since: datetime) -> Iterator[str]:
    """The books close, replaying changes nothing, and orders that are easily reckoned hold what this reckons."""
    yield from proof.differences(store)
    held = {order.woo_id: order for order in Order.objects.filter(store=store)}
    for entry in earning.settle(store, [order.pk for order in held.values()]):
        yield f"order {entry.order_id}: settling once more posts {entry.points} points, {entry.pending} pending"
    sums = dict(
        LedgerEntry.objects.filter(store=store, order__isnull=False)
        .order_by()
        .values_list("order__woo_id")
        .annotate(total=Sum(F("points") + F("pending")))
    )
    program = Program.objects.get(store=store)
    with demo.shop.lock:
        rows = [dict(row) for row in demo.shop.rows["orders"].values() if row["id"] in held]
    for row in rows:
        number, fees = row["id"], sum(Decimal(fee["total"]) for fee in row["fee_lines"])
        if row["status"] in ("cancelled", "refunded", "failed") and sums.get(number, 0) > 0:
            yield f"order {number}: {sums[number]} points though it is {row['status']}"
        is_plain = row["status"] in PAID and not row["refunds"] and not fees and row["currency"] == store.currency
        if not is_plain or not is_news(row["date_created_gmt"], since) or held[number].customer_id is None:
            continue
        goods = Decimal(row["total"]) - Decimal(row["total_tax"]) - Decimal(row["shipping_total"])
        wanted = int((goods * program.rate).quantize(Decimal(1), ROUNDING[program.rounding]))
        if sums.get(number, 0) != wanted:
            yield f"order {number}: {sums.get(number, 0)} points, {wanted} are right"


def mails(store: Store, left: Iterable[str]) -> Iterator[str]:
    """`left` are the public ids (in the Message-ID) of the mails that really left, each as often as it did."""
    counts = Counter(left)
    yield from (f"mail {name}: left {count} times" for name, count in counts.items() if count > 1)
    for message in Message.objects.filter(store=store):
        name = str(message.public_id)
        if message.outcome == Message.Outcome.SENT and not counts[name]:
            yield f"message {message.pk}: said to be sent and never left"
        if message.outcome in (Message.Outcome.QUEUED, Message.Outcome.SKIPPED) and counts[name]:
            yield f"message {message.pk}: left though it is {message.outcome}"
    thanked = Counter(
        Message.objects.filter(store=store, kind="thank-you").values_list("order__woo_id", flat=True).order_by()
    )
    for key in Event.objects.filter(store=store, type="order.paid").values_list("key", flat=True):
        if thanked[int(key)] != 1:
            yield f"order {key}: {thanked[int(key)]} thank-you mails"


def pushes(store: Store, demo: Demo, witness: Witness) -> Iterator[str]:
    """Each note, coupon and refund that was pushed was made in the shop once; a refund may be refused, and then was not made."""
    with demo.shop.lock:
        notes = Counter(row["note"] for row in demo.shop.rows["notes"].values())
        codes = Counter(row["code"] for row in demo.shop.rows["coupons"].values())
        orders = set(demo.shop.rows["orders"])
    refunds = Counter(reason.split(" (ref. ")[0] for reason in witness.refunds.values())
    for push in Push.objects.filter(store=store, key__startswith="chaos:"):
        asked = push.payload
        if push.kind != "refund" and "order" in asked and asked["order"] not in orders:
            continue  # deleted with its notes
        if push.kind == "refund":
            made = refunds[asked["reason"]]
        else:
            made = notes[asked["note"]] if "note" in asked else codes[asked["code"].lower()]
        is_refused = push.kind == "refund" and push.outcome == Push.Outcome.REFUSED
        if push.outcome != Push.Outcome.CONFIRMED and not is_refused:
            yield f"push {push.key}: {push.outcome} ({push.error[:100]})"
        if made != (not is_refused):
            yield f"push {push.key}: made {made} times in the shop, {push.outcome}"


def inbox(store: Store, accepted: Collection[bytes], forged: Collection[bytes]) -> Iterator[str]:
    """Each body that was answered with 2xx is kept, unless the shop erased its person since, and none that was forged."""
    erased = set(Customer.objects.for_store(store).exclude(erased_at=None).values_list("woo_id", flat=True))
    kept = {bytes(digest) for digest in WebhookDelivery.objects.filter(store=store).values_list("digest", flat=True)}
    lost = [body for body in accepted if sha256(body).digest() not in kept and _customer(body) not in erased]
    taken = [body for body in forged if sha256(body).digest() in kept]
    yield from (f"webhook: accepted and not kept: {body[:60]!r}" for body in lost)
    yield from (f"webhook: forged and kept: {body[:60]!r}" for body in taken)


def _customer(body: bytes) -> int | None:
    """The number that a body about a customer begins with; a deletion's body does not say of what it is the number."""
    payload = json.loads(body)
    return payload.get("id") if isinstance(payload, dict) and "line_items" not in payload else None
