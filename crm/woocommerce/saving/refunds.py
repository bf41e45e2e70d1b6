from collections.abc import Iterable
from datetime import datetime

from django.db import DataError, IntegrityError, transaction
from django.db.models import Q

from crm.events.models import Event
from crm.events.recording import Fact, record_again, record_many
from crm.orders.locking import lock_mirror
from crm.orders.models import Order
from crm.stores.models import Store

from .. import mapping
from ..models import KeptAside
from ..values import MappingError, when_of
from .deleting import add_up_refunds, forget_refunds
from .items import encode
from .page import Saved, keep_aside
from .statements import bound_cursor

# Each is looked up by itself: with a join PostgreSQL would rather read all orders, refunds or lines of the store for every page.
_REFUNDS = """
    INSERT INTO orders_refund AS held (
        store_id, order_id, woo_id, amount, reason, date_created_gmt, refunded_payment, meta_data, lines_synced_at)
    SELECT %(store)s, o.id, r.woo_id, r.amount, r.reason, r.date_created_gmt, r.refunded_payment, r.meta_data, %(at)s
    FROM jsonb_to_recordset(%(refunds)s::jsonb) AS r(
        order_woo_id bigint, woo_id bigint, amount numeric, reason text, date_created_gmt timestamptz,
        refunded_payment boolean, meta_data jsonb)
    CROSS JOIN LATERAL (SELECT id FROM orders_order WHERE store_id = %(store)s AND woo_id = r.order_woo_id LIMIT 1) o
    ORDER BY r.woo_id
    ON CONFLICT (store_id, woo_id) DO UPDATE SET
        order_id = EXCLUDED.order_id, amount = EXCLUDED.amount, reason = EXCLUDED.reason,
        date_created_gmt = EXCLUDED.date_created_gmt, refunded_payment = EXCLUDED.refunded_payment,
        meta_data = EXCLUDED.meta_data, lines_synced_at = EXCLUDED.lines_synced_at
    RETURNING woo_id, id, order_id, xmax = 0,
        -- As it was before: whether its lines were not known.
        (SELECT was.lines_synced_at IS NULL FROM orders_refund was WHERE was.id = held.id)
"""

_STALE_LINES = """
    DELETE FROM orders_refundline l USING orders_refund f
    WHERE f.id = l.refund_id AND f.id = ANY(%(written)s) AND NOT EXISTS (
        SELECT FROM jsonb_to_recordset(%(lines)s::jsonb) AS r(refund_woo_id bigint, woo_id bigint)
        WHERE r.refund_woo_id = f.woo_id AND r.woo_id = l.woo_id
    )
"""

_LINES = """
    INSERT INTO orders_refundline (refund_id, woo_id, line_item_id, name, quantity, total, total_tax)
    SELECT f.id, r.woo_id, i.id, r.name, r.quantity, r.total, r.total_tax
    FROM jsonb_to_recordset(%(lines)s::jsonb) AS r(
        refund_woo_id bigint, woo_id bigint, line_woo_id bigint, name text, quantity numeric, total numeric,
        total_tax numeric)
    CROSS JOIN LATERAL (
        SELECT id, order_id FROM orders_refund WHERE store_id = %(store)s AND woo_id = r.refund_woo_id LIMIT 1
    ) f
    LEFT JOIN LATERAL (
        SELECT id FROM orders_lineitem WHERE order_id = f.order_id AND woo_id = r.line_woo_id LIMIT 1
    ) i ON true
    ORDER BY f.id, r.woo_id
    ON CONFLICT (refund_id, woo_id) DO UPDATE SET
        line_item_id = EXCLUDED.line_item_id, name = EXCLUDED.name, quantity = EXCLUDED.quantity,
        total = EXCLUDED.total, total_tax = EXCLUDED.total_tax
"""


@transaction.atomic
def save_refunds(store: Store, payloads: Iterable[dict], at: datetime) -> Saved:
    """Save refunds with their lines; each names its order in `parent_id`. Those of orders that are not held are ignored.

    A refund is never changed in a shop, only made and deleted, so there are no versions to compare.
    """
    saved = Saved()
    broken: list[tuple[dict, str]] = []
    refunds: dict[int, tuple[dict, list[dict], dict]] = {}
    for payload in payloads:
        try:
            row, lines = mapping.refund(payload)
        except MappingError as error:
            broken.append((payload, str(error)))
        else:
            refunds[row["woo_id"]] = row, lines, payload
    lock_mirror(store)
    broken += _write(store, sorted(refunds.values(), key=lambda refund: refund[0]["woo_id"]), at, saved)
    keep_aside("refunds", store, broken, at, saved)
    bad = {number for number, _error in saved.kept_aside}
    good = [str(woo_id) for woo_id in refunds if str(woo_id) not in bad]
    KeptAside.objects.for_store(store).unresolved().filter(resource="refunds", woo_id__in=good).update(resolved_at=at)
    return saved


@transaction.atomic
def save_refunds_of(store: Store, order_woo_id: int, rows: list[dict], at: datetime) -> Saved:
    """Save all refunds that the shop has of one order, with their lines; others that are held are deleted."""
    saved = save_refunds(store, [row | {"parent_id": order_woo_id} for row in rows], at)
    saved.updated += forget_refunds(store, order_woo_id, [row["id"] for row in rows], at)
    return saved


def _write(store, refunds, at, saved) -> list[tuple[dict, str]]:
    """Write all at once; when PostgreSQL refuses, halve. Returns what it refuses."""
    if not refunds:
        return []
    try:
        with transaction.atomic():
            written = _upsert(store, refunds, at)
    except (DataError, IntegrityError) as error:
        if len(refunds) == 1:
            return [(refunds[0][2], f"PostgreSQL refuses it: {str(error).splitlines()[0]}")]
        middle = len(refunds) // 2
        return _write(store, refunds[:middle], at, saved) + _write(store, refunds[middle:], at, saved)
    new = {woo_id for woo_id, _pk, _order_id, is_new, _was_unread in written if is_new}
    learned = {woo_id for woo_id, _pk, _order_id, is_new, was_unread in written if is_new or was_unread}
    saved.created += len(new)
    saved.updated += len(written) - len(new)
    saved.ignored += len(refunds) - len(written)
    _record(
        store,
        [row for row, _lines, _payload in refunds],
        {woo_id: order_id for woo_id, _pk, order_id, *_rest in written},
        new,
        learned,
        at,
    )
    return []


def _upsert(store, refunds, at):
    with bound_cursor() as cursor:
        rows = encode([row for row, _lines, _payload in refunds]).decode()
        cursor.execute(_REFUNDS, {"store": store.pk, "at": at, "refunds": rows})
        written = cursor.fetchall()
        lines = encode([line for _row, lines, _payload in refunds for line in lines]).decode()
        parameters = {"store": store.pk, "written": [pk for _woo_id, pk, *_rest in written], "lines": lines}
        cursor.execute(_STALE_LINES, parameters)
        cursor.execute(_LINES, parameters)
    add_up_refunds(store, [row["order_woo_id"] for row, _lines, _payload in refunds])
    return written


def _record(store, rows, order_ids, new, learned, at):
    """Tell of refunds that the order itself has not told of; and of each that was ever told, that its lines are known now.

    That is told again of refunds which were gone and came back, for whoever followed their going: `learned` are those whose lines were not known.
    """
    orders = Order.objects.in_bulk(set(order_ids.values()))

    def fact(type, row, when):
        order = orders[order_ids[row["woo_id"]]]
        data = {"amount": row["amount"], "currency": order.currency}
        return Fact(type, str(row["woo_id"]), order.customer_id, order.pk, data, when)

    rows = [(row, when_of(row["date_created_gmt"])) for row in rows if row["woo_id"] in order_ids]
    news = [(row, when) for row, when in rows if row["woo_id"] in new and store.announces(when)]
    record_many(store, [fact("order.refunded", row, when) for row, when in news])
    told_of = Event.objects.for_store(store).filter(
        Q(type="order.refunded", key__in=[str(row["woo_id"]) for row, _when in rows])
        | Q(type="order.paid", key__in=[str(order.woo_id) for order in orders.values()])
    )
    heard = set(told_of.values_list("type", "key"))

    def is_followed(row):
        # Also a refund that is history itself, where its order was told of since: points were reckoned with its amount alone.
        paid = ("order.paid", str(orders[order_ids[row["woo_id"]]].woo_id))
        return ("order.refunded", str(row["woo_id"])) in heard or (row["woo_id"] in learned and paid in heard)

    itemised = [fact("refund.itemised", row, when) for row, when in rows if is_followed(row)]
    changed = {str(woo_id) for woo_id in learned}
    record_many(store, [fact for fact in itemised if fact.key not in changed])
    record_again(store, [fact for fact in itemised if fact.key in changed])
