"""Many seeds, two at a time, each in a database that nothing else has touched.

python -m postpurchase.chaos.seeds 1 3 5    # one of the processes: prints each outcome as a line of JSON
"""

import json
import logging
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from django.db import connection, connections

from postpurchase.bench.figures import Figure

if TYPE_CHECKING:
    from .machine import Machine
    from .simulation import Outcome

# As many as a small machine has cores.
PROCESSES = 2


def measure(machine: "Machine", first: int, count: int, say: Callable[[str], object]) -> list[Figure]:
    """Run so many seeds from `first` on; says which went wrong, and how to repeat them."""
    total: Counter[str] = Counter()
    bad, seconds = 0, []

    def hear(outcome: dict) -> None:
        nonlocal bad
        total.update(outcome["counts"])
        seconds.append(outcome["seconds"])
        if outcome["problems"]:
            bad += 1
            say(again(outcome["seed"], outcome["problems"]))

    began = time.monotonic()
    # Of a database that somebody is connected to PostgreSQL makes no copies.
    connections.close_all()
    parts = [range(first + number, first + count, PROCESSES) for number in range(PROCESSES)]
    with ThreadPoolExecutor(PROCESSES) as pool:
        for run in [pool.submit(apart, machine, part, hear) for part in parts if part]:
            run.result()
    detail = ", ".join(f"{name} {number:,}" for name, number in sorted(total.items()))
    return [
        Figure("Seeds: runs at whose end something is wrong", bad, "runs", 0, "lower", f"of {count}; {detail}"),
        Figure("Seeds: runs that never ended", count - len(seconds), "runs", 0, "lower"),
        Figure("Seeds: time of one, at most", max(seconds, default=0), "s", None, "lower",
               f"{sum(seconds) / max(len(seconds), 1):.1f} on average, all of them in {time.monotonic() - began:.0f}"),
    ]  # fmt: skip


def again(seed: int, problems: list[str]) -> str:
    lines = [f"  seed {seed}: {len(problems)} problems; again: manage.py chaos seeds --seed {seed} --seeds 1"]
    return "\n".join([*lines, *(f"    {problem}" for problem in problems[:5])])


def apart(machine: "Machine", seeds: Iterable[int], hear: Callable[[dict], object]) -> None:
    """Run these in a process of their own."""
    command = [sys.executable, "-m", __name__, *map(str, seeds)]
    with subprocess.Popen(command, env=machine.environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            hear(json.loads(line))


def main(seeds: Iterable[int]) -> None:
    import django

    django.setup()
    logging.disable(logging.CRITICAL)
    for seed, outcome, seconds in outcomes(seeds):
        told = {"seed": seed, "counts": outcome.counts, "problems": outcome.problems, "seconds": seconds}
        print(json.dumps(told), flush=True)


def outcomes(seeds: Iterable[int]) -> Iterator[tuple[int, "Outcome", float]]:
    from . import machine, simulation

    own = f"seeds_{os.getpid()}"
    for seed in seeds:
        began = time.monotonic()
        machine.use_copy(own)
        with connection.cursor() as cursor:
            # Nobody pulls the plug on these; waiting for the disk would be most of their time.
            cursor.execute(f"ALTER DATABASE {own} SET synchronous_commit = off")
            # What this process remembers of a store's number must not meet the next seed's.
            cursor.execute("SELECT setval(pg_get_serial_sequence('stores_store', 'id'), %s)", [seed + 1000])
        connection.close()
        yield seed, simulation.run(seed), time.monotonic() - began


if __name__ == "__main__":
    main(map(int, sys.argv[1:]))
