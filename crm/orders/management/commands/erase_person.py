from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.orders import erasing
from crm.stores.models import Store


class Command(BaseCommand):
    help = "Erase a person from a store: everything that says who it is. Orders and points stay, and are nobody's. It can't be undone."

    def add_arguments(self, parser):
        parser.add_argument("slug", help="the store's short name")
        parser.add_argument("email", help="the person's address")
        parser.add_argument("--dry-run", action="store_true", help="say what would be erased, and erase nothing")

    def handle(self, *, slug, email, dry_run, **options):
        store = Store.objects.filter(slug=slug).first()
        if store is None:
            raise CommandError(_("No store is called %(slug)s.") % {"slug": slug})
        try:
            person = erasing.find(store, email, timezone.now())
        except ValueError as error:
            raise CommandError(str(error)) from error
        left, found = erasing.still_in_shop(person), erasing.preview(person)
        if not found:
            raise CommandError(_("%(store)s knows nobody of this address.") % {"store": store})
        if not dry_run:
            found = erasing.erase(person).found
        for name, count in sorted(found.items()):
            self.stdout.write(f"{count:8d}  {name}")
        self.stdout.write(_("Nothing was erased.") if dry_run else _("Erased."))
        if any(left.values()):
            text = _(
                "The shop itself still names this person on %(orders)d orders and has %(accounts)d accounts. What changes there comes "
                "back: erase them there as well (Tools, Erase Personal Data)."
            )
            self.stderr.write(text % left)
