"""The scenarios by name, what each says, and how it is run."""

from collections.abc import Callable
from dataclasses import dataclass

from postpurchase.bench.figures import Figure

from .machine import Machine


@dataclass
class Options:
    seed: int = 1
    seeds: int = 50
    is_short: bool = False
    say: Callable[[str], object] = print


@dataclass
class Scenario:
    says: str
    run: Callable[[Machine, Options], list[Figure]]


def _seeds(machine: Machine, options: Options) -> list[Figure]:
    from . import seeds

    return seeds.measure(machine, options.seed, options.seeds, options.say)


SCENARIOS: dict[str, Scenario] = {
    "seeds": Scenario("a small shop and all its trouble, in one process, by seed", _seeds),
}
