"""The scenarios by name, what each says, and how it is run."""

from collections.abc import Callable
from dataclasses import dataclass

from postpurchase.bench.figures import Figure

from . import ledger, points
from .machine import Machine


@dataclass
class Options:
    seed: int = 1
    seeds: int = 50
    is_short: bool = False
    say: Callable[[str], object] = print

    def size(self, full: int, short: int) -> int:
        return short if self.is_short else full


@dataclass
class Scenario:
    says: str
    run: Callable[[Machine, Options], list[Figure]]


def _seeds(machine: Machine, options: Options) -> list[Figure]:
    from . import seeds

    return seeds.measure(machine, options.seed, options.seeds, options.say)


SCENARIOS: dict[str, Scenario] = {
    "seeds": Scenario("a small shop and all its trouble, in one process, by seed", _seeds),
    "L1": Scenario(
        "points that many spend at once, and answers that get lost",
        lambda machine, options: ledger.spending(options.seed, options.size(1000, 20), options.size(64, 16)),
    ),
    "L2": Scenario(
        "L2 and L7: what orders go through, told in any order, while rates change",
        lambda machine, options: points.lives(options.seed, options.size(5000, 100)),
    ),
    "L5": Scenario(
        "an expiry of points that is killed",
        lambda machine, options: ledger.expiry(options.seed, options.size(100_000, 4_000), options.size(20, 2)),
    ),
    "L6": Scenario(
        "points that move both ways at once",
        lambda machine, options: ledger.transfers(options.seed, options.size(100_000, 2_000)),
    ),
}
