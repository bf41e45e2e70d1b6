import time

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.stores.models import Store
from crm.woocommerce import identity, rereads, sync
from crm.woocommerce.client import Client
from crm.woocommerce.errors import WooCommerceError
from crm.woocommerce.models import KeptAside, Resource, SyncState

# Whoever waits at a terminal would rather wait out a shop's trouble than begin again by hand.
PATIENCE = 600


class Command(BaseCommand):
    help = "Bring the mirror up to date with the shops: what changed, or all of it the first time. Killed, it goes on where it was."
    # They load each page, form and API view of the product: a second and 16 MB that no sync has a use for. The worker makes them.
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("slug", nargs="?", help="one store; all connected stores if left out")
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--full", action="store_true", help="read everything again")
        how.add_argument(
            "--reconcile",
            action="store_true",
            help="compare numbers and dates, and heal what is missing, stale or deleted",
        )
        parser.add_argument(
            "--accept",
            action="store_true",
            help="what answers now is the right shop, though it has lost what was known of it; compares everything",
        )
        parser.add_argument("--notes", action="store_true", help="then have the notes of every order read, one by one")

    def handle(self, *, slug, full, reconcile, accept, notes, **options):
        stores = Store.objects.connected().order_by("pk")
        if slug:
            stores = stores.filter(slug=slug)
        if not stores:
            raise CommandError(
                _("No connected store is called %(slug)s.") % {"slug": slug}
                if slug
                else _("No shop is connected yet: manage.py connect_store URL --key … --secret …")
            )
        if accept and not slug:
            raise CommandError(_("Name the store whose shop is to be accepted."))
        mode = sync.Mode.FULL if full else sync.Mode.COMPARE if reconcile or accept else sync.Mode.CHANGES
        if accept:
            identity.accept(stores.get())
        failed = [store.slug for store in stores if not self.sync(store, mode)]
        for store in stores if notes else []:
            count = rereads.ask_for_all_notes(store, timezone.now())
            text = ngettext(
                "The worker reads the notes of %(n)d order.", "The worker reads the notes of %(n)d orders.", count
            )
            self.stdout.write(f"{store.name}: {text % {'n': count}}")
        if failed:
            raise CommandError(_("Not everything was applied: %(stores)s.") % {"stores": ", ".join(failed)})

    def sync(self, store, mode) -> bool:
        progress = Progress(self.stdout)
        self.stdout.write(f"{store.name} ({store.slug})")
        try:
            result = sync.run(store, mode=mode, client=Client(store, patience=PATIENCE), report=progress)
        except sync.Busy:
            self.stderr.write(_("Another process syncs this store right now."))
            return False
        except WooCommerceError as error:
            progress.end_line()
            self.stderr.write(str(error))
            return False
        progress.end_line()
        for problem in result.errors:
            self.stderr.write(str(problem))
        kept = KeptAside.objects.for_store(store).unresolved()
        for row in kept.order_by("pk")[:20]:
            self.stderr.write(_("kept aside: %(what)s: %(error)s") % {"what": row, "error": row.error})
        return not result.errors and not kept.exists()


class Progress:
    """One line for each kind of object: redrawn on a terminal, written when it is finished elsewhere."""

    WIDTH = 24

    def __init__(self, out):
        self.out = out
        self.is_terminal = out.isatty()
        self.resource = None
        self.started = self.shown = 0.0
        self.read_before = 0
        self.is_open = False

    def __call__(self, state: SyncState) -> None:
        now = time.monotonic()
        if state.resource != self.resource:
            self.end_line()
            self.resource, self.started = state.resource, now
            # Elsewhere than on a terminal, only what takes long gets a line before its last.
            self.shown = 0.0 if self.is_terminal else now
            self.read_before = max(0, state.read - 100)
        if state.finished_at:
            self.draw(state, now)
            self.end_line()
        elif self.is_terminal and now - self.shown > 0.1 or now - self.shown > 10:
            self.shown = now
            self.draw(state, now)

    def draw(self, state, now):
        done = 1.0 if state.finished_at else min(state.offset / state.total, 1.0) if state.total else 0.0
        rate = (state.read - self.read_before) / max(now - self.started, 0.001)
        text = _("%(read)d read, %(written)d written") % {"read": state.read, "written": state.written}
        if state.kept_aside:
            text += ", " + _("%(kept)d kept aside") % {"kept": state.kept_aside}
        if state.left_out:
            text += ", " + _("%(n)d left out (carts and the like)") % {"n": state.left_out}
        if state.read >= 200:
            text += f", {rate:.0f}/s"
        name = f"{Resource(state.resource).label!s:<28}"
        if self.is_terminal:
            bar = "█" * round(done * self.WIDTH)
            self.out.write(f"\r  {name} {bar:░<{self.WIDTH}} {text}\x1b[K", ending="")
            self.is_open = True
        else:
            self.out.write(f"  {name} {done:4.0%}  {text}")

    def end_line(self):
        if self.is_open:
            self.out.write("")
            self.is_open = False
