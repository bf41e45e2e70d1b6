"""Bars drawn on the server, beside a table that says the same: no script, no request to anybody."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 600, 150
# Told apart by people who see no difference between red and green, on a light and on a dark page.
COLOURS = ("#0f766e", "#d97706", "#94a3b8")
_GAP = 0.25


@dataclass
class Bar:
    x: str
    y: str
    width: str
    height: str
    colour: str
    says: str


@dataclass
class Bars:
    """What a template needs to draw groups of bars: `legend` is (name, colour) of each series."""

    title: str
    legend: list[tuple[str, str]]
    bars: list[Bar]
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def is_empty(self) -> bool:
        return not self.bars


def bars(title: str, labels: Sequence[str], series: Sequence[tuple[str, Sequence[int]]]) -> Bars:
    """A group of bars for each label, one bar for each series. Values below zero are drawn as nothing."""
    highest = max((value for _name, values in series for value in values), default=0)
    drawn = []
    room = WIDTH / max(len(labels), 1)
    wide = room * (1 - _GAP) / max(len(series), 1)
    for which, (name, values) in enumerate(series):
        for place, value in enumerate(values):
            if value <= 0:
                continue
            # One point among millions is still seen.
            high = max(HEIGHT * value / highest, 1)
            left = place * room + room * _GAP / 2 + which * wide
            drawn.append(
                Bar(
                    f"{left:.1f}", f"{HEIGHT - high:.1f}", f"{wide:.1f}", f"{high:.1f}", COLOURS[which],
                    f"{labels[place]}: {name} {value}",
                )
            )  # fmt: skip
    return Bars(title, [(name, COLOURS[which]) for which, (name, _values) in enumerate(series)], drawn)
