"""Hand a person what the product holds of them, as one file.

A room registers its parts in its `apps.ready()`, and names the tables that it tells of; of tables that say something of people and are not in the
file, it says why not. A part gets a Person and yields rows as they stand in the file: what the person may see anyway, never what staff keep among themselves.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from django.core.serializers.json import DjangoJSONEncoder
from django.utils import translation

from crm.stores.models import Store

from .erasing import Person
from .models import Order

AT_ONCE = 64 * 1024


class Part(NamedTuple):
    order: int
    name: str
    rows: Callable[[Person], Iterable[dict]]
    tells: tuple[str, ...]


PARTS: list[Part] = []
# Why what a table says of somebody is not in the file.
LEFT_OUT: dict[str, str] = {}


def part(name: str, rows: Callable[[Person], Iterable[dict]], order: int, *tells: str) -> None:
    """Add a part: its name in the file, where its rows come from, and the tables (`orders.Order`) that it tells of."""
    entry = Part(order, name, rows, tells)
    if entry not in PARTS:
        PARTS.append(entry)
        PARTS.sort(key=lambda part: part.order)


def left_out(why: str, *labels: str) -> None:
    LEFT_OUT.update(dict.fromkeys(labels, why))


def owner(store: Store, customers, email: str, at: datetime) -> Person:
    """Whoever has proven this address: these customer rows and their own orders.

    That the address stands on somebody else's order, too, does not make that order theirs.
    """
    rows = list(customers.values_list("pk", "woo_id"))
    keys = frozenset(pk for pk, _woo_id in rows)
    orders = dict(Order.objects.for_store(store).filter(customer__in=keys).values_list("pk", "woo_id"))
    return Person(
        store=store,
        at=at,
        emails=frozenset([email]),
        customers=keys,
        customer_numbers=frozenset(woo_id for _pk, woo_id in rows if woo_id),
        orders=frozenset(orders),
        order_numbers=frozenset(orders.values()),
    )


def document(person: Person, language: str) -> Iterator[str]:
    """The file as JSON in pieces of some kilobytes, its words in a language. However much there is, little of it is held at a time."""
    pieces, held, size = _pieces(person), [], 0
    while True:
        # It is made after the view has ended, and whatever language that spoke.
        with translation.override(language):
            piece = next(pieces, None)
        if piece is None:
            break
        held.append(piece)
        size += len(piece)
        if size > AT_ONCE:
            yield "".join(held)
            held, size = [], 0
    yield "".join(held)


def _pieces(person):
    head = {
        "store": person.store.name,
        "shop": person.store.url,
        "addresses": sorted(person.emails),
        "made_at": person.at,
    }
    yield _json(head)[:-1]
    for part in PARTS:
        yield f",\n{_json(part.name)}: ["
        for number, row in enumerate(part.rows(person)):
            yield f"{',' if number else ''}\n{_json(row)}"
        yield "]"
    yield "}\n"


def _json(value):
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)
