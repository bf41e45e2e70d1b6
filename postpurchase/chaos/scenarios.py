"""The scenarios by name: what each says, and its figures in full and in short."""

from collections.abc import Callable
from dataclasses import dataclass

from postpurchase.bench.figures import Figure
from postpurchase.demo.faults import STANDARD

from . import breaking, hearing, identity, killing, ledger, points, reading, seeds, storm
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


def killed(machine: Machine, options: Options) -> list[Figure]:
    size = options.size
    return storm.killed(machine, options.seed, size(10_000, 400), size(2_000, 80), kills=size(20, 2))


def backfill(machine: Machine, options: Options) -> list[Figure]:
    size = options.size
    return killing.backfill(machine, options.seed, size(50_000, 3_000), kills=size(20, 3), crashes=size(3, 1))


def drift(machine: Machine, options: Options) -> list[Figure]:
    return reading.drift(options.seed, pages=options.size(500, 40))


def broken_answers(machine: Machine, options: Options) -> list[Figure]:
    # A bomb takes a gigabyte's time to unpack, an answer that never comes all of the client's patience.
    kinds = STANDARD if options.is_short else breaking.ALL_KINDS
    orders, latency, hang = options.size(3_000, 200), options.size(50, 10) / 100, options.size(120, 1)
    return breaking.broken_answers(options.seed, orders, 20, latency, hang, kinds)


def poison(machine: Machine, options: Options) -> list[Figure]:
    return reading.poison(options.seed, options.size(3_000, 300), options.size(100, 20))


def clocks(machine: Machine, options: Options) -> list[Figure]:
    return reading.clocks(options.seed, rounds=options.size(10, 2))


def permutations(machine: Machine, options: Options) -> list[Figure]:
    return hearing.permutations(options.seed, options.size(10_000, 100))


def outages(machine: Machine, options: Options) -> list[Figure]:
    return storm.outages(machine, options.seed, rounds=options.size(12, 2))


SCENARIOS: dict[str, Scenario] = {
    "seeds": Scenario(
        "a small shop and all its trouble, in one process, by seed",
        lambda machine, options: seeds.measure(machine, options.seed, options.seeds, options.say),
    ),
    "S1": Scenario("webhooks while the web and the worker are killed", killed),
    "S2": Scenario("an import that is killed, and PostgreSQL with it", backfill),
    "S3": Scenario("a shop that changes while it is read", drift),
    "S4": Scenario("every kind of broken answer", broken_answers),
    "S5": Scenario("a poisonous order on each page", poison),
    "S6": Scenario("clocks that are wrong", clocks),
    "S7": Scenario("webhooks in any order", permutations),
    "S8": Scenario(
        "webhooks that the shop has switched off", lambda machine, options: hearing.switched_off(options.seed)
    ),
    "S9": Scenario(
        "two hosts that sync one shop",
        lambda machine, options: killing.two_hosts(machine, options.seed, options.size(20_000, 6_000)),
    ),
    "S10": Scenario(
        "revoked keys, and a copy of the shop", lambda machine, options: identity.wrong_shops(options.seed)
    ),
    "P2": Scenario("PostgreSQL that restarts and cuts connections", outages),
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
