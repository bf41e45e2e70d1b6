"""Make sure that who answers is the shop whose mirror this is, before a single row of it is saved.

Behind a shop's address may one day stand a copy for testing, another shop, or a backup of last month. Three things tell: where the site says that
it is, WooCommerce's own number of the shop, and whether it knows the newest orders that came from there, by their keys. A copy has the first two right more
often than not; it never has the orders that came after it was made.

A poll that finds nothing must cost the shop one request for each kind of object, so nothing is asked for its own sake there: the
question is put at the start of each import and comparison, and in a poll when something is about to be saved (`walking.NotSure`). In doubt, everything between the shop and us stops
(`Store.halted`) until it is the right one again or an owner has said that it is.
"""

from datetime import datetime
from typing import NamedTuple

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.orders.models import Order
from crm.stores.addresses import site
from crm.stores.models import Store
from crm.work.wake import wake

from .client import Client
from .errors import WooCommerceError, WrongShop
from .models import Reread, ShopIdentity, WebhookDelivery

# How many of the newest orders are asked for, and how many of them a shop may have lost without being another one.
ANCHORS = 10
LOST = 5


class Word(NamedTuple):
    """What a shop says of itself; empty where it says nothing."""

    home: str = ""
    woo_store_id: str = ""


class Guard:
    """Makes sure once in a run, and no sooner than it must."""

    def __init__(self, store: Store, client: Client):
        self.store, self.client = store, client
        self.is_sure = False

    def sure(self, *, thorough: bool = False) -> None:
        """Raises WrongShop."""
        if not self.is_sure:
            verify(self.store, self.client, timezone.now(), thorough=thorough)
            self.is_sure = True


def verify(store: Store, client: Client, at: datetime, *, thorough: bool = False, needs_proof: bool = False) -> None:
    """Ask the shop who it is, and halt the store when it is not the one that is remembered; a store that was halted goes on when it is.

    No doubt is enough, but for an address at which it never was (`needs_proof`). Two small requests, and with `thorough` a third one that costs the shop more. Raises WrongShop, or WooCommerceError where nothing is answered.
    """
    with client.asking_all_the_same():
        word = ask(client, thorough=thorough)
        doubt = doubt_of(store, word, client) or (_lack_of_proof(store, word, client) if needs_proof else "")
    if doubt:
        # An address that is only being tried stops nothing.
        if not Store.objects.filter(pk=store.pk).exclude(url=store.url).exists():
            halt(store, doubt)
        client.halted = doubt
        raise WrongShop(doubt)
    remember(store, word, at)
    client.halted = ""


def is_known(store: Store) -> bool:
    return ShopIdentity.objects.filter(store_id=store.pk).exists()


def ask(client: Client, *, thorough: bool) -> Word:
    home = woo_store_id = ""
    try:
        index = client.index()
        home = str(index.get("home") or index.get("url") or "") if isinstance(index, dict) else ""
    except WooCommerceError as error:
        # Plug-ins show the index to nobody, or to whoever is signed in.
        if error.status not in (401, 403, 404):
            raise
    if thorough:
        woo_store_id = store_id_of(client)
    return Word(home[:500], woo_store_id)


def store_id_of(client: Client) -> str:
    try:
        environment = client.get("system_status", _fields="environment")["environment"]
        return str(environment.get("store_id") or "")[:60]
    except (WooCommerceError, KeyError, TypeError, AttributeError):
        # Many keys may not see it, and older shops have none.
        return ""


def doubt_of(store: Store, word: Word, client: Client) -> str:
    """Why this is not the shop that is remembered, in words that say what to do; empty if it is."""
    known = ShopIdentity.objects.filter(store_id=store.pk).first()
    if known is None:
        return ""
    told = {"store": store.name, "url": store.url}
    if word.home and known.home and site(word.home) not in (site(known.home), site(store.url)):
        return _(
            "%(store)s: at %(url)s a site answers that calls itself %(home)s; so far it was %(known)s. Nothing is read from it. If the shop has moved, "
            "whoever administers this server gives its new address in the store's settings, or with: manage.py connect_store %(home)s --slug %(slug)s --key … "
            "--secret … If this is a copy for testing, have the address lead to the shop again."
        ) % (told | {"home": word.home, "known": known.home, "slug": store.slug})
    if word.woo_store_id and known.woo_store_id and word.woo_store_id != known.woo_store_id:
        return _(
            "%(store)s: at %(url)s another WooCommerce shop answers: its number is %(id)s and not %(known)s. Nothing is read from it. Put the address "
            "and the keys right. A new shop is a store of its own: connect it as one."
        ) % (told | {"id": word.woo_store_id, "known": known.woo_store_id})
    return _doubt_by_orders(store, known, client, told)


def _doubt_by_orders(store, known, client, told) -> str:
    rows = _newest_orders(store).values_list("woo_id", "order_key", "synced_at")[:ANCHORS]
    keys = {woo_id: key for woo_id, key, synced_at in rows if synced_at and synced_at >= known.learned_at}
    if not keys:
        return ""
    found = _keys_in_shop(client, list(keys))
    if len(found) < len(keys):
        # What lies in the trash is in no other list.
        found = _keys_in_shop(client, [woo_id for woo_id in keys if woo_id not in found], status="trash") | found
    others = [woo_id for woo_id, key in found.items() if key and key != keys[woo_id]]
    lost = [woo_id for woo_id in list(keys)[:LOST] if woo_id not in found]
    is_lost = len(lost) == min(LOST, len(keys)) >= 3
    if not others and not is_lost:
        return ""
    what = (
        _("has other orders under the numbers that came from it (%(numbers)s)")
        if others
        else _("does not know the newest orders that came from it any more (%(numbers)s)")
    ) % {"numbers": ", ".join(map(str, (others or lost)[:5]))}
    return _(
        "%(store)s: the shop at %(url)s %(what)s. It is a copy, another shop, or was put back from an older backup. Nothing is read from it. Have the address "
        "and the keys lead to the right shop; if this is the right one, say so on the store's sync page or with: manage.py sync %(slug)s --accept"
    ) % (told | {"what": what, "slug": store.slug})


def _lack_of_proof(store: Store, word: Word, client: Client) -> str:
    """Why nothing shows that this is the shop that is remembered; empty if its number does, or an order under the same key."""
    if word.woo_store_id and ShopIdentity.objects.filter(store_id=store.pk, woo_store_id=word.woo_store_id).exists():
        return ""
    if _has_order_of(store, client):
        return ""
    return _(
        "Nothing shows that the shop at %(url)s is %(store)s: it has none of the newest orders that came from there, and its number is not known. If it is "
        "a shop of its own, connect it without --slug. If %(store)s has moved, take keys of an administrator, who may read the shop's number; where that "
        "was never read, whoever administers this server gives the new address in the store's settings."
    ) % {"url": store.url, "store": store.name}


def _has_order_of(store: Store, client: Client) -> bool:
    """Whether the shop that is asked has one of the store's newest orders, under the same key."""
    keys = dict(_newest_orders(store).values_list("woo_id", "order_key")[:ANCHORS])
    return bool(keys) and any(keys[woo_id] == key for woo_id, key in _keys_in_shop(client, list(keys)).items())


def twin_of(store: Store, client: Client) -> Store | None:
    """The other store that mirrors this very shop, at whatever address: the same number, and an order under the same key."""
    if not (woo_store_id := store_id_of(client)):
        return None
    alike = Store.objects.filter(pk__in=ShopIdentity.objects.filter(woo_store_id=woo_store_id).values("store_id"))
    for other in alike.exclude(pk=store.pk).order_by("pk"):
        if _has_order_of(other, client):
            return other
    return None


def _newest_orders(store: Store) -> QuerySet[Order]:
    """Those that can be known again in the shop."""
    return Order.objects.filter(store=store, deleted_at=None).exclude(order_key="").order_by("-woo_id")


def _keys_in_shop(client: Client, numbers: list[int], **params) -> dict[int, str]:
    params |= {"include": ",".join(map(str, numbers)), "per_page": ANCHORS, "_fields": "id,order_key"}
    rows = client.page("orders", **params).numbered
    return {woo_id: str(row.get("order_key") or "") for woo_id, row in rows.items() if woo_id in numbers}


def halt(store: Store, why: str) -> None:
    """Let nothing pass between this store and its shop, for the reason that people read; without one, what has waited goes on."""
    store.halted = why
    Store.objects.filter(pk=store.pk).update(halted=why)
    if not why:
        wake(WebhookDelivery)
        wake(Reread)


@transaction.atomic
def remember(store: Store, word: Word, at: datetime) -> None:
    """Keep what the shop says of itself; what was known and is not said this time stays."""
    known, _is_new = ShopIdentity.objects.get_or_create(
        store_id=store.pk, defaults={**word._asdict(), "learned_at": at, "checked_at": at}
    )
    known.home, known.woo_store_id = word.home or known.home, word.woo_store_id or known.woo_store_id
    known.checked_at = at
    known.save(update_fields=["home", "woo_store_id", "checked_at"])
    if store.halted:
        halt(store, "")


@transaction.atomic
def accept(store: Store) -> None:
    """An owner says that what answers now is the shop: it is learned anew, and what it does not have any more counts as deleted there."""
    ShopIdentity.objects.filter(store_id=store.pk).delete()
    halt(store, "")


def is_own(known: ShopIdentity | None, store: Store, source: str) -> bool:
    """Whether a webhook's sender, as it names itself, is this store's shop: a copy of a shop keeps its webhooks and their secret."""
    if known is None or not known.home or not source:
        return True
    return _host(source) in (_host(known.home), _host(store.url))


def _host(url: str) -> str:
    return site(url).partition("/")[0].partition(":")[0]
