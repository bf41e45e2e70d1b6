"""What of an order's money can still be given back as store credit, and telling the shop that it was."""

from decimal import Decimal

from django.db.models import Sum
from django.utils import translation
from django.utils.translation import gettext as _

from crm.orders.models import Order
from crm.stores import formats
from crm.woocommerce import push

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
    """What was paid, less what was refunded and what was given back as credit; nothing of an order that is not paid."""
    return left_of(order, given(order, besides))


def left_of(order: Order, given: Decimal) -> Decimal:
    """As `left`, where it is known what was given back."""
    if order.deleted_at or not order.is_paid or order.customer_id is None or order.currency != order.store.currency:
        return Decimal(0)
    return max(order.net_total - given, Decimal(0))


def require(order: Order, amount: int, besides: Adjustment | None = None) -> None:
    """Raises CannotGiveBack unless so many of the currency's smallest units can be given back; the order is held by the caller."""
    most = left(order, besides)
    if not most:
        raise CannotGiveBack(_("Nothing of this order can be given back as store credit."))
    if not 0 < units.money(amount, order.currency) <= most:
        said = _("More than nothing and at most %(most)s.")
        raise CannotGiveBack(said % {"most": formats.money(most, order.currency)})


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
