import importlib
import os

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connection

from postpurchase.bench import figures

PARTS = ["imports", "syncs", "webhooks", "api", "ledger"]
# Too long to wait for each time.
ON_REQUEST = ["memory"]


class Command(BaseCommand):
    help = "Measure speed as ratios to bare loops, in a database of its own; writes var/bench.json."

    def add_arguments(self, parser):
        parser.add_argument(
            "part", nargs="*", choices=[[], *PARTS, *ON_REQUEST], help=f"only these of: {', '.join(PARTS + ON_REQUEST)}"
        )

    def handle(self, *, part, **options):
        # Throttles would measure themselves.
        settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]["key"] = "1000000000/min"
        settings.ALLOWED_HOSTS = ["*"]
        connection.settings_dict["TEST"]["NAME"] = f"bench_{os.getpid()}"
        before = connection.settings_dict["NAME"]
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        measured = []
        try:
            for name in part or PARTS:
                self.stderr.write(f"Measuring: {name} …")
                measured += importlib.import_module(f"postpurchase.bench.{name}").measure()
        finally:
            connection.creation.destroy_test_db(before, verbosity=0)
        path = settings.VAR_DIR / "bench.json"
        figures.write(measured, path)
        self.stdout.write(figures.table(measured))
        self.stdout.write(f"\nWritten to {path}")
