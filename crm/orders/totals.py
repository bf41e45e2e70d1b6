"""An order's sum, as its customer read it at the checkout: with or without tax, as the shop shows its prices."""

from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from django.utils.translation import gettext as _

from .models import LineItem, Order


class Row(NamedTuple):
    label: str
    amount: Decimal


def rows(order: Order) -> list[Row]:
    """What leads to the total, without the total itself; rows of nothing are left out. Reads `order.line_items`."""
    gross = order.prices_include_tax
    fees = sum(
        (_amount(fee, "total") + (_amount(fee, "total_tax") if gross else 0) for fee in order.fee_lines), Decimal(0)
    )
    found = [
        Row(_("Items"), sum((of_line(order, line) for line in order.line_items.all()), Decimal(0))),
        Row(_("Discount"), -(order.discount_total + (order.discount_tax if gross else 0))),
        Row(_("Shipping"), order.shipping_total + (order.shipping_tax if gross else 0)),
        Row(_("Fees"), fees),
        Row(_("Tax"), Decimal(0) if gross else order.total_tax),
    ]
    return [row for row in found if row.amount]


def of_line(order: Order, line: LineItem) -> Decimal:
    """What a line cost before discounts."""
    return line.subtotal + (line.subtotal_tax if order.prices_include_tax else 0)


def _amount(fee, name):
    try:
        return Decimal(str(fee.get(name) or 0))
    except (InvalidOperation, AttributeError):
        return Decimal(0)
