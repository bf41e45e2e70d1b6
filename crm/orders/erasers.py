"""What the mirror, the event log and the API keep of a person, erased."""

from collections.abc import Iterable

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.models import F, Func, Model, Q, TextField, Value
from django.db.models.functions import Cast, Concat

from crm.events.models import Event
from crm.rest.models import IdempotentRequest

from .erasing import Counts, Person
from .models import Coupon, Customer, LineItem, Order, OrderNote, ProductReview, Refund

# No address by any rule, so that nothing is ever sent there; a guest without one is against the database's rules.
NOBODY = "erased "

# Of an event's data, what may be somebody's words, name or address. Points, stars and amounts stay.
PERSONAL = ["recipient", "email", "text", "subject", "name", "first_name", "last_name", "url", "reason"]

GONE = "[erased]"


def staff_log(model: type[Model], keys: Iterable[int], *texts: str) -> int:
    """Empty these texts of what the admin's log has about rows (by primary key), and answer of how many entries.

    `object_repr` names a row by its words; `change_message` may be somebody's, say a reason.
    """
    # What was done on a proxy's page stands under the proxy.
    kind = ContentType.objects.get_for_model(model, for_concrete_model=False)
    blank = dict.fromkeys(texts, GONE)
    entries = LogEntry.objects.filter(content_type=kind, object_id__in=[str(key) for key in keys])
    return entries.exclude(**blank).update(**blank)


def customers(person: Person) -> Counts:
    rows = Customer.objects.filter(pk__in=person.customers, erased_at=None)
    blank = {
        "first_name": "",
        "last_name": "",
        "phone": "",
        "username": "",
        "language": "",
        "billing": {},
        "shipping": {},
        "meta_data": [],
        "email_verified_at": None,
        "erased_at": person.at,
    }
    # The digest stays: what the shop still has comes back only when it changes there.
    guests = rows.filter(woo_id=None).update(
        email=Concat(Value(NOBODY), Cast("pk", TextField()), output_field=TextField()), **blank
    )
    return {"Customers": guests + rows.exclude(woo_id=None).update(email="", **blank)}


def orders(person: Person) -> Counts:
    notes, _by_table = OrderNote.objects.filter(order__in=person.orders).delete()
    # The log repeats what staff wrote in a note, or why they refunded.
    found = {"Order notes": notes, "Entries of the admin's log": staff_log(Order, person.orders, "change_message")}
    if person.followed_shop:
        return found
    blank = {"billing": {}, "shipping": {}, "billing_email": "", "order_key": "", "customer_note": "", "meta_data": []}
    found["Orders"] = Order.objects.filter(pk__in=person.orders).exclude(**blank).update(**blank)
    # What somebody had engraved; what staff wrote about a refund.
    lines = LineItem.objects.filter(order__in=person.orders).exclude(meta_data=[])
    found["Line items"] = lines.update(meta_data=[])
    refunds = Refund.objects.filter(order__in=person.orders).exclude(reason="", meta_data=[])
    found["Refunds"] = refunds.update(reason="", meta_data=[])
    return found


def product_reviews(person: Person) -> Counts:
    rows = ProductReview.objects.for_store(person.store).filter(
        Q(reviewer_email__in=person.emails) | Q(customer__in=person.customers)
    )
    return {"Reviews in the shop": rows.update(reviewer="", reviewer_email="", review="", customer=None)}


def coupons(person: Person) -> Counts:
    changed = 0
    for email in person.emails:
        for field in ("email_restrictions", "used_by"):
            rows = Coupon.objects.for_store(person.store).filter(**{f"{field}__contains": [email]})
            changed += rows.update(
                **{
                    field: Func(
                        F(field), Value(email), function="array_remove", template="%(function)s(%(expressions)s)"
                    )
                }
            )
    return {"Coupons": changed}


def events(person: Person) -> Counts:
    """A fact stays, what it says of somebody goes. A parcel's number leads to an address."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE events_event SET data = data - %(personal)s::text[]
                - CASE WHEN type LIKE 'shipment.%%' THEN ARRAY['number'] ELSE ARRAY[]::text[] END
            WHERE store_id = %(store)s
                -- By address as well: a customer who followed the shop has none any more.
                AND (customer_id = ANY(%(customers)s) OR order_id = ANY(%(orders)s) OR data->>'recipient' = ANY(%(emails)s))
                AND (data ?| %(personal)s::text[] OR type LIKE 'shipment.%%' AND data ? 'number')
            """,
            {
                "store": person.store.pk,
                "personal": PERSONAL,
                "customers": list(person.customers),
                "orders": list(person.orders),
                "emails": list(person.emails),
            },
        )
        return {str(Event._meta.verbose_name_plural): cursor.rowcount}


def requests(person: Person) -> Counts:
    """Answers that the API keeps for a day, in case the same request comes again."""
    rows = IdempotentRequest.objects.filter(api_key__store=person.store).annotate(words=Cast("body", TextField()))
    named = Q(pk=None)
    for email in person.emails:
        named |= Q(words__icontains=email)
    count, _by_table = rows.filter(named).delete()
    return {"Kept API answers": count}
