"""Parts of the order page that other apps fill, such as parcels. An app adds its own in `apps.ready()`."""

from collections.abc import Callable
from typing import NamedTuple


class Section(NamedTuple):
    order: int
    template: str
    context: Callable


SECTIONS: list[Section] = []


def order_section(template: str, context_function: Callable, order: int) -> None:
    """Add a part: `context_function(request, order)` returns the template's context, or None to show nothing."""
    SECTIONS.append(Section(order, template, context_function))
    SECTIONS.sort(key=lambda section: section.order)


def sections(request, order) -> list[dict]:
    """`{template, context}` of every part that has something to say about this order."""
    found = [(section.template, section.context(request, order)) for section in SECTIONS]
    return [{"template": template, "context": context} for template, context in found if context is not None]
