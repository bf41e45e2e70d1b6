import logging
import time

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from postpurchase.bench import figures
from postpurchase.chaos import machine, scenarios
from postpurchase.chaos.scenarios import Options


class Command(BaseCommand):
    help = (
        "Let everything fail that can, and look whether the promises hold: a shop in trouble, killed processes, a killed "
        "PostgreSQL. Runs on a database of its own; prints a table and writes var/chaos.json."
    )

    def add_arguments(self, parser):
        known = ", ".join(f"{name} ({scenario.says})" for name, scenario in scenarios.SCENARIOS.items())
        parser.add_argument("scenario", nargs="*", metavar="SCENARIO", help=f"only these of: {known}")
        parser.add_argument(
            "--seed", type=int, default=1, help="repeat the run with this number; the first of the seeds"
        )
        parser.add_argument("--seeds", type=int, default=50, help="how many seeds the simulation runs")
        parser.add_argument("--short", action="store_true", help="smaller figures, for tests and for a first look")

    def handle(self, *, scenario, seed, seeds, short, **options):
        if unknown := [name for name in scenario if name not in scenarios.SCENARIOS]:
            raise CommandError(f"No scenario is called {', '.join(unknown)}.")
        asked = Options(seed=seed, seeds=seeds, is_short=short, say=self.stderr.write)
        measured: list[figures.Figure] = []
        path = settings.VAR_DIR / "chaos.json"
        # What fails is the subject: the figures say what became of it.
        logging.disable(logging.CRITICAL)
        try:
            with machine.opened() as place:
                for name in scenario or scenarios.SCENARIOS:
                    began = time.monotonic()
                    self.stderr.write(f"{name}: {scenarios.SCENARIOS[name].says} …")
                    place.fresh()
                    found = scenarios.SCENARIOS[name].run(place, asked)
                    measured += found
                    # A long run that is stopped has told what it knew.
                    figures.write(measured, path)
                    if broken := [figure for figure in found if not figure.met]:
                        self.stderr.write(figures.table(broken))
                    self.stderr.write(f"{name}: {time.monotonic() - began:.0f} s")
        finally:
            logging.disable(logging.NOTSET)
        self.stdout.write(figures.table(measured))
        self.stdout.write(f"\nSeed {seed}. Written to {path}")
        if broken := [figure.name for figure in measured if not figure.met]:
            raise CommandError(f"Not kept: {'; '.join(broken)}")
