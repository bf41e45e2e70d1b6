"""What is no longer in the shop."""

from collections.abc import Iterable
from datetime import datetime

from django.db import connection, transaction

from crm.orders.locking import lock_mirror
from crm.orders.models import Category, Coupon, Customer, Order, Product, Refund
from crm.stores.models import Store

MODELS = {
    "categories": Category,
    "coupons": Coupon,
    "customers": Customer,
    "orders": Order,
    "products": Product,
}


@transaction.atomic
def mark_deleted(store: Store, resource: str, woo_ids: Iterable[int], at: datetime) -> int:
    """Mark objects that the shop has no more; returns how many were held as existing. A product takes its variations along."""
    lock_mirror(store)
    model = MODELS[resource]
    woo_ids = list(woo_ids)
    gone = model.objects.filter(store=store, woo_id__in=woo_ids, deleted_at=None).update(deleted_at=at)
    if model is Product:
        Product.objects.filter(store=store, parent__woo_id__in=woo_ids, deleted_at=None).update(deleted_at=at)
    return gone


@transaction.atomic
def forget_refunds(store: Store, order_woo_id: int, present: Iterable[int]) -> int:
    """Delete the refunds of an order that are not among those the shop still has; returns how many."""
    lock_mirror(store)
    stale = Refund.objects.filter(store=store, order__woo_id=order_woo_id).exclude(woo_id__in=list(present))
    gone = stale.count()
    if gone:
        stale.delete()
        add_up_refunds(store, [order_woo_id])
    return gone


def add_up_refunds(store: Store, order_woo_ids: list[int]) -> None:
    """Set what was refunded of these orders to the sum of their refunds."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE orders_order o SET refunded_total = s.total
            FROM (
                SELECT o.id, coalesce(sum(r.amount), 0) AS total
                FROM orders_order o LEFT JOIN orders_refund r ON r.order_id = o.id
                WHERE o.store_id = %s AND o.woo_id = ANY(%s)
                GROUP BY o.id
            ) s
            WHERE s.id = o.id AND o.refunded_total <> s.total
            """,
            [store.pk, order_woo_ids],
        )
