"""When a buyer is asked, and about what."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby

from django.db import transaction
from django.db.models import Prefetch, QuerySet

from crm.events.models import Event
from crm.messaging import outbox
from crm.orders.models import Customer, LineItem, Order
from crm.stores import links
from crm.stores.models import Store
from crm.work.models import DueWork
from crm.work.wake import wake

from .models import Answer, Invitation, ReviewSettings

KIND = "review-request"
PURPOSE = "review"
# How long the link in the mail works.
VALID_FOR = timedelta(days=60)
# Orders that a page reminds of at most.
MOST_ASKED = 10
GONE = {"cancelled", "refunded", "failed", "trash"}

Reason = Invitation.SkipReason


@transaction.atomic
def plan(events: Iterable[Event]) -> None:
    """Plan one invitation for each order of these events, some days after the latest of them.

    "Completed" often means no more than "handed to the carrier", and an order may come in several parcels: whoever is asked before everything
    arrived is rightly cross, so a later event moves an invitation that has not gone out yet, and an earlier one never does.
    """
    events = list(events)
    settings = {row.store_id: row for row in ReviewSettings.objects.filter(store__in={e.store_id for e in events})}
    planned: dict[int, Invitation] = {}
    for event in sorted(events, key=lambda event: event.occurred_at):
        if event.order is None:
            continue
        days = settings.get(event.store_id, ReviewSettings()).days_after
        planned[event.order.pk] = Invitation(
            store_id=event.store_id,
            order_id=event.order.pk,
            customer_id=event.order.customer_id,
            due_at=event.occurred_at + timedelta(days=days),
        )
    rows = [planned[order_id] for order_id in sorted(planned)]
    Invitation.objects.bulk_create(rows, ignore_conflicts=True)
    waiting = Invitation.objects.filter(order__in=planned, state=DueWork.State.DUE, outcome=Invitation.Outcome.PLANNED)
    later = []
    for row in waiting.order_by("pk").select_for_update():
        if row.due_at < planned[row.order_id].due_at:
            row.due_at = planned[row.order_id].due_at
            later.append(row)
    Invitation.objects.bulk_update(later, ["due_at"])
    wake(Invitation)


def send(rows: list[Invitation], at: datetime) -> None:
    """Queue the mail of each due invitation, or say why nobody is asked."""
    orders = _orders(row.order_id for row in rows)
    off = set(
        ReviewSettings.objects.filter(store__in={row.store_id for row in rows}, enabled=False).values_list(
            "store_id", flat=True
        )
    )
    unhappy = set(
        Answer.objects.open_low()
        .filter(invitation__customer__in={order.customer_id for order in orders.values()} - {None})
        .values_list("invitation__customer_id", flat=True)
    )
    reviewed = _reviewed(list(orders.values()))
    for row in rows:
        order = orders[row.order_id]
        row.customer_id = order.customer_id
        row.skip_reason = _why_not(order, off, unhappy, reviewed)
        row.outcome = Invitation.Outcome.SKIPPED if row.skip_reason else Invitation.Outcome.INVITED
    Invitation.objects.bulk_update(rows, ["customer", "outcome", "skip_reason"])
    invited = sorted((row for row in rows if not row.skip_reason), key=lambda row: row.store_id)
    stores = {order.store_id: order.store for order in orders.values()}
    for store_id, group in groupby(invited, key=lambda row: row.store_id):
        drafts = [
            outbox.Draft(
                key=f"order:{orders[row.order_id].woo_id}",
                customer=orders[row.order_id].customer,
                order=orders[row.order_id],
                context={"review_url": address(row)},
            )
            for row in group
        ]
        outbox.queue_many(stores[store_id], KIND, drafts)


def _why_not(order, off, unhappy, reviewed):
    if order.store_id in off:
        return Reason.SWITCHED_OFF
    if not is_open(order):
        return Reason.ORDER_GONE
    if order.customer_id in unhappy:
        return Reason.UNHAPPY
    if not reviewable(order, reviewed):
        return Reason.NOTHING_LEFT
    return ""


def is_open(order: Order) -> bool:
    """Whether it makes sense to ask about this order at all."""
    paid_back = order.total > 0 and order.net_total <= 0
    return order.deleted_at is None and order.status not in GONE and not paid_back


def reviewable(order: Order, reviewed: dict[tuple, set] | None = None) -> list[LineItem]:
    """The lines to ask about: one for each product, not sent back completely, not reviewed after an earlier order.

    Expects `line_items` with product and refund lines prefetched.
    """
    reviewed = _reviewed([order]) if reviewed is None else reviewed
    found: dict[object, LineItem] = {}
    for line in order.line_items.all():
        returned = sum(refund.quantity for refund in line.refund_lines.all())
        product_id = _reviewed_as(line)
        elsewhere = reviewed.get((order.customer_id, product_id), set()) - {order.pk}
        if returned < line.quantity and not elsewhere:
            found.setdefault(product_id, line)
    return list(found.values())


def unanswered(store: Store, customers: Iterable[Customer] | QuerySet, at: datetime) -> list[tuple[LineItem, str]]:
    """What these were asked about lately and have said nothing of, each product once, with its page's path; the newest order first.

    A constant number of queries.
    """
    asked = Invitation.objects.for_store(store).filter(
        order__customer__in=customers, outcome=Invitation.Outcome.INVITED, due_at__gt=at - VALID_FOR, due_at__lte=at
    )
    asked = asked.select_related("order__customer").prefetch_related(Prefetch("order__line_items", _lines()), "answers")
    found: dict[object, tuple[LineItem, str]] = {}
    rows = [row for row in asked.order_by("-due_at", "-pk")[:MOST_ASKED] if is_open(row.order)]
    reviewed = _reviewed([row.order for row in rows]) if rows else {}
    for row in rows:
        answered = {answer.line_id for answer in row.answers.all()}
        for line in reviewable(row.order, reviewed):
            if line.pk not in answered:
                found.setdefault(_reviewed_as(line), (line, path(row)))
    return list(found.values())


def find(store_id: int, pk: int) -> Invitation | None:
    """The invitation of a link, with all that its page shows, in a constant number of queries."""
    lines = _lines()
    return (
        Invitation.objects.filter(store=store_id, pk=pk)
        .select_related("store", "customer", "order__customer")
        .prefetch_related(Prefetch("order__line_items", lines), "answers")
        .first()
    )


def address(invitation: Invitation) -> str:
    return links.address(path(invitation))


def path(invitation: Invitation) -> str:
    return f"/r/{links.make(PURPOSE, invitation.store_id, invitation.pk)}/"


def _reviewed_as(line) -> int | str:
    # A shirt in two sizes is one product with one page of reviews.
    return (line.product.parent_id or line.product_id) if line.product else f"line {line.pk}"


def _lines():
    return LineItem.objects.select_related("product__parent").prefetch_related("refund_lines").order_by("pk")


def _orders(ids):
    orders = Order.objects.select_related("store", "customer").prefetch_related(Prefetch("line_items", _lines()))
    return orders.in_bulk(list(ids))


def _reviewed(orders) -> dict[tuple, set]:
    """Of each customer and product the orders that brought a review, in the shop or on its way there."""
    done = Answer.objects.filter(
        invitation__customer__in={order.customer_id for order in orders} - {None},
        state__in=[Answer.State.APPROVED, Answer.State.POSTED],
    )
    found: dict[tuple, set] = defaultdict(set)
    for customer_id, product_id, order_id in done.values_list("invitation__customer", "product", "invitation__order"):
        found[customer_id, product_id].add(order_id)
    return found
