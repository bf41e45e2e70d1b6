"""Apply what webhooks told. A body is one more version of an object, and goes the one way into the mirror that pages go, too.

What a webhook says about a deletion is a hint only: trashing a product sends `coupon.deleted` as well, with the product's number. So the
object is read again, and what the shop answers then is the truth.
"""

import json
from collections import defaultdict
from datetime import datetime

import orjson
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.orders.models import Refund
from crm.stores.models import Store
from crm.work import drain
from crm.work.wake import wake

from . import answers, identity, rereads, saving
from .client import Client, endpoint_of
from .errors import WooCommerceError, is_gone
from .models import Reread, ShopIdentity, WebhookDelivery
from .rereads import NOTES, REFUNDS
from .values import whole

# Topic to resource. What an order refers to comes before the order; other topics (plug-ins', `action.…`) say nothing to the mirror.
RESOURCES = {"product": "products", "customer": "customers", "coupon": "coupons", "order": "orders"}
# What is read of an order besides the order itself: Reread's resource to the end of the address.
OF_ORDER = {NOTES: "notes", REFUNDS: "refunds"}


class Halted(Exception):
    """Nothing passes between the store and its shop for now; the reason is for people."""

    permanent = False


class BadDelivery(Exception):
    """A delivery that no second attempt makes better."""

    permanent = True


def apply(rows: list[WebhookDelivery], at: datetime) -> None:
    """Save what these deliveries hold. Runs in the drain's transaction; raises BadDelivery for a body that is no object."""
    pages: dict[tuple[int, str], list[dict]] = defaultdict(list)
    hints: set[tuple[int, str, int]] = set()
    store_ids = {row.store_id for row in rows}
    stores = Store.objects.in_bulk(store_ids)
    known = ShopIdentity.objects.in_bulk(store_ids)
    for row in rows:
        _admit(row, stores[row.store_id], known.get(row.store_id))
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
    order = list(RESOURCES.values())
    for store_id, resource in sorted(pages, key=lambda page: (page[0], order.index(page[1]))):
        saved = saving.SAVERS[resource](stores[store_id], pages[store_id, resource], at)
        # Deliveries come in any order. Where dates don't tell which is the last, and where an object shows up that was said to be
        # gone before, the shop is asked.
        doubtful = saved.doubtful | rereads.asked_before(store_id, resource, saved.new)
        hints |= {(store_id, resource, number) for number in doubtful}
    rereads.ask(hints, at)


def _admit(row: WebhookDelivery, store: Store, known: ShopIdentity | None) -> None:
    """Raises BadDelivery for what another shop sent, and Halted while it is in doubt which one stands at the address."""
    if store.halted:
        raise Halted(store.halted)
    if not identity.is_own(known, store, row.source):
        raise BadDelivery(
            _(
                "%(source)s sent this, which is not the shop (%(home)s). A copy of a shop has its webhooks and their secret, too: delete them there."
            )
            % {"source": row.source, "home": known.home if known else store.url}
        )


_REPLAY = f"""
    INSERT INTO {WebhookDelivery._meta.db_table}
        (store_id, topic, delivery_id, webhook_id, source, body, digest, state, attempts, error, due_at, created_at)
    SELECT store_id, topic, delivery_id, webhook_id, source, body, digest, 'due', 0, '', %(at)s, %(at)s
    FROM {WebhookDelivery._meta.db_table} WHERE id = ANY(%(pks)s) ORDER BY id
    ON CONFLICT DO NOTHING
"""


@transaction.atomic
def replay(rows: QuerySet[WebhookDelivery], at: datetime) -> int:
    """Have deliveries applied once more, each as a new one: an older version of an object changes nothing. Returns how many wait anew.

    One that waits already is not kept again. The bodies stay in the database: somebody may choose all that came in a month.
    """
    pks = list(rows.order_by().values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(_REPLAY, {"at": at, "pks": pks})
        count = cursor.rowcount
    if count:
        wake(WebhookDelivery)
    return count


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
        if isinstance(payload.get("id"), int) and whole(payload["id"]):
            return payload
        if is_gone(payload.get("code")):
            return None
    # Among them what WooCommerce says when the webhook's owner may no longer read such objects.
    start = body[:200].decode("utf-8", "replace")
    raise BadDelivery(_("The body of %(topic)s is no object: %(start)s") % {"topic": row.topic, "start": start})


def read_again(rows: list[Reread], at: datetime) -> None:
    """Ask the shop for each object and save what it says, or that it has it no more. Settles row by row."""
    for row in rows:
        dates = {} if row.resource in OF_ORDER else answers.dates_held(row.store, row.resource, [row.woo_id])
        try:
            payload = _read(row)
        except WooCommerceError as error:
            # Keys that were revoked for an hour must not cost what was to be read.
            is_final = error.permanent and not error.is_of_shop
            drain.fail(row, str(error), at, permanent=is_final)
            if not is_final:
                # Whatever ails the shop, it need not be asked for every object that waits.
                Reread.objects.due(at).filter(store=row.store).update(due_at=at + row.backoff())
            continue
        with transaction.atomic():
            _save(row, payload, at, dates)
            drain.settle([row], at)


def _save(row: Reread, payload, at: datetime, dates: dict[int, datetime]) -> None:
    if row.resource == NOTES:
        if payload is not None:
            saving.save_notes(row.store, row.woo_id, payload, at)
    elif row.resource == REFUNDS:
        if payload is not None:
            saving.save_refunds_of(row.store, row.woo_id, payload, at)
    elif payload is None:
        saving.mark_deleted(row.store, row.resource, [row.woo_id], at)
    else:
        answers.save_answer(row.store, row.resource, [payload], at, dates)


def _read(row: Reread):
    """What the shop has of it; None where it has no such object."""
    of_order = OF_ORDER.get(row.resource)
    endpoint = f"orders/{row.woo_id}/{of_order}" if of_order else f"{endpoint_of(row.resource)}/{row.woo_id}"
    with Client(row.store) as client:
        try:
            if row.resource == REFUNDS:
                refunds = [refund for page in client.pages(endpoint) for refund in page.numbered.values()]
                if not refunds and Refund.objects.filter(store=row.store, order__woo_id=row.woo_id).exists():
                    # So the list is of an order that is gone, too, and that takes back nothing of what was refunded.
                    client.get(f"orders/{row.woo_id}", _fields="id")
                return refunds
            return client.get(endpoint)
        except WooCommerceError as error:
            # Not any 404: that of a shop whose API is switched off says nothing about the object.
            if error.status != 404 or not is_gone(error.code):
                raise
        # Nor does that of another shop.
        if identity.is_known(row.store):
            identity.verify(row.store, client, timezone.now())
        return None
