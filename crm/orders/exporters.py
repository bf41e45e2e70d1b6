"""What the mirror and the event log tell a person of themselves."""

from collections.abc import Iterator

from django.db.models import Prefetch, Q

from crm.events.models import Event

from .details import details
from .erasing import Person
from .models import Coupon, Customer, LineItem, Order, OrderNote, ProductReview, Refund

AT_ONCE = 200
OF_ORDERS = ("Order", "LineItem", "Refund", "RefundLine", "OrderNote")


def profile(person: Person) -> Iterator[dict]:
    for row in Customer.objects.filter(pk__in=person.customers).order_by("pk"):
        yield {
            "email": row.email, "first_name": row.first_name, "last_name": row.last_name, "phone": row.phone,
            "username": row.username, "language": row.language, "number_in_shop": row.woo_id,
            "billing_address": row.billing, "shipping_address": row.shipping, "has_paid": row.is_paying_customer,
            "customer_since": row.date_created_gmt, "address_proven_at": row.email_verified_at,
            "deleted_in_shop_at": row.deleted_at,
        }  # fmt: skip


def orders(person: Person) -> Iterator[dict]:
    """With lines, refunds, and the notes that the shop has written to its customer."""
    rows = Order.objects.for_store(person.store).filter(customer__in=person.customers).order_by("pk")
    rows = rows.prefetch_related(
        Prefetch("line_items", LineItem.objects.order_by("pk")),
        Prefetch("refunds", Refund.objects.order_by("pk").prefetch_related("lines")),
        Prefetch("notes", OrderNote.objects.for_customers().order_by("date_created_gmt", "pk")),
    )
    for row in rows.iterator(chunk_size=AT_ONCE):
        yield {
            "number": row.number, "status": row.status, "placed_at": row.date_created_gmt, "paid_at": row.date_paid_gmt,
            "completed_at": row.date_completed_gmt, "deleted_in_shop_at": row.deleted_at, "email": row.billing_email,
            "billing_address": row.billing, "shipping_address": row.shipping, "your_note": row.customer_note,
            "currency": row.currency, "total": row.total, "tax": row.total_tax, "shipping": row.shipping_total,
            "discount": row.discount_total, "refunded": row.refunded_total, "paid_by": row.payment_method_title,
            "coupons": row.coupon_codes,
            "lines": [
                {
                    "name": line.name, "sku": line.sku, "quantity": line.quantity, "price": line.price,
                    "total": line.total, "tax": line.total_tax, "details": [{"name": name, "value": value} for name, value in details(line.meta_data)],
                }
                for line in row.line_items.all()
            ],
            "refunds": [
                {
                    "amount": refund.amount, "reason": refund.reason, "at": refund.date_created_gmt,
                    "lines": [
                        {"name": line.name, "quantity": line.quantity, "total": line.total, "tax": line.total_tax}
                        for line in refund.lines.all()
                    ],
                }
                for refund in row.refunds.all()
            ],
            "notes_to_you": [{"at": note.date_created_gmt, "text": note.text} for note in row.notes.all()],
        }  # fmt: skip


def product_reviews(person: Person) -> Iterator[dict]:
    about = Q(reviewer_email__in=person.emails) | Q(customer__in=person.customers)
    rows = ProductReview.objects.for_store(person.store).filter(about).select_related("product")
    for row in rows.order_by("pk").iterator(chunk_size=AT_ONCE):
        yield {
            "product": row.product and row.product.name, "at": row.date_created_gmt, "shown_as": row.reviewer,
            "email": row.reviewer_email, "stars": row.rating, "text": row.text, "status": row.status,
        }  # fmt: skip


def coupons(person: Person) -> Iterator[dict]:
    """Those that are for the person alone."""
    rows = Coupon.objects.for_store(person.store).filter(email_restrictions__overlap=list(person.emails))
    for row in rows.order_by("pk").iterator(chunk_size=AT_ONCE):
        yield {
            "code": row.code, "amount": row.amount, "type": row.discount_type, "expires_at": row.date_expires_gmt,
            "used": row.usage_count,
        }  # fmt: skip


def events(person: Person) -> Iterator[dict]:
    """That something happened, and when; what it was stands in the other parts."""
    rows = Event.objects.for_store(person.store).filter(person.about).order_by("occurred_at", "pk")
    for type, at in rows.values_list("type", "occurred_at").iterator(chunk_size=2000):
        yield {"at": at, "what": type}
