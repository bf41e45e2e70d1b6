"""What was given back of an order otherwise than by a refund in the shop: as store credit. Who refunds asks here and imports no room that gives."""

from collections.abc import Callable
from decimal import Decimal

from .models import Order

_WAYS: list[Callable[[Order], Decimal]] = []


def otherwise(function: Callable[[Order], Decimal]) -> None:
    """Register a way, in `apps.ready()`. `function(order)` is what went back, or waits for somebody's word, in the order's currency.

    Who gives holds the order's row until the transaction ends, as who refunds does: so neither overlooks the other.
    """
    if function not in _WAYS:
        _WAYS.append(function)


def given_back(order: Order) -> Decimal:
    return sum((function(order) for function in _WAYS), Decimal(0))
