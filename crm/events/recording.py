"""Write facts into the log, and owe them to whoever subscribed, in the caller's transaction."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from secrets import token_hex

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.utils import timezone
from psycopg.types.json import Jsonb

from crm.stores.models import Store
from crm.work.wake import wake

from .models import Event, Handling
from .subscribing import handlers_of

dumps = partial(json.dumps, cls=DjangoJSONEncoder)


@dataclass
class Fact:
    """An event to be: `key` names the fact within its store and type; `customer_id` and `order_id` are primary keys."""

    type: str
    key: str
    customer_id: int | None = None
    order_id: int | None = None
    data: dict = field(default_factory=dict)
    occurred_at: datetime | None = None


def record(type, store: Store, key, *, customer=None, order=None, data=None, occurred_at=None) -> Event | None:
    """Record one fact; returns its Event, or None if it was on record already."""
    fact = Fact(type, str(key), customer and customer.pk, order and order.pk, data or {}, occurred_at)
    return next(iter(record_many(store, [fact])), None)


def record_again(store: Store, facts: Iterable[Fact]) -> list[Event]:
    """Record facts that can become true more than once, as that an order changed to what it was two changes ago.

    One that is on record is recorded under its key and a random end. Only for who makes the change in the same transaction and in
    turn with others (`lock_mirror`): nothing else keeps it from being told twice.
    """
    facts = list(facts)
    new = record_many(store, facts)
    told = {(event.type, event.key) for event in new}
    again = [replace(fact, key=f"{fact.key}:{token_hex(6)}") for fact in facts if (fact.type, fact.key) not in told]
    return new + record_many(store, again)


# One statement does it all: within a transaction no savepoint is needed.
@transaction.atomic(savepoint=False)
def record_many(store: Store, facts: Iterable[Fact]) -> list[Event]:
    """Record facts in a constant number of statements; returns the events that are new."""
    now = timezone.now()
    events = [
        Event(
            store=store,
            type=fact.type,
            key=fact.key,
            customer_id=fact.customer_id,
            order_id=fact.order_id,
            data=fact.data,
            occurred_at=fact.occurred_at or now,
            created_at=now,
        )
        for fact in facts
    ]
    if not events:
        return []
    new = _insert_new(store, events, now)
    if any(handlers_of(event.type) for event in new):
        wake(Handling)
    return new


def subscribers(types: Iterable[str]) -> tuple[list[str], list[str]]:
    """Who hears of these types, as the database's function `events_record` wants it: types, and a handler beside each."""
    pairs = [(type, name) for type in set(types) for name in handlers_of(type)]
    return [type for type, _name in pairs], [name for _type, name in pairs]


def _insert_new(store, events, now):
    """Insert those that are not on record; the second of two concurrent writers of a fact waits and finds it known."""
    by_fact = {(event.type, event.key): event for event in events}
    rows = [
        {
            "store_id": store.pk,
            "type": event.type,
            "key": event.key,
            "customer_id": event.customer_id,
            "order_id": event.order_id,
            "data": event.data,
            "occurred_at": event.occurred_at,
        }
        for event in by_fact.values()
    ]
    new = []
    types, handlers = subscribers(event.type for event in events)
    with connection.cursor() as cursor:
        # One statement for all of it: this is on the way of every order.
        cursor.execute(
            "SELECT * FROM events_record(%s, %s, %s::text[], %s::text[])",
            [Jsonb(rows, dumps=dumps), now, types, handlers],
        )
        for pk, type, key in cursor.fetchall():
            event = by_fact[type, key]
            event.pk = pk
            event._state.adding = False
            new.append(event)
    return new
