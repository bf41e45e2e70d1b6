from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from crm.stores.models import Store
from loyalty import trials
from loyalty.models import Trial


class Command(BaseCommand):
    help = "Work out what past orders would earn if a draft were switched on. Posts nothing."

    def add_arguments(self, parser):
        parser.add_argument("slug", help="the store's short name")
        parser.add_argument("kind", choices=["rule", "campaign"])
        parser.add_argument("id", type=int, help="number of the rule or campaign, from its page's address")
        parser.add_argument("--days", type=int, choices=Trial.Days.values, default=30)

    def handle(self, *, slug, kind, id, days, verbosity, **options):
        store = Store.objects.filter(slug=slug).first()
        if store is None:
            raise CommandError(f"There is no store {slug!r}.")
        draft = trials.MODELS[kind].objects.for_store(store).filter(pk=id).first()
        if draft is None:
            raise CommandError(f"{store} has no {kind} {id}.")

        def progress(done, total):
            if verbosity > 1:
                self.stdout.write(f"{done} of {total} orders …")

        content = trials.content_of(draft)
        result = trials.run(store, kind, draft.pk, content, days=days, at=timezone.now(), progress=progress)
        self.stdout.write(f"{result.affected} of {result.orders} orders would earn otherwise.")
        self.stdout.write(f"Points: {result.now} now, {result.then} with it.")
        if result.cost is not None:
            self.stdout.write(f"It costs {result.cost} {store.currency} more.")
        for row in result.biggest:
            self.stdout.write(f"  order {row['number']}: {row['now']} now, {row['then']} with it")
