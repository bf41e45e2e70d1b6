from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError

from crm.stores.models import Store
from loyalty import earning, programs


class Command(BaseCommand):
    help = "Award points for orders that were paid before the programme began. Without --apply it only counts them."

    def add_arguments(self, parser):
        parser.add_argument("slug", help="the store's short name")
        mode = parser.add_mutually_exclusive_group()
        mode.add_argument("--dry-run", action="store_true", help="count, and post nothing (the default)")
        mode.add_argument("--apply", action="store_true", help="post the points")
        parser.add_argument(
            "--since", type=date.fromisoformat, help="only orders placed on this day or later: 2025-01-31"
        )

    def handle(self, *, slug, apply, since, verbosity, **options):
        store = Store.objects.filter(slug=slug).first()
        if store is None:
            raise CommandError(f"There is no store {slug!r}.")
        # A store that was connected a moment ago gets its programme from an event that may still be waiting.
        if not programs.open_program(store).active:
            raise CommandError(f"The points programme of {store} is switched off.")
        orders = points = 0
        customers = set()
        # A day begins where the shop is.
        batches = earning.history(store, since and datetime.combine(since, time(), ZoneInfo(store.timezone)))
        earnings = (earning.award(store, batch) for batch in batches) if apply else earning.preview(store, batches)
        for batch in earnings:
            for customer_id, earned in batch:
                orders += 1
                points += earned
                customers.add(customer_id)
            if verbosity > 1:
                self.stdout.write(f"{orders} orders …")
        if verbosity:
            self.stdout.write(
                f"{orders} order{'s' * (orders != 1)} of {len(customers)} customer{'s' * (len(customers) != 1)} "
                f"{'earned' if apply else 'would earn'} {points} points."
                + ("" if apply else " Post them with --apply.")
            )
