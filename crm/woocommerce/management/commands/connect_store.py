from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_slug
from django.utils.translation import gettext as _

from crm.stores.addresses import store_at
from crm.stores.models import Store
from crm.woocommerce import connect, identity, webhook_care
from crm.woocommerce.errors import WooCommerceError
from crm.woocommerce.locks import Busy


class Command(BaseCommand):
    help = "Connect a WooCommerce shop: check its address and keys, read what it says of itself, have it call our webhooks."

    def add_arguments(self, parser):
        parser.add_argument("url", help="the shop's address, such as https://shop.example")
        parser.add_argument("--key", required=True, help="consumer key (ck_…), made for Read/Write")
        parser.add_argument("--secret", required=True, help="consumer secret (cs_…)")
        parser.add_argument(
            "--slug",
            help="short name in addresses; made from the shop's name if left out. With that of a store whose shop has moved, the new address becomes its own",
        )
        parser.add_argument("--no-webhooks", action="store_true", help="rely on the poll alone")
        parser.add_argument("--insecure", action="store_true", help="allow plain http and private addresses")

    def handle(self, *, url, key, secret, slug, no_webhooks, insecure, **options):
        try:
            self.connect(connect.clean_url(url), key.strip(), secret.strip(), slug, not no_webhooks, insecure)
        except WooCommerceError as error:
            raise CommandError(str(error)) from None

    def connect(self, url, key, secret, slug, webhooks, insecure):
        store = Store.objects.filter(url=url).first()
        moved = None if store else Store.objects.filter(slug=slug or "").first()
        # Of one that was never read, nothing tells whether it is the same shop.
        moved = moved if moved and identity.is_known(moved) else None
        store = store or moved or Store(url=url)
        if (store.pk is None or moved) and (twin := store_at(url, besides=store.pk)):
            raise CommandError(
                _(
                    "The shop at %(url)s is connected already, as %(store)s (%(slug)s, %(known)s). One shop is one store: connect it with that very address to "
                    "change its keys."
                )
                % {"url": url, "store": twin.name, "slug": twin.slug, "known": twin.url}
            )
        if slug and slug != store.slug:
            validate_slug(slug)
            if Store.objects.filter(slug=slug).exists():
                raise CommandError(_("Another store is called %(slug)s.") % {"slug": slug})
            store.slug = slug
        # Stopped or not: whether this is the shop is looked into now.
        store.url, store.halted = url, "" if moved else store.halted
        store.consumer_key, store.consumer_secret = key, secret
        store.insecure = insecure or store.insecure
        findings = connect.check(store, has_moved=bool(moved))
        is_new = store.connected_at is None
        connect.keep(
            store, findings, ["slug", "consumer_key", "consumer_secret", "insecure", *(["url"] if moved else [])]
        )
        self.stdout.write(
            self.style.SUCCESS(f"{store.name} ({store.slug}): {_('connected') if is_new else _('still connected')}")
        )
        for label, value in (
            (_("address"), f"{store.url}, {store.get_signing_display()}"),
            ("WooCommerce", store.wc_version or "?"),
            (_("currency"), store.currency),
            (_("country"), store.country or "–"),
            (_("time zone"), store.timezone),
            (_("keys"), _("may read and write")),
            (_("webhooks"), self.webhooks(store) if webhooks else _("none; changes are polled every few minutes")),
        ):
            self.stdout.write(f"  {label}: {value}")
        self.stdout.write(_("Now run: manage.py sync %(slug)s") % {"slug": store.slug})

    def webhooks(self, store):
        if not webhook_care.is_reachable(store):
            return _("none, since the shop can't call %(address)s: set SITE_URL to a public address") % {
                "address": webhook_care.address(store)
            }
        try:
            care = webhook_care.repair(store)
        except Busy:
            return _("another process looks after them right now")
        return _("%(made)d made, %(repaired)d repaired, %(kept)d as they were, at %(address)s") % {
            "made": care.made,
            "repaired": care.repaired,
            "kept": care.kept,
            "address": webhook_care.address(store),
        }
