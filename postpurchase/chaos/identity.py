"""S10: keys that were revoked in the middle, keys that may not write, and a copy of the shop behind its address."""

import copy
from datetime import timedelta

from django.test.utils import override_settings

from crm.orders.models import Order
from crm.stores.models import Store
from crm.woocommerce import connect
from crm.woocommerce.errors import WooCommerceError
from crm.woocommerce.models import SyncState
from postpurchase.bench.figures import Figure
from postpurchase.demo import server
from postpurchase.demo.shop import Shop
from postpurchase.demo.web import Request, Response, json_response

from . import mirror, shops
from .reading import differing, told
from .simulation import SETTINGS


def wrong_shops(seed: int) -> list[Figure]:
    with override_settings(**SETTINGS):
        return [*revoked(seed), *read_only(seed), *clone(seed)]


def revoked(seed: int) -> list[Figure]:
    """The keys stop working in the middle of an import, and come back."""
    shop = server.year_shop(seed, customers=10, orders=120)
    with server.running(shop) as demo, shops.small_pages(10), shops.no_waiting():
        store = shops.connected(demo, "revoked")
        pages = [0]

        def revoke(request: Request) -> Response | None:
            pages[0] += request.path.endswith("/orders")
            if pages[0] <= 5:
                return None
            data = {
                "code": "woocommerce_rest_cannot_view",
                "message": "Sorry, you cannot list resources.",
                "data": {"status": 401},
            }
            return json_response(data, 401)

        demo.refusals.append(revoke)
        said = error_of(store)
        requests = pages[0]
        demo.refusals.clear()
        shops.read(store)
        wrong = sum(differing(store, demo), [])
    return [
        Figure("S10: revoked keys: runs that went on as if nothing were", int(not said), "", 0, "lower", said[:200]),
        Figure("S10: revoked keys: requests after the refusal", max(requests - 6, 0), "", 4, "lower", "what was asked ahead"),
        Figure("S10: revoked keys: wrong once they are back", len(wrong), "rows", 0, "lower", told("", wrong)),
    ]  # fmt: skip


def error_of(store: Store, mode: str = SyncState.Mode.CHANGES) -> str:
    """What a run ends with; nothing if all is well."""
    try:
        result = shops.read(store, mode)
    except WooCommerceError as error:
        return str(error)
    return "; ".join(map(str, result.errors))


def read_only(seed: int) -> list[Figure]:
    with server.running(server.small_shop(seed)) as demo:
        demo.shop.add_key("ck_read", "cs_read", permissions="read")
        store = Store(slug="read-only", url=demo.url, insecure=True, consumer_key="ck_read", consumer_secret="cs_read")
        try:
            connect.check(store)
        except WooCommerceError as error:
            said = str(error)
        else:
            said = ""
    return [Figure("S10: read-only keys that were taken", int(not said), "", 0, "lower", said[:200])]


def copy_of(shop: Shop) -> Shop:
    """As for trying things out: everything in it, webhooks and keys as well."""
    # The keys of orders come from their second: what is sold here must not bear those of what is sold there.
    other = Shop(
        name=shop.name, zone=shop.zone.key, currency=shop.currency, now=lambda: shop.now() + timedelta(minutes=1)
    )
    other.rows, other.numbers, other.keys = copy.deepcopy(shop.rows), dict(shop.numbers), copy.deepcopy(shop.keys)
    return other


def clone(seed: int) -> list[Figure]:
    """A copy that was made yesterday answers at the shop's address: none of its new orders may come in, whatever reads."""
    shop = server.year_shop(seed, customers=10, orders=40)
    staging = copy_of(shop)
    with server.running(shop) as demo, shops.no_waiting():
        store = shops.connected(demo, "clone")
        shops.read(store)
        for _ in range(12):
            shop.pay(shop.place_order(email="asha@mail.example")["id"])
        shops.read(store)
        port = int(demo.url.rpartition(":")[2])
    # The next numbers there are those of real orders here.
    theirs = [staging.place_order(email="tester@staging.example", note="A test") for _ in range(30)]
    for row in theirs:
        staging.pay(row["id"])
    keys = {row["order_key"] for row in theirs} | {f"{row['id']}" for row in theirs[12:]}
    said = []
    with server.running(staging, port=port) as demo, shops.no_waiting():
        for mode in (SyncState.Mode.CHANGES, SyncState.Mode.COMPARE, SyncState.Mode.FULL, SyncState.Mode.CHANGES):
            store.refresh_from_db()
            said.append(error_of(store, mode))
            shops.done_all()
    held = Order.objects.filter(store=store)
    strangers = [o.woo_id for o in held if o.order_key in keys or o.billing_email == "tester@staging.example"]
    with server.running(shop, port=port) as demo, shops.no_waiting():
        store.refresh_from_db()
        back = error_of(store, SyncState.Mode.COMPARE)
        shops.done_all()
        wrong = list(mirror.order_differences(store, demo, set()))
    return [
        Figure("S10: rows of a copy behind the shop's address", len(strangers), "rows", 0, "lower", f"{len(theirs)} orders of its own"),
        Figure("S10: runs that did not say so", sum(not text for text in said), "runs", 0, "lower", said[0][:200]),
        Figure("S10: wrong once the shop is back", len(wrong) + bool(back), "rows", 0, "lower", told(back, wrong)),
    ]  # fmt: skip
