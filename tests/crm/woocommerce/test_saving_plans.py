"""What PostgreSQL reads to write a page."""

from django.db import connection

from crm.woocommerce.saving import save_orders
from crm.woocommerce.saving.statements import bound_cursor
from tests.factories import NOW

from .payloads import guest_order, order, summary

PAGE = 20


def test_no_statement_that_writes_a_page_reads_more_than_the_page(store):
    """A first import has no statistics: there PostgreSQL likes to put a whole table into a hash for each page."""
    save_orders(store, orders_from(1, 600), NOW)
    read = {}

    def explain(execute, sql, params, many, context):
        if sql.lstrip().startswith("INSERT INTO orders_"):
            with bound_cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
                read[sql] = most_rows(cursor.fetchone()[0][0]["Plan"])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        save_orders(store, orders_from(601, PAGE), NOW)

    assert len(read) == 5 and max(read.values()) <= 2 * PAGE, read


def orders_from(first, count):
    """Half of them of guests, each of another customer, with two lines and a refund."""
    for number in range(first, first + count):
        more = {"woo_id": number, "lines": 2, "refunds": [summary(number + 10_000)]}
        yield order(customer_id=number, **more) if number % 2 else guest_order(f"g{number}@shop.example", **more)


def most_rows(node):
    """The most rows that one node of a plan gives in all its loops."""
    return max([node["Actual Rows"] * node["Actual Loops"], *map(most_rows, node.get("Plans", ()))])
