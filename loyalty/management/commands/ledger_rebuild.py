from django.core.management.base import BaseCommand, CommandError

from crm.stores.models import Store
from loyalty import proof, rebuilding


class Command(BaseCommand):
    help = "Work out balances and what is left in lots again, from the entries and their allocations. Names what it sets right."

    def add_arguments(self, parser):
        parser.add_argument("slug", nargs="?", help="only this store")
        parser.add_argument("--dry-run", action="store_true", help="name what is wrong, and change nothing")

    def handle(self, *, slug, dry_run, **options):
        store = None
        if slug and not (store := Store.objects.filter(slug=slug).first()):
            raise CommandError(f"There is no store {slug!r}.")
        done = rebuilding.rebuild(store, dry_run=dry_run)
        for sentence in done:
            self.stdout.write(sentence)
        rows = f"{len(done)} row{'s' * (len(done) != 1)}"
        if dry_run:
            self.stdout.write(f"{rows} would be set right. Nothing was changed.")
            return
        self.stdout.write(f"{rows} set right.")
        if left := list(proof.differences(store)):
            raise CommandError("Still wrong, in what is never rewritten: " + "; ".join(left[:10]))
