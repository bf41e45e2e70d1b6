"""What PostgreSQL reads to write a page."""

from django.db import connection

from crm.orders.models import Customer, Order
from crm.woocommerce.saving import save_orders
from crm.woocommerce.saving.statements import bound_cursor
from tests.factories import NOW, make_customer

from .payloads import guest_order, order, summary

PAGE = 20


def test_no_statement_that_writes_a_page_reads_more_than_the_page(store):
    """A first import has no statistics: there PostgreSQL likes to put a whole table into a hash for each page."""
    save_orders(store, orders_from(1, 600), NOW)
    read = {}

    def explain(execute, sql, params, many, context):
        if sql.lstrip().startswith(("INSERT INTO orders_", "SELECT r.woo_id")):
            with bound_cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
                read[sql] = most_rows(cursor.fetchone()[0][0]["Plan"])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        save_orders(store, orders_from(601, PAGE), NOW)

    assert len(read) == 6 and max(read.values()) <= 2 * PAGE, read


def test_orders_older_than_what_is_held_of_their_guests_are_theirs_as_well(store):
    """Guests that a page writes are handed on to its orders; those that it does not write have to be looked for."""
    first = {"at": "2026-06-15T12:00:00", "date_created_gmt": "2026-06-13T12:00:00"}
    save_orders(store, [guest_order(f"{name}@shop.example", **first) for name in ("meera", "asha")], NOW)
    registered = make_customer(store, email="asha@shop.example")
    Customer.objects.filter(email="asha@shop.example", woo_id=None).update(joined_to=registered)

    late = [guest_order(f"{name}@shop.example", at="2026-06-14T12:00:00") for name in ("meera", "asha", "ravi")]
    save_orders(store, late, NOW)

    meera, asha, ravi = (Order.objects.get(woo_id=each["id"]).customer for each in late)
    assert meera.orders.count() == 2 and asha == registered
    assert (ravi.email, ravi.orders.count()) == ("ravi@shop.example", 1)


def orders_from(first, count):
    """Half of them of guests, each of another customer, with two lines and a refund."""
    for number in range(first, first + count):
        more = {"woo_id": number, "lines": 2, "refunds": [summary(number + 10_000)]}
        yield order(customer_id=number, **more) if number % 2 else guest_order(f"g{number}@shop.example", **more)


def most_rows(node):
    """The most rows that one node of a plan reads in all its loops, to give them or to pass over them."""
    read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return max([read * node["Actual Loops"], *map(most_rows, node.get("Plans", ()))])
