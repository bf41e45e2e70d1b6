"""The cards of the portal's first page. An app adds its own in `apps.ready()`."""

from collections.abc import Callable
from typing import NamedTuple


class Card(NamedTuple):
    order: int
    template: str
    context: Callable


CARDS: list[Card] = []


def card(template: str, context_function: Callable, order: int) -> None:
    """Add a card: `context_function(request)` returns the template's context, or None to show nothing.

    The request is as `customer_required` makes it: `request.store`, `request.customers`, `request.customer`.
    """
    CARDS.append(Card(order, template, context_function))
    CARDS.sort(key=lambda card: card.order)


def cards(request) -> list[dict]:
    """`{template, context}` of every card that has something to say to this customer."""
    found = [(card.template, card.context(request)) for card in CARDS]
    return [{"template": template, "context": context} for template, context in found if context is not None]
