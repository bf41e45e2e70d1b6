"""What is no longer in the shop. That it went is a fact like any other, told in the transaction that marks it."""

from collections.abc import Iterable
from datetime import datetime

from django.db import connection, transaction

from crm.events.recording import Fact, record_again, record_many
from crm.orders import erasing
from crm.orders.locking import lock_mirror
from crm.orders.models import Category, Coupon, Customer, Order, Product, ProductReview, Refund
from crm.stores.models import Store

from .facts import coupon_deleted, deleted
from .reviews import ask_for_stars

MODELS = {
    "categories": Category,
    "coupons": Coupon,
    "customers": Customer,
    "orders": Order,
    "products": Product,
    "reviews": ProductReview,
}


@transaction.atomic
def mark_deleted(store: Store, resource: str, woo_ids: Iterable[int], at: datetime) -> int:
    """Mark objects that the shop has no more; returns how many were held as existing. A product takes its variations along."""
    lock_mirror(store)
    model = MODELS[resource]
    woo_ids = list(woo_ids)
    going = model.objects.filter(store=store, woo_id__in=woo_ids, deleted_at=None)
    record_many(store, _FACTS.get(resource, _nothing)(going, at))
    pks = list(going.values_list("pk", flat=True))
    gone = going.update(deleted_at=at)
    if model is Customer:
        erasing.follow_shop(store, [], pks, at)
    if model is ProductReview:
        numbers = ProductReview.objects.filter(pk__in=pks).values_list("product_id_in_shop", flat=True)
        ask_for_stars(store, numbers, at)
    if model is Product:
        Product.objects.filter(store=store, parent__woo_id__in=woo_ids, deleted_at=None).update(deleted_at=at)
    return gone


def _orders_deleted(going, at) -> list[Fact]:
    return [
        deleted(
            order.woo_id,
            order.pk,
            order.customer_id,
            {"number": order.number, "total": order.total, "currency": order.currency, "status": order.status},
            at,
            at,
            how="gone",
        )
        for order in going.only("woo_id", "customer", "number", "total", "currency", "status")
    ]


def _customers_deleted(going, at) -> list[Fact]:
    pks = going.values_list("pk", flat=True)
    return [Fact("customer.deleted", f"{pk}:{at.isoformat()}", customer_id=pk, occurred_at=at) for pk in pks]


def _reviews_deleted(going, at) -> list[Fact]:
    return [
        Fact(
            "product_review.deleted",
            f"{review.woo_id}:{at.isoformat()}",
            review.customer_id,
            None,
            {"product_id": review.product_id_in_shop, "rating": review.rating, "status": review.status},
            at,
        )
        for review in going.defer("review")
    ]


def _coupons_deleted(going, at) -> list[Fact]:
    coupons = going.values_list("woo_id", "code", "usage_count")
    return [coupon_deleted(woo_id, code, used, at) for woo_id, code, used in coupons]


def _nothing(going, at) -> list[Fact]:
    return []


_FACTS = {
    "coupons": _coupons_deleted,
    "customers": _customers_deleted,
    "orders": _orders_deleted,
    "reviews": _reviews_deleted,
}


@transaction.atomic
def forget_refunds(store: Store, order_woo_id: int, present: Iterable[int], at: datetime) -> int:
    """Delete the refunds of an order that are not among those the shop still has; returns how many."""
    lock_mirror(store)
    held = Refund.objects.filter(store=store, order__woo_id=order_woo_id).select_related("order")
    stale = list(held.exclude(woo_id__in=list(present)))
    if stale:
        Refund.objects.filter(pk__in=[refund.pk for refund in stale]).delete()
        add_up_refunds(store, [order_woo_id])
        record_again(store, [_refund_deleted(refund, at) for refund in stale])
    return len(stale)


def _refund_deleted(refund: Refund, at: datetime) -> Fact:
    data = {"amount": refund.amount, "currency": refund.order.currency}
    return Fact("refund.deleted", str(refund.woo_id), refund.order.customer_id, refund.order_id, data, at)


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
