"""Compare numbers and dates with the shop and heal what differs: what was missed, went stale, was trashed or deleted."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from django.db.models import QuerySet
from django.utils import timezone

from crm.orders.models import Product, Refund

from . import answers, drift, mapping, walks
from .client import endpoint_of
from .models import Resource, SyncState
from .paging import Paging
from .saving import MODELS, SAVERS, forget_refunds
from .values import MappingError, numbered
from .walking import OVERLAP, Walk

# When it was changed, and when it was deleted.
Known = tuple[datetime | None, datetime | None]


def compare(walk: Walk, resource: str, fields: str | None = "id,date_modified_gmt", **params) -> None:
    """Walk through the shop's numbers and dates, which are a quarter of the work of full pages; without `fields`, through all of it.

    A page answers for the numbers from the page before up to its last: what is held in between and not on it is asked for one by one.
    """
    state = walk.state
    model = MODELS[resource]
    pages = Paging(walk, endpoint_of(resource), params | ({"_fields": fields} if fields else {}))
    for page in pages:
        rows = walks.with_refunds(walk, page.numbered) if resource == "orders" else page.numbered
        start = min([state.position, *(woo_id - 1 for woo_id in rows)])
        end = max([state.position, *rows])
        held: QuerySet = model.objects.filter(store=walk.store, woo_id__gt=start)
        if resource == "products":
            held = held.filter(parent=None)
        if not pages.is_end:
            held = held.filter(woo_id__lte=end)
        known = {
            woo_id: (modified, deleted_at)
            for woo_id, modified, deleted_at in held.values_list("woo_id", "date_modified_gmt", "deleted_at")
        }
        live = {woo_id for woo_id, (_, deleted_at) in known.items() if not deleted_at}
        wanted = {woo_id for woo_id, row in rows.items() if mapping.is_order(row)}
        # What a page has of the one before was counted there; and what is put right counts as it was.
        shown = [rows[woo_id] for woo_id in wanted if woo_id > state.position]
        here = [woo_id for woo_id in live if woo_id > state.position]
        write_down = drift.note_page(walk, shown, here)
        if fields:
            differing = {woo_id for woo_id in wanted if differs(rows[woo_id], known.get(woo_id))}
            if resource == "orders":
                differing |= _with_other_refunds(walk, rows, differing)
            if resource == "products":
                differing |= wanted & (_in_categories_that_are_gone(walk, rows) | _with_other_stars(walk, rows))
            unproven = {woo_id for woo_id in wanted - differing if not _is_proof(state, rows[woo_id])}
            for numbers in (differing, unproven):
                for chunk in walks.chunks(sorted(numbers)):
                    dates = answers.dates_held(walk.store, resource, chunk)
                    found = walks.named(walk.client, endpoint_of(resource), chunk, **params)
                    if resource == "orders":
                        found = list(walks.with_refunds(walk, numbered(found)).values())
                    _heal(walk, resource, found, dates, chunk, live, is_suspicion=numbers is unproven)
            doubtful = set()
        else:
            _heal_by(walk, resource, page.rows)
            # This page may have been read before what is held came in. What is asked for now was not.
            doubtful = {woo_id for woo_id in live & set(rows) if answers.is_older(rows[woo_id], known[woo_id][0])}
        walks.read_again(walk, resource, (live - set(rows)) | doubtful)
        read = sum(woo_id > state.position for woo_id in rows)
        with walk.step(**pages.place(page), read=state.read + read):
            write_down()


def _heal(
    walk: Walk,
    resource: str,
    found: list[dict],
    dates: dict[int, datetime],
    asked: list[int],
    live: set[int],
    *,
    is_suspicion: bool = False,
) -> None:
    """Save the objects that differed; `live` are those that the mirror has and holds for existing, `dates` what they were held with.

    Those that were only suspected to differ count as stale if they did.
    """
    with walk.step() as count, drift.healing(walk, asked) as counts:
        at = timezone.now()
        saved = answers.save_answer(walk.store, resource, found, at, dates)
        count(saved, 0)
        if resource == "orders":
            for row in found:
                if (refunds := _refunds(row)) is not None:
                    forget_refunds(walk.store, row["id"], refunds, at)
        missing = sum(woo_id not in live for woo_id in asked)
        stale = saved.written if is_suspicion else len(asked) - missing
        counts.update(missing=missing, stale=stale, healed=saved.written)


def _heal_by(walk: Walk, resource: str, rows: list[dict]) -> None:
    """Save whole objects: what has no date differs if it is not what is held, to the letter."""
    with walk.step() as count, drift.healing(walk) as counts:
        saved = SAVERS[resource](walk.store, rows, timezone.now(), revive=True)
        count(saved, 0)
        counts.update(missing=saved.created, stale=saved.updated, healed=saved.written)


def differs(row: dict, held: Known | None) -> bool:
    """Whether what the shop says of an object is not what is held of it: an older date differs as a newer one does."""
    if held is None or held[1]:
        return True
    try:
        modified = answers.modified_at(row)
    except MappingError:
        return True
    return modified is not None and modified != held[0]


def _is_proof(state: SyncState, row: dict) -> bool:
    """Whether who holds an object's date holds what it is now.

    Two changes of one second have one date, and of the second one no webhook may have come. Only a reading after that second tells: the polls',
    for all that changed before the last of them; what changed since is read here.
    """
    modified = answers.modified_at(row)
    return modified is None or bool(state.cursor and modified <= state.cursor - OVERLAP)


def _with_other_refunds(walk: Walk, rows: dict[int, dict], besides: set[int]) -> set[int]:
    """Orders whose refunds differ: deleting a refund changes no date and sends no webhook."""
    held: dict[int, set[int]] = {}
    refunds = Refund.objects.filter(store=walk.store, order__woo_id__in=list(rows), order__deleted_at=None)
    for order, refund in refunds.values_list("order__woo_id", "woo_id"):
        held.setdefault(order, set()).add(refund)
    return {
        woo_id
        for woo_id, row in rows.items()
        if woo_id not in besides and mapping.is_order(row) and _refunds(row) != held.get(woo_id, set())
    }


def _in_categories_that_are_gone(walk: Walk, rows: dict[int, dict]) -> set[int]:
    """Products that are held in a deleted category: to lose one, and to get the shop's default in its place, changes no date of theirs."""
    held = Product.objects.filter(store=walk.store, woo_id__in=list(rows), categories__deleted_at__isnull=False)
    return set(held.values_list("woo_id", flat=True))


def _with_other_stars(walk: Walk, rows: dict[int, dict]) -> set[int]:
    """Products whose reviews come to something else: WooCommerce writes that without a date."""
    listed = {woo_id: mapping.stars(row) for woo_id, row in rows.items() if "rating_count" in row}
    held = Product.objects.filter(store=walk.store, woo_id__in=list(listed))
    return {
        woo_id
        for woo_id, average, number in held.values_list("woo_id", "average_rating", "rating_count")
        if (average, number) != (Decimal(listed[woo_id]["average_rating"]), listed[woo_id]["rating_count"])
    }


def _refunds(row: dict) -> set[int] | None:
    """The numbers of an order's refunds; None if one of them is no number, which keeps the order aside."""
    try:
        return {refund["woo_id"] for refund in mapping.order_refunds(row["id"], row)}
    except MappingError:
        return None


def categories(walk: Walk) -> None:
    # They have no dates at all.
    compare(walk, "categories", None)


def coupons(walk: Walk) -> None:
    # How often a coupon was used changes no date.
    compare(walk, "coupons", None)


def reviews(walk: Walk) -> None:
    # Neither does that somebody approved a review, or changed its words.
    compare(walk, "reviews", None, status="all")


def products(walk: Walk) -> None:
    compare(walk, "products", "id,date_modified_gmt,average_rating,rating_count")


def customers(walk: Walk) -> None:
    compare(walk, "customers", role="all")


def orders(walk: Walk) -> None:
    compare(walk, "orders", "id,status,date_modified_gmt,refunds,total,currency")


def variations(walk: Walk) -> None:
    walks.variations(walk, everything=True)


# The other kinds follow from these and are walked as in a poll.
STEPS: dict[str, Callable[[Walk], None]] = {
    Resource.CATEGORIES: categories,
    Resource.PRODUCTS: products,
    Resource.VARIATIONS: variations,
    Resource.CUSTOMERS: customers,
    Resource.COUPONS: coupons,
    Resource.ORDERS: orders,
    Resource.REVIEWS: reviews,
}
