"""Where WooCommerce calls: verify, keep the raw body, answer. What it says is applied later (`deliveries.py`)."""

import base64
import functools
import hashlib
import hmac
import logging
import re

import psycopg
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from crm.stores.models import Store
from crm.work.wake import wake

from .models import WebhookDelivery

logger = logging.getLogger(__name__)

# An order of ten megabytes must fit, and one that somebody else sends must not fill the memory.
MAX_BODY = 16 * 1024 * 1024


class Refused(Exception):
    def __init__(self, status: int, text: str):
        super().__init__(text)
        self.status = status


@csrf_exempt
@require_POST
def receive(request, public_id):
    """Keep one delivery and answer 200, whatever is in it: WooCommerce never sends it a second time.

    401 without a right signature, 404 for no store of ours, 413 above 16 MiB, 503 when it can't be kept.
    """
    try:
        store_id, secret = _store(public_id)
        body = read_body(request)
        if is_ping(request, body):
            return HttpResponse()
        signature = request.META.get("HTTP_X_WC_WEBHOOK_SIGNATURE", "")
        if not secret or not hmac.compare_digest(sign(body, secret), signature.encode(errors="replace")):
            raise Refused(401, "The signature is wrong.")
        keep(store_id, request.META, body)
    except Refused as refused:
        if refused.status == 413:
            # Whoever knows the address can send one.
            logger.warning(
                "A webhook for store %s has more than 16 MiB and is refused; the poll reads what it told.", public_id
            )
        return HttpResponse(f"{refused}\n", status=refused.status, content_type="text/plain")
    except DatabaseError as error:
        # The shop counts a failure and goes on; the poll finds what this refuses.
        logger.error("A webhook can't be kept: %s", error)
        return HttpResponse("Not now.\n", status=503, content_type="text/plain", headers={"Retry-After": "60"})
    return HttpResponse()


def _store(public_id) -> tuple[int, str]:
    found = _execute("SELECT id, webhook_secret FROM stores_store WHERE public_id = %s", [public_id])
    if found is None:
        raise Refused(404, "No such store.")
    return found[0], _decrypted(found[1])


@functools.lru_cache(maxsize=1000)
def _decrypted(secret: str) -> str:
    return Store._meta.get_field("webhook_secret").from_db_value(secret, None, connection)


def read_body(request: HttpRequest) -> bytes:
    """The whole body, of which never more than a byte above the limit is read."""
    length = request.META.get("CONTENT_LENGTH") or ""
    if length.isdecimal() and int(length) > MAX_BODY:
        raise Refused(413, "More than 16 MiB.")
    # Django reads nothing where no length is announced, though the server may know where the body ends.
    chunked = not length and request.META.get("wsgi.input_terminated")
    try:
        body = (request.META["wsgi.input"] if chunked else request).read(MAX_BODY + 1)
    except Exception as error:  # each server has its own for a sender that broke off
        raise Refused(400, "The body can't be read.") from error
    if len(body) > MAX_BODY:
        raise Refused(413, "More than 16 MiB.")
    return body


def is_ping(request: HttpRequest, body: bytes) -> bool:
    """Whether this is the unsigned form WooCommerce posts when a webhook is saved; only a 200 lets it be saved."""
    if any(name.startswith("HTTP_X_WC_") for name in request.META):
        return False
    return request.content_type == "application/x-www-form-urlencoded" and bool(re.fullmatch(rb"webhook_id=\d+", body))


def sign(body: bytes, secret: str) -> bytes:
    """What WooCommerce writes into X-WC-Webhook-Signature."""
    return base64.b64encode(hmac.digest(decode_secret(secret).encode(), body, hashlib.sha256))


_ENTITIES = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "60": "<", "62": ">", "38": "&", "34": '"', "39": "'"}
_ENTITIES |= {"x26": "&", "x22": '"', "x27": "'"}
_ENTITY = re.compile(r"&(?:(lt|gt|amp|quot)|#0*(60|62|38|34|39)|#([xX])0*(26|22|27));")


def decode_secret(secret: str) -> str:
    """WooCommerce signs with wp_specialchars_decode(secret, ENT_QUOTES); so a secret holding `&amp;` is keyed with `&`."""
    return _ENTITY.sub(lambda m: _ENTITIES[m[1] or m[2] or f"x{m[4]}"], secret)


# The row of the drain that was asked for last is locked until this commits: a drain that begins meanwhile (it deletes that row
# first) waits and sees the delivery; one that began before leaves no such row, and a new one is asked for. Sharing the lock,
# deliveries do not wait for each other.
_INSERT = """
    WITH asked AS (SELECT FROM work_wake WHERE label = %s FOR KEY SHARE),
    kept AS (
        INSERT INTO woocommerce_webhookdelivery
            (store_id, topic, delivery_id, webhook_id, source, body, digest, state, attempts, error, due_at, created_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s, 'due', 0, '', now(), now())
        ON CONFLICT (store_id, topic, digest) WHERE state = 'due' AND attempts = 0 AND settled_at IS NULL DO NOTHING
    )
    SELECT EXISTS (SELECT FROM asked)
"""


def keep(store_id: int, headers: dict, body: bytes) -> None:
    """Store a delivery and ask for it to be applied. A twin of one that still waits is not stored again."""
    told = [
        headers.get(f"HTTP_X_WC_WEBHOOK_{name}", "").replace("\x00", "")[:length]
        for name, length in (("TOPIC", 200), ("DELIVERY_ID", 100), ("ID", 20), ("SOURCE", 300))
    ]
    label = WebhookDelivery._meta.label
    row = _execute(_INSERT, [label, store_id, *told, body, hashlib.sha256(body).digest()])
    if not (row and row[0]):
        wake(WebhookDelivery)


def _execute(sql: str, parameters: list) -> tuple | None:
    """One statement, by the shortest way: this decides how many deliveries a second can be taken.

    The body goes to the server as it is, where Django's cursor would write it into the statement. A connection that the server has closed since
    the last request is found by trying, not by asking first; both statements of this module may be repeated.
    """
    for attempt in (1, 2):
        connection.ensure_connection()
        # Planned once for a connection; Django's own cursors do without.
        connection.connection.prepare_threshold = 5
        try:
            with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
                return cursor.execute(sql, parameters).fetchone()
        except DatabaseError:
            if attempt == 2 or connection.in_atomic_block or not connection.connection.closed:
                raise
            connection.close()
    raise AssertionError("unreachable")
