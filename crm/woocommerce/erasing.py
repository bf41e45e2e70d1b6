"""What is kept of the shop's own words beside the mirror, erased: deliveries, objects kept aside, writes to the shop."""

from typing import Any

from django.db import connection

from crm.orders.erasing import Counts, Person

from .models import KeptAside, Push

# In the encoding of bytes that leaves ASCII readable: an address in it, or the number that an object begins with.
_DELIVERIES = r"""
    SELECT id, state = 'running' FROM woocommerce_webhookdelivery
    WHERE store_id = %(store)s AND (
        lower(encode(body, 'escape')) LIKE ANY(%(emails)s)
        OR topic LIKE 'order.%%' AND state <> 'running'
            AND substring(encode(substring(body FROM 1 FOR 60), 'escape') FROM '"id": ?([0-9]{1,18})')::bigint = ANY(%(orders)s)
        OR topic LIKE 'customer.%%' AND state <> 'running'
            AND substring(encode(substring(body FROM 1 FOR 60), 'escape') FROM '"id": ?([0-9]{1,18})')::bigint = ANY(%(customers)s)
    )
"""


def deliveries(person: Person) -> Counts:
    with connection.cursor() as cursor:
        cursor.execute(
            _DELIVERIES,
            {
                "store": person.store.pk,
                "emails": _patterns(person),
                "orders": list(person.order_numbers),
                "customers": list(person.customer_numbers),
            },
        )
        found = cursor.fetchall()
        # Somebody is applying these, perhaps this very transaction: their rows are needed, their words are not.
        cursor.execute(
            "UPDATE woocommerce_webhookdelivery SET body = '' WHERE id = ANY(%s)", [[pk for pk, held in found if held]]
        )
        cursor.execute(
            "DELETE FROM woocommerce_webhookdelivery WHERE id = ANY(%s)", [[pk for pk, held in found if not held]]
        )
    return {"Webhook deliveries": len(found)}


def kept_aside(person: Person) -> Counts:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            DELETE FROM {KeptAside._meta.db_table} WHERE store_id = %(store)s AND (
                lower(payload) LIKE ANY(%(emails)s)
                OR resource = 'orders' AND woo_id = ANY(%(orders)s) OR resource = 'customers' AND woo_id = ANY(%(customers)s)
            )
            """,
            {
                "store": person.store.pk,
                "emails": _patterns(person),
                "orders": list(map(str, person.order_numbers)),
                "customers": list(map(str, person.customer_numbers)),
            },
        )
        return {"Objects kept aside": cursor.rowcount}


def pushes(person: Person) -> Counts:
    """What was written stays as a row without its words; what was not written yet never will be."""
    with connection.cursor() as cursor:
        about = """
            store_id = %(store)s AND (
                customer_id = ANY(%(customers)s) OR order_id = ANY(%(orders)s)
                OR lower(payload::text) LIKE ANY(%(emails)s) OR lower(answer::text) LIKE ANY(%(emails)s)
            )
        """
        values: dict[str, Any] = {
            "store": person.store.pk,
            "emails": _patterns(person),
            "orders": list(person.orders),
            "customers": list(person.customers),
        }
        table = Push._meta.db_table
        cursor.execute(f"DELETE FROM {table} WHERE state = 'due' AND {about}", values)
        dropped = cursor.rowcount
        cursor.execute(
            f"UPDATE {table} SET payload = '{{}}', answer = NULL, error = '' WHERE payload <> '{{}}' AND {about}",
            values,
        )
        return {"Writes to the shop": dropped + cursor.rowcount}


def _patterns(person: Person) -> list[str]:
    def literal(email):
        return email.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")

    return [f"%{literal(email)}%" for email in person.emails]
