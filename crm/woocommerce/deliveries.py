"""Apply what webhooks told. A body is one more version of an object, and goes the one way into the mirror that pages go, too.

What a webhook says about a deletion is a hint only: trashing a product sends `coupon.deleted` as well, with the product's number. So the
object is read again, and what the shop answers then is the truth.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

import orjson
from django.db import connection, transaction
from django.utils.translation import gettext as _

from crm.stores.models import Store
from crm.work import drain
from crm.work.wake import wake

from . import saving
from .client import Client
from .errors import WooCommerceError
from .models import Reread, WebhookDelivery

# Topic to resource. What an order refers to comes before the order; other topics (plug-ins', `action.…`) say nothing to the mirror.
RESOURCES = {"product": "products", "customer": "customers", "coupon": "coupons", "order": "orders"}


class BadDelivery(Exception):
    """A delivery that no second attempt makes better."""

    permanent = True


def apply(rows: list[WebhookDelivery], at: datetime) -> None:
    """Save what these deliveries hold. Runs in the drain's transaction; raises BadDelivery for a body that is no object."""
    pages: dict[tuple[int, str], list[dict]] = defaultdict(list)
    hints: set[tuple[int, str, int]] = set()
    for row in rows:
        topic, _dot, event = row.topic.partition(".")
        resource = RESOURCES.get(topic)
        if resource is None:
            continue
        payload = decode(row)
        if payload is None:
            continue
        if event in ("deleted", "restored"):
            hints.add((row.store_id, resource, payload["id"]))
        else:
            pages[row.store_id, resource].append(payload)
    stores = Store.objects.in_bulk({store_id for store_id, _resource in pages})
    order = list(RESOURCES.values())
    for store_id, resource in sorted(pages, key=lambda page: (page[0], order.index(page[1]))):
        saving.SAVERS[resource](stores[store_id], pages[store_id, resource], at)
    reread(hints, at)


def decode(row: WebhookDelivery) -> dict | None:
    """The object in the body; None where the shop says that it was gone when the body was made."""
    body = bytes(row.body)
    try:
        payload = orjson.loads(body)
    except ValueError:
        try:
            # Slower and laxer: NaN, numbers of any length and half surrogates, which the mapping deals with one by one.
            payload = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise BadDelivery(_("The body is no JSON: %(error)s") % {"error": error}) from None
    if isinstance(payload, dict):
        number = payload.get("id")
        if isinstance(number, int) and not isinstance(number, bool) and 0 < number < 2**63:
            return payload
        if is_gone(payload.get("code")):
            return None
    # Among them what WooCommerce says when the webhook's owner may no longer read such objects.
    start = body[:200].decode("utf-8", "replace")
    raise BadDelivery(_("The body of %(topic)s is no object: %(start)s") % {"topic": row.topic, "start": start})


def is_gone(code) -> bool:
    """Whether WooCommerce's error code means that there is no object of this number."""
    return str(code).endswith("invalid_id")


def reread(objects: Iterable[tuple[int, str, int]], at: datetime) -> None:
    """Have objects read again: (store's primary key, resource, number in the shop). Those that wait already wait once."""
    rows = sorted(objects)
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO woocommerce_reread (store_id, resource, woo_id, state, attempts, error, due_at, created_at)
            SELECT store_id, resource, woo_id, 'due', 0, '', %s, %s
            FROM unnest(%s::bigint[], %s::text[], %s::bigint[]) AS asked(store_id, resource, woo_id)
            ON CONFLICT (store_id, resource, woo_id)
                WHERE state = 'due' AND attempts = 0 AND settled_at IS NULL DO NOTHING
            """,
            [at, at, *map(list, zip(*rows, strict=True))],
        )
    wake(Reread)


def read_again(rows: list[Reread], at: datetime) -> None:
    """Ask the shop for each object and save what it says, or that it has it no more. Settles row by row."""
    for row in rows:
        try:
            payload = _read(row)
        except WooCommerceError as error:
            drain.fail(row, str(error), at, permanent=error.permanent)
            if not error.permanent:
                # Whatever ails the shop, it need not be asked for every object that waits.
                Reread.objects.due(at).filter(store=row.store).update(due_at=at + row.backoff())
            continue
        with transaction.atomic():
            if payload is None:
                saving.mark_deleted(row.store, row.resource, [row.woo_id], at)
            else:
                saving.SAVERS[row.resource](row.store, [payload], at, revive=True)
            drain.settle([row], at)


def _read(row: Reread) -> dict | None:
    try:
        with Client(row.store) as client:
            return client.get(f"{row.resource}/{row.woo_id}")
    except WooCommerceError as error:
        # Not any 404: that of a shop whose API is switched off says nothing about the object.
        if error.status == 404 and is_gone(error.code):
            return None
        raise
