"""Who wants to hear of what. `receivers.py` of an app is imported when Django is ready."""

from collections import defaultdict
from collections.abc import Callable

HANDLERS: dict[str, Callable] = {}
_SUBSCRIPTIONS: dict[str, list[str]] = defaultdict(list)


def on(*types: str):
    """Subscribe a function to event types.

    It is called with a list of Event (of those types, oldest first; of one store or several), in one transaction with the settling
    of what is owed, so that what it does in the database takes effect once. If it raises for a batch, the events
    are given to it one by one, and one that keeps failing is parked with its error.
    """

    def subscribe(function):
        name = f"{function.__module__.removesuffix('.receivers')}.{function.__name__}"
        HANDLERS[name] = function
        for type in types:
            if name not in _SUBSCRIPTIONS[type]:
                _SUBSCRIPTIONS[type].append(name)
        return function

    return subscribe


def handlers_of(type: str) -> list[str]:
    """Names of the subscribers, in the order they subscribed."""
    return _SUBSCRIPTIONS.get(type, [])
