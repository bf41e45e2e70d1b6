"""Collect figures, print them as a table, write them to var/bench.json."""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass
class Figure:
    """One measured number and what it should be; `better` is "higher" or "lower"."""

    name: str
    value: float
    unit: str
    goal: float | None
    better: str
    detail: str = ""

    @property
    def met(self) -> bool:
        if self.goal is None:
            return True
        return self.value >= self.goal if self.better == "higher" else self.value <= self.goal


def alternate(repeats: int, *functions: Callable[[], object]) -> list[float]:
    """Median seconds of each function; they take turns, so that a busy neighbour disturbs all alike."""
    times: list[list[float]] = [[] for _ in functions]
    for function in functions:
        function()
    for _ in range(repeats):
        for function, list_ in zip(functions, times, strict=True):
            began = time.perf_counter()
            function()
            list_.append(time.perf_counter() - began)
    return [statistics.median(list_) for list_ in times]


def table(figures: list[Figure]) -> str:
    rows = [["", "measured", "goal", "unit", "detail"]]
    for figure in figures:
        goal = "" if figure.goal is None else f"{'≥' if figure.better == 'higher' else '≤'} {figure.goal:g}"
        mark = " " if figure.goal is None else ("✓" if figure.met else "✗")
        rows.append([f"{mark} {figure.name}", f"{figure.value:,.2f}", goal, figure.unit, figure.detail])
    widths = [max(len(row[n]) for row in rows) for n in range(4)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]).rstrip()
        for row in rows
    ]
    return "\n".join(lines)


def write(figures: list[Figure], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(figure) for figure in figures], indent=1, ensure_ascii=False))
