"""What other rooms show beside a customer: points, parcels, consent. Staff's pages ask here and import none of them."""

from collections.abc import Callable
from typing import NamedTuple

from crm.stores.models import Store

from .models import Customer, Order


class Panel(NamedTuple):
    template: str
    context: Callable[[Store, Customer | None, Order | None], dict | None]
    order: int


_PANELS: list[Panel] = []


def panel(template: str, context: Callable[[Store, Customer | None, Order | None], dict | None], order: int) -> None:
    """Register a panel, in `apps.ready()`. `context(store, customer, order)` gives what `template` needs, or None for no panel.

    It is asked once for each page and must cost a constant number of queries; lower `order` stands higher.
    """
    entry = Panel(template, context, order)
    if entry not in _PANELS:
        _PANELS.append(entry)
        _PANELS.sort(key=lambda panel: panel.order)


def panels_for(store: Store, customer: Customer | None, order: Order | None) -> list[tuple[str, dict]]:
    """`(template, context)` of every panel that has something to say."""
    found = []
    for template, context, _order in _PANELS:
        values = context(store, customer, order)
        if values is not None:
            found.append((template, values))
    return found
