from django.core.management.base import BaseCommand, CommandError

from crm.stores.models import Store
from loyalty import proof
from loyalty.models import LedgerEntry


class Command(BaseCommand):
    help = "Prove that balances are the sums of their entries. Names each difference; exit status 1 if there is one."

    def add_arguments(self, parser):
        parser.add_argument("slug", nargs="?", help="only this store")

    def handle(self, *, slug, **options):
        store = None
        if slug and not (store := Store.objects.filter(slug=slug).first()):
            raise CommandError(f"There is no store {slug!r}.")
        found = 0
        for difference in proof.differences(store):
            found += 1
            self.stdout.write(difference)
        if found:
            raise CommandError(f"{found} difference{'s' * (found != 1)}.")
        entries = LedgerEntry.objects.all() if store is None else LedgerEntry.objects.for_store(store)
        self.stdout.write(f"The ledger adds up: {entries.count()} entries.")
