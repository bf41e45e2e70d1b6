"""Give recorded events to their handlers."""

from itertools import groupby

from . import subscribing
from .models import Event


def handle(rows) -> None:
    """Call each handler once with all of its events among these Handling rows. Runs inside the drain's transaction."""
    events = Event.objects.select_related("store", "customer", "order").in_bulk([row.event_id for row in rows])
    rows = sorted(rows, key=lambda row: (row.handler, row.event_id))
    for name, group in groupby(rows, key=lambda row: row.handler):
        if name not in subscribing.HANDLERS:
            raise LookupError(f"No handler is named {name}: it was renamed or its app is not installed.")
        subscribing.HANDLERS[name]([events[row.event_id] for row in group])
