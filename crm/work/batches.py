"""Much work in portions: what one transaction does, or one request asks for."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batched(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of so many rows; the last may have fewer. Reads no further ahead than that."""
    rows = iter(rows)
    while batch := list(islice(rows, size)):
        yield batch
