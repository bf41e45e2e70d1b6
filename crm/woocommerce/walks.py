"""How each kind of object is read, in full or what changed of it."""

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from crm.orders.models import Category, Customer, Order, Product, Refund
from crm.stores.models import Store
from crm.work.batches import batched

from . import answers, drift
from .client import PER_PAGE, Client, endpoint_of
from .errors import WooCommerceError, is_gone
from .models import SyncState
from .paging import Paging
from .saving import (
    MODELS,
    Ahead,
    Item,
    Saved,
    mark_deleted,
    order_map,
    save_categories,
    save_coupons,
    save_customers,
    save_orders,
    save_products,
    save_refunds,
    save_refunds_of,
    save_reviews,
)
from .values import numbered
from .walking import Walk

# So many objects are read one by one in a slice of time even by a slow shop.
FEW = 10


def through(
    walk: Walk,
    endpoint: str,
    save: Callable[[Store, list, datetime], Saved],
    *,
    map: Callable[[dict], Item] | None = None,
    **params: Any,
) -> None:
    """Save all pages of a list, by ascending number, from where the walk is; with `map`, readers map what they have read."""
    ahead = Ahead(map) if map else None
    pages = Paging(walk, endpoint, params, ahead.prepare if ahead else None)
    for page in pages:
        place = pages.place(page)
        if pages.is_end and not page.rows:
            walk.move(**place)
            continue
        # What a page has of the one before was counted there.
        repeated = sum(number <= walk.state.position for number in page.numbered) if page.offset else 0
        with walk.step(**place) as count:
            saved = save(walk.store, page.prepared or page.rows, timezone.now())
            count(saved, len(page.rows) - repeated)
        if ahead:
            ahead.is_of_use = saved.unchanged <= len(page.rows) / 2


def categories(walk: Walk) -> None:
    """They have no dates, so they are read when a product has named an unknown one."""
    named = Category.objects.filter(store=walk.store, digest="", deleted_at=None)
    if walk.is_full or walk.state.offset or named.exists():
        through(walk, "products/categories", save_categories)


def products(walk: Walk) -> None:
    through(walk, "products", save_products, **walk.changed_since())


def variations(walk: Walk, *, everything: bool = False) -> None:
    """Those of the variable products that changed. A variation that its product's list leaves out is asked for: only the shop's word makes it a deleted one."""
    state = walk.state
    existing = Product.objects.filter(store=walk.store, deleted_at=None)
    has_some = Exists(existing.filter(parent=OuterRef("pk")))
    parents = existing.filter(Q(type__startswith="variable") | has_some, parent=None, woo_id__gt=state.position)
    if not walk.is_full and not everything:
        parents = parents.filter(synced_at__gte=state.started_at)
    numbers = list(parents.order_by("woo_id").values_list("woo_id", flat=True))
    for parent, rows in walk.each(lambda client, woo_id: all_of(client, f"products/{woo_id}/variations"), numbers):
        if rows is None:
            continue
        # Before the place moves: a run that ends in the midst of them comes back to this product.
        _ask_for_unlisted(walk, existing.filter(parent__woo_id=parent).exclude(woo_id__in=[row["id"] for row in rows]))
        with walk.step(position=parent) as count:
            # The list may have been read before the product was deleted here, and must not bring back what went with it.
            if existing.filter(woo_id=parent).exists():
                listed = [row | {"parent_id": parent, "type": "variation"} for row in rows]
                count(save_products(walk.store, listed, timezone.now(), revive=True), len(rows))


def _ask_for_unlisted(walk: Walk, unlisted: QuerySet[Product]) -> None:
    # A plug-in may hide hundreds for ever; each time those come that were not seen for longest.
    for woo_id in list(unlisted.order_by("synced_at", "woo_id").values_list("woo_id", flat=True)[:FEW]):
        is_there = one(walk.client, f"products/{woo_id}") is not None
        with walk.step() as count:
            if is_there:
                unlisted.filter(woo_id=woo_id).update(synced_at=timezone.now())
            else:
                count(Saved(updated=mark_deleted(walk.store, "products", [woo_id], timezone.now())), 0)


def customers(walk: Walk) -> None:
    """WooCommerce can't tell who changed: the new ones are read by their numbers, the others as orders name them."""
    if walk.is_full:
        through(walk, "customers", save_customers, role="all")
        return
    known, highest, number = walk.state.position, walk.state.position, 1
    newest_first: dict[str, Any] = {"orderby": "id", "order": "desc", "role": "all"}
    # Mostly there are none or a few: a whole page of those who are known would be work for the shop and for us.
    page = walk.client.page("customers", per_page=FEW, **newest_first)
    if page.numbered and min(page.numbered) > known and not page.is_last:
        page = walk.client.page("customers", **newest_first)
    while True:
        walk.dated(page)
        new = [row for woo_id, row in page.numbered.items() if woo_id > known]
        highest = max([highest, *page.numbered])
        # The place moves when all are read: from the highest down, a kill would leave a gap.
        is_done = len(new) < len(page.numbered) or page.is_last
        if is_done and not new:
            walk.move(position=highest)
            return
        with walk.step(position=highest if is_done else known) as count:
            count(save_customers(walk.store, new, timezone.now()), len(new))
        if is_done:
            return
        number += 1
        page = walk.client.page("customers", number, **newest_first)


def coupons(walk: Walk) -> None:
    through(walk, "coupons", save_coupons, **walk.changed_since())


def orders(walk: Walk) -> None:
    through(walk, "orders", save_orders, map=order_map(walk.store), **walk.changed_since())


def trash(walk: Walk) -> None:
    """Trashed orders are in no other list. One that is not held was never seen outside the trash."""

    def save(store, rows, at):
        trashed = numbered(rows)
        held = Order.objects.filter(store=store, woo_id__in=list(trashed)).values_list("woo_id", flat=True)
        return save_orders(store, [trashed[woo_id] for woo_id in held], at)

    through(walk, "orders", save, status="trash", **walk.changed_since())


def buyers(walk: Walk) -> None:
    """Customers who are held as a number only, and in a poll those of the orders that changed."""
    state = walk.state
    held = Customer.objects.filter(store=walk.store, woo_id__gt=state.position, deleted_at=None)
    found = held.filter(synced_at=None).values_list("woo_id", flat=True)
    if not walk.is_full:
        changed = held.filter(orders__synced_at__gte=state.started_at, synced_at__lt=state.started_at)
        # Two questions, each with an index of its own: with OR PostgreSQL would read all customers of the store.
        found = found.union(changed.values_list("woo_id", flat=True))
    numbers = [number for number in found.order_by("woo_id") if number]
    for chunk, rows in walk.each(lambda client, chunk: named(client, "customers", chunk, role="all"), chunks(numbers)):
        # Before the place moves: the time may be over in the midst of them.
        read_again(walk, "customers", set(chunk) - {row["id"] for row in rows})
        with walk.step(position=chunk[-1]) as count:
            count(save_customers(walk.store, rows, timezone.now()), len(rows))


def refunds(walk: Walk) -> None:
    """Orders name their refunds; the refunds' own lines are read here, in pages where the shop can list them.

    Some versions of WooCommerce leave out of their orders what was refunded: so a poll reads which ones were made lately, whatever orders say.
    """
    # Without a window no list was read yet: there may be none.
    if walk.state.mode != SyncState.Mode.CHANGES or walk.state.window_after:
        try:
            through(walk, "refunds", save_refunds if walk.is_full else _save_unread, **_made_since(walk))
        except WooCommerceError as error:
            # Shops before WooCommerce 9 list the refunds of one order only.
            if error.code != "rest_no_route":
                raise
    waiting = Refund.objects.filter(store=walk.store, lines_synced_at=None, order__deleted_at=None)
    numbers = waiting.order_by("order__woo_id").values_list("order__woo_id", flat=True).distinct()
    for woo_id, rows in walk.each(_refunds_of, list(numbers)):
        if rows is not None:
            with walk.step() as count:
                count(save_refunds_of(walk.store, woo_id, rows, timezone.now()), len(rows))


def _refunds_of(client: Client, woo_id: int) -> list[dict] | None:
    """All refunds of an order; None if the order is gone, which takes back nothing of what was refunded: the list is empty then as well."""
    rows = all_of(client, f"orders/{woo_id}/refunds")
    return rows if rows or one(client, f"orders/{woo_id}") else None


def _save_unread(store: Store, rows: list[dict], at: datetime) -> Saved:
    """A refund is never changed: those that are held with their lines stay as they are."""
    listed = numbered(rows)
    held = Refund.objects.filter(store=store, woo_id__in=list(listed), lines_synced_at__isnull=False)
    known = set(held.values_list("woo_id", flat=True))
    return save_refunds(store, [row for woo_id, row in listed.items() if woo_id not in known], at)


def _made_since(walk: Walk) -> dict[str, Any]:
    """The parameters that ask for what was made since the last poll began. The shop may take the date for its own local time, of a zone it has changed since."""
    if not (after := walk.state.window_after):
        return {}
    local = after.astimezone(walk.store.zone).replace(tzinfo=None)
    earlier = min(local, after.astimezone(UTC).replace(tzinfo=None)) - timedelta(hours=1)
    return {"after": f"{earlier:%Y-%m-%dT%H:%M:%S}"}


def reviews(walk: Walk) -> None:
    """The new ones; what became of the others later (approved, thrown away) changes no date and is found by comparison."""
    try:
        through(walk, endpoint_of("reviews"), save_reviews, status="all", **_made_since(walk))
    except WooCommerceError as error:
        # Shops before WooCommerce 3.5 have no such list.
        if error.code != "rest_no_route":
            raise


def named(client: Client, endpoint: str, numbers: list[int], **params) -> list[dict]:
    """The objects with these numbers (100 at most), as far as the shop lists them."""
    params |= {"include": ",".join(map(str, numbers)), "per_page": PER_PAGE}
    return [row for page in client.pages(endpoint, **params) for row in page.numbered.values()]


def with_refunds(walk: Walk, rows: dict[int, dict]) -> dict[int, dict]:
    """Orders by number; one that names no refund and is held with some is given those that the shop's list of refunds still has.

    One more request for all of them, and none where orders name their refunds.
    """
    silent = [woo_id for woo_id, row in rows.items() if not row.get("refunds")]
    held = Refund.objects.filter(store=walk.store, order__woo_id__in=silent, order__deleted_at=None)
    missed = sorted(held.values_list("woo_id", flat=True))
    completed = dict(rows)
    for chunk in chunks(missed):
        try:
            found = named(walk.client, "refunds", chunk, _fields="id,parent_id,amount,reason")
        except WooCommerceError as error:
            if error.code != "rest_no_route":
                raise
            break
        for refund in found:
            if (order := refund.get("parent_id")) in silent:
                summary = {"id": refund["id"], "reason": refund.get("reason"), "total": refund.get("amount")}
                completed[order] = completed[order] | {"refunds": [*(completed[order].get("refunds") or []), summary]}
    return completed


def read_again(walk: Walk, resource: str, numbers: Collection[int]) -> None:
    """Read objects that a list did not have, one by one: only the shop's own word makes one a deleted one.

    Of more than fit into one slice of time, those are left out that were found since the walk began: a shop may hide thousands from its lists.
    """

    def ask(client: Client, woo_id: int) -> dict | None:
        return one(client, f"{endpoint_of(resource)}/{woo_id}")

    model, left = MODELS[resource], set(numbers)
    if len(left) > FEW:
        found = model.objects.filter(store=walk.store, woo_id__in=list(left), synced_at__gte=walk.state.started_at)
        left -= set(found.values_list("woo_id", flat=True))
    dates = answers.dates_held(walk.store, resource, sorted(left)) if left else {}
    for woo_id, payload in walk.each(ask, sorted(left)):
        at = timezone.now()
        with walk.step() as count, drift.healing(walk, [woo_id]) as counts:
            if payload is None:
                mark_deleted(walk.store, resource, [woo_id], at)
                count(Saved(updated=1), 0)
                counts.update(gone=1, healed=1)
            else:
                saved = answers.save_answer(walk.store, resource, [payload], at, dates)
                count(saved, 1)
                if not saved.written:
                    model.objects.filter(store=walk.store, woo_id=woo_id).update(synced_at=at)
                kind = "trashed" if payload.get("status") == "trash" else "stale"
                counts.update({kind: saved.written}, healed=saved.written)


def one(client: Client, endpoint: str) -> dict | None:
    """An object; None if the shop says that there is none."""
    try:
        return client.get(endpoint)
    except WooCommerceError as error:
        if error.status == 404 and is_gone(error.code):
            return None
        raise


def all_of(client: Client, endpoint: str) -> list[dict] | None:
    """A whole list that belongs to one object; None if that object is gone."""
    try:
        return [row for page in client.pages(endpoint) for row in page.numbered.values()]
    except WooCommerceError as error:
        if error.status == 404 and error.code != "rest_no_route":
            return None
        raise


def chunks(numbers: Iterable[int]) -> Iterator[list[int]]:
    return batched(numbers, PER_PAGE)
