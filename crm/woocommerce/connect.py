"""Look whether a shop can be reached and the keys suffice, read what it says of itself, and keep it as a store."""

import re
import zoneinfo
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _

from crm.events import recording
from crm.stores.models import Store

from . import identity
from .client import Client
from .errors import WooCommerceError
from .models import ConnectionCheck

# No shop has an order of this number; JavaScript's largest whole one passes every plug-in.
NO_ORDER = 2**53 - 1
# WordPress set to a bare offset instead of a city.
ZONES_OF_HALF_HOURS = {
    -3.5: "America/St_Johns",
    3.5: "Asia/Tehran",
    4.5: "Asia/Kabul",
    5.5: "Asia/Kolkata",
    5.75: "Asia/Kathmandu",
    6.5: "Asia/Yangon",
    9.5: "Australia/Darwin",
}


@dataclass
class Findings:
    """What a shop says of itself."""

    signing: str
    name: str
    currency: str
    country: str
    timezone: str
    wc_version: str
    # The shop's own clock.
    date: datetime | None = None


def clean_url(url: str) -> str:
    """The shop's address as people copy it, without what follows it."""
    url = url.strip()
    if "://" not in url:
        url = f"https://{url}"
    parts = urlsplit(url)
    path = re.split(r"/(?:wp-json|wp-admin|wp-login\.php|index\.php)(?:/|$)", f"{parts.path}/")[0]
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{path.rstrip('/')}"


def check(store: Store, *, has_moved: bool = False) -> Findings:
    """Look into the shop without leaving a trace there; one that `has_moved` has to prove that it is the same. Raises WooCommerceError with what is wrong and what to do."""
    with Client(store) as client:
        index = _index(client)
    signing, date = _signing(store)
    with Client(store, signing=signing) as client:
        may_write(client)
        currency, country = _place(client)
        if identity.is_known(store):
            identity.verify(store, client, timezone.now(), thorough=True, needs_proof=has_moved)
        elif twin := identity.twin_of(store, client):
            raise WooCommerceError(
                _(
                    "The shop at %(url)s is connected already, as %(store)s at %(known)s: it has the same number and the same newest orders. If it has moved, "
                    "give that store its new address: manage.py connect_store %(url)s --slug %(slug)s --key … --secret …"
                )
                % {"url": store.url, "store": twin.name, "known": twin.url, "slug": twin.slug},
                permanent=True,
            )
        return Findings(
            signing=signing,
            name=str(index.get("name") or "").strip() or client.host,
            currency=currency,
            country=country,
            timezone=_timezone(index),
            wc_version=_version(client),
            date=date,
        )


def _index(client: Client) -> dict:
    try:
        index = client.index()
    except WooCommerceError as error:
        if error.status in (401, 403):
            # A plug-in shows the list of what there is to nobody; the keys may still do.
            return {}
        if error.status == 404:
            raise WooCommerceError(
                _(
                    "%(url)s has no WordPress REST API. Check the address; if it is right, choose in WordPress → Settings → Permalinks any "
                    "structure but “Plain”."
                )
                % {"url": client.url},
                permanent=True,
                status=404,
            ) from None
        raise
    if not isinstance(index, dict):
        return {}
    if "namespaces" in index and "wc/v3" not in index["namespaces"]:
        raise WooCommerceError(
            _("%(url)s is a WordPress without WooCommerce: activate the plug-in, or check the address.")
            % {"url": client.url},
            permanent=True,
        )
    return index


def _signing(store: Store) -> tuple[str, datetime | None]:
    """The way of signing that the shop answers to, and its own clock.

    A proxy may hide https from PHP, or swallow the Authorization header.
    """
    ways = [Store.Signing.OAUTH]
    if store.url.startswith("https://"):
        ways.insert(0, Store.Signing.BASIC)
    failures = []
    for signing in ways:
        with Client(store, signing=signing) as client:
            try:
                answer = client.ask("GET", "orders", params={"per_page": 1, "_fields": "id"})
            except WooCommerceError as error:
                if error.status not in (401, 403):
                    raise
                failures.append(error)
            else:
                return signing, answer.date
    # What names the key or the secret tells more than a plain “you may not”.
    raise next((error for error in failures if error.code == "woocommerce_rest_authentication_error"), failures[0])


def may_write(client: Client) -> None:
    """A write that can't succeed tells whether the keys may write: an unknown order is a 400, missing rights are a 401 or 403."""
    try:
        client.put(f"orders/{NO_ORDER}", {})
    except WooCommerceError as error:
        if error.status not in (400, 404):
            raise


def _place(client: Client) -> tuple[str, str]:
    settings = {}
    try:
        answer = client.get("settings/general")
        settings = {item["id"]: item.get("value") for item in answer if isinstance(item, dict) and "id" in item}
    except WooCommerceError as error:
        if error.status not in (401, 403, 404):
            raise
    currency = settings.get("woocommerce_currency")
    if not currency:
        currency = client.get("data/currencies/current").get("code")
    country = str(settings.get("woocommerce_default_country") or "").split(":")[0]
    # An agency's own code for a currency may be of any letters; what is no code at all says nothing.
    code = str(currency).strip().upper()
    return code if re.fullmatch("[A-Z0-9]{2,10}", code) else "", country if len(country) == 2 else ""


def _timezone(index: dict) -> str:
    name = str(index.get("timezone_string") or "")
    if name in zoneinfo.available_timezones():
        return name
    try:
        offset = float(index.get("gmt_offset") or 0)
    except (TypeError, ValueError):
        return "UTC"
    if offset in ZONES_OF_HALF_HOURS:
        return ZONES_OF_HALF_HOURS[offset]
    # The sign of these names is the other way round: Etc/GMT-2 is two hours ahead.
    return f"Etc/GMT{-int(offset):+d}" if offset == int(offset) and offset and -12 <= offset <= 14 else "UTC"


def _version(client: Client) -> str:
    try:
        answer = client.get("system_status", _fields="environment")
        return str(answer["environment"]["version"])[:20]
    except (WooCommerceError, KeyError, TypeError):
        # Only shown.
        return ""


@transaction.atomic
def keep(store: Store, findings: Findings, changed: Iterable[str] = ()) -> None:
    """Save what was found, and the fields that the caller has `changed`.

    What the merchant has set by hand since stays, also while the shop was being asked; what happened before the first time is
    never announced.
    """
    is_new, is_first = store.pk is None, store.connected_at is None
    store.signing, store.wc_version = findings.signing, findings.wc_version
    if is_new:
        store.name = findings.name[:200]
        store.slug = store.slug or _free_slug(findings.name or urlsplit(store.url).netloc)
        store.timezone, store.country = findings.timezone, findings.country
    store.currency = findings.currency or store.currency
    if is_first:
        # Whole seconds, as the shop's own dates are.
        store.connected_at = timezone.now().replace(microsecond=0)
        # By the shop's clock, which stamps what is compared with it: one that is an hour behind would have its first hour of orders
        # taken for history, one that is ahead would have history announced.
        store.announce_from = findings.date or store.connected_at
    found = ["signing", "wc_version", "currency", "connected_at", "announce_from"]
    store.save(update_fields=None if is_new else [*found, *changed])
    if "url" in changed:
        # What was said of the old address holds no longer: the shop was seen at the new one.
        identity.halt(store, "")
    if is_first:
        recording.record("store.connected", store, store.pk, occurred_at=store.connected_at)


def _free_slug(name: str) -> str:
    base = slugify(name)[:40] or "store"
    taken = set(Store.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    return next(slug for n in range(1, len(taken) + 2) if (slug := base if n == 1 else f"{base}-{n}") not in taken)


def check_and_note(store: Store) -> ConnectionCheck:
    """Check the connection of a store that is held, and note what came of it for the staff to read."""
    try:
        findings = check(store)
    except WooCommerceError as error:
        is_ok, message = False, str(error)
    else:
        keep(store, findings)
        is_ok = True
        message = _("WooCommerce %(version)s, %(currency)s, %(timezone)s; the keys may read and write.") % {
            "version": findings.wc_version or "?",
            "currency": findings.currency,
            "timezone": findings.timezone,
        }
    note, _created = ConnectionCheck.objects.update_or_create(
        store=store, defaults={"checked_at": timezone.now(), "is_ok": is_ok, "message": message}
    )
    return note


def ask_for_check(store: Store, at: datetime) -> None:
    """Note that a check was asked for, for the staff to see until it is done."""
    ConnectionCheck.objects.update_or_create(store_id=store.pk, defaults={"asked_at": at})
