"""What somebody loses who has their data deleted, in words; an app that holds something adds a function in its `apps.ready()`."""

from collections.abc import Callable

LOSSES: list[tuple[int, Callable]] = []


def loss(function: Callable, order: int) -> None:
    """`function(request)` returns sentences or things, such as “1,240 points”; none if there is nothing to lose."""
    if (order, function) not in LOSSES:
        LOSSES.append((order, function))
        LOSSES.sort(key=lambda entry: entry[0])


def losses(request) -> list[str]:
    return [said for _order, function in LOSSES for said in function(request)]
