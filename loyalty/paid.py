"""What of an order's money can still be given back as store credit, and telling the shop that it was."""

from decimal import ROUND_DOWN, Decimal

from django.db.models import Sum
from django.utils import translation
from django.utils.translation import gettext as _

from crm.orders.models import Order
from crm.stores import formats
from crm.woocommerce import push
from crm.woocommerce.pushes.refunds import on_its_way

from . import units
from .models import Adjustment


class CannotGiveBack(Exception):
    """The message is for people; nothing was changed."""


def hold(order_id: int) -> Order:
    """The order, held until the transaction ends, so that two can't both find the same money unreturned."""
    orders = Order.objects.select_related("store", "customer__joined_to").select_for_update(no_key=True, of=["self"])
    return orders.get(pk=order_id)


def given(order: Order, besides: Adjustment | None = None) -> Decimal:
    """Store credit that was given back for the order, or waits for an owner; `besides` is not counted."""
    rows = Adjustment.objects.filter(order=order).exclude(state=Adjustment.State.REFUSED)
    if besides is not None:
        rows = rows.exclude(pk=besides.pk)
    return units.money(rows.aggregate(points=Sum("points"))["points"] or 0, order.currency)


def left(order: Order, besides: Adjustment | None = None) -> Decimal:
    """What was paid, less what was refunded or is about to be, and what was given back as credit; nothing of an order that is not paid."""
    return left_of(order, given(order, besides), on_its_way(order))


def left_of(order: Order, given: Decimal, refunding: Decimal) -> Decimal:
    """As `left`, where it is known what was given back and what the shop was asked to refund."""
    # Cash on delivery is processing, and so counts as paid, before anybody has paid.
    is_paid = order.is_paid and order.date_paid_gmt
    if order.deleted_at or not is_paid or order.customer_id is None or order.currency != order.store.currency:
        return Decimal(0)
    rest = max(order.net_total - given - refunding, Decimal(0))
    # Totals may have more decimals than can be paid.
    return rest.quantize(units.money(1, order.currency), ROUND_DOWN)


def require(order: Order, amount: int, besides: Adjustment | None = None) -> None:
    """Raises CannotGiveBack unless so many of the currency's smallest units can be given back; the order is held by the caller."""
    refunding = on_its_way(order)
    most = left_of(order, given(order, besides), refunding)
    if 0 < units.money(amount, order.currency) <= most:
        return
    if most:
        said = _("More than nothing and at most %(most)s.") % {"most": formats.money(most, order.currency)}
    else:
        said = _("Nothing of this order can be given back as store credit.")
    raise CannotGiveBack(" ".join(filter(None, [said, refunding_said(order, refunding)])))


def refunding_said(order: Order, refunding: Decimal) -> str:
    """What staff are told of refunds that the mirror does not hold yet."""
    said = _("A refund of %(amount)s is on its way to the shop.") % {"amount": formats.money(refunding, order.currency)}
    return said if refunding else ""


def note(adjustment: Adjustment, order: Order) -> None:
    """The shop keeps books of its own: a note among its staff says what was given back, once."""
    store = adjustment.store
    with translation.override(store.language_for("")):
        said = _("%(amount)s was given back as store credit instead of money: %(reason)s") % {
            "amount": units.shown(adjustment.points, adjustment.account.unit),
            "reason": adjustment.reason,
        }
    payload = {"order": order.woo_id, "note": said, "customer_note": False}
    push.queue(store, "order_note", f"credit:{adjustment.key}", payload, order=order, customer=order.customer)
