"""Where an order is, in words: the answer first, then why, then what happens next. Pure: reads what it is given."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.orders.models import LineItem, Order
from crm.stores import formats
from crm.stores.models import Store

from .models import Shipment, Status

# Statuses that shops and plug-ins add for an order that is ready to leave.
PACKED = {"packed", "ready-to-ship", "ready-for-pickup", "awaiting-shipment", "packing"}
PROBLEMS = [Status.LOST, Status.RETURNED, Status.RETURNING, Status.EXCEPTION, Status.ATTEMPT_FAILED]


class Step(NamedTuple):
    label: str
    state: str  # done, now, late, todo
    day: str = ""


@dataclass
class Answer:
    headline: str
    text: str = ""
    # good, warn, bad or nothing
    tone: str = ""
    steps: list[Step] = field(default_factory=list)


def of_order(store: Store, order: Order, shipments: list[Shipment]) -> Answer:
    """The answer for an order with its parcels (those removed by the shop left out)."""
    ended = _ended(order)
    if ended is not None:
        return ended
    if not shipments:
        answer = _without_parcels(order)
        answer.steps = order_steps(store, order)
        return answer
    return _with_parcels(store, order, shipments)


def has_ended(order: Order) -> bool:
    """Nothing more will be sent, whatever has become of parcels."""
    return order.status in ("cancelled", "failed") or _is_refunded(order)


def _is_refunded(order):
    return order.status == "refunded" or (order.total > 0 and order.refunded_total >= order.total)


def _ended(order):
    if order.status == "cancelled":
        return Answer(
            _("This order was cancelled"),
            _("Nothing more will be sent. If you have already paid, your money will come back the way you paid."),
            "bad",
        )
    if _is_refunded(order):
        amount = formats.money(order.refunded_total or order.total, order.currency)
        return Answer(
            _("This order was refunded"),
            _("%(amount)s went back the way you paid. Your bank may take a few days to show it.") % {"amount": amount},
        )
    if order.status == "failed":
        return Answer(
            _("The payment did not go through"),
            _("Nothing was charged. Your order is waiting: pay for it in the shop, or place it again."),
            "warn",
        )
    return None


def _without_parcels(order):
    if order.status in ("pending", "checkout-draft"):
        return Answer(
            _("We are waiting for your payment"), _("As soon as it arrives, we will start packing your order."), "warn"
        )
    if order.status == "on-hold":
        return Answer(
            _("Your order is on hold"),
            _(
                "We have your order, and are waiting for the payment or for a question to be settled. We will write to you if we need anything."
            ),
            "warn",
        )
    if order.status == "completed":
        if order.needs_shipping:
            return Answer(
                _("Your order is complete"), _("We hope everything is as you wished. If not, write to us."), "good"
            )
        return Answer(
            _("Your order is complete"),
            _("There is nothing to ship: you will find it in your email, or in your account in the shop."),
            "good",
        )
    if order.status in PACKED:
        return Answer(
            _("Packed and ready to leave"),
            _("It is waiting for the carrier. We will write to you as soon as it is on its way."),
        )
    if not order.is_paid:
        return Answer(_("We have your order"), _("We will write to you as soon as there is news."))
    if not order.needs_shipping:
        return Answer(
            _("Paid: thank you"),
            _("There is nothing to ship: you will find it in your email, or in your account in the shop."),
        )
    return Answer(
        _("Paid: we are packing your order"), _("We will email you a tracking link as soon as it is on its way.")
    )


def _with_parcels(store, order, shipments):
    count = len(shipments)
    states = [shipment.status for shipment in shipments]
    delivered = states.count(Status.DELIVERED)
    open_ones = [shipment for shipment in shipments if not shipment.is_delivered]
    missing = unsent(order, shipments)
    for status in PROBLEMS:
        if status in states:
            return _problem(next(row for row in shipments if row.status == status), count)
    if not open_ones and not missing:
        last = max(shipment.delivered_at for shipment in shipments)
        return Answer(
            _("Delivered on %(day)s") % {"day": formats.day(last, store.timezone)},
            _("We hope everything is as you wished. If something is missing or broken, write to us."),
            "good",
        )
    if Status.OUT_FOR_DELIVERY in states:
        return Answer(
            _("Out for delivery today"),
            _("The carrier will bring it today. Please make sure somebody is there to take it."),
            "good",
        )
    if Status.PICKUP in states:
        return Answer(
            _("Ready to be collected"),
            _("Please bring the tracking number and an ID that shows your name."),
            "good",
        )
    if Status.DELAYED in states or Status.CUSTOMS in states:
        return _late(next(row for row in shipments if row.status in (Status.DELAYED, Status.CUSTOMS)), count)
    if delivered:
        said = _("Partly delivered: %(delivered)d of %(count)d parcels") % {"delivered": delivered, "count": count}
        if not open_ones:
            return Answer(
                _("Partly delivered"), _("The rest has not been sent yet. We will write to you when it is on its way.")
            )
        return Answer(said, _("The rest is on its way; each parcel has its own card below."))
    if missing:
        return Answer(
            _("Part of your order is on its way"),
            _("The rest has not been sent yet. We will write to you when it is on its way."),
        )
    expected = _expected(open_ones)
    if expected:
        return Answer(_("On its way: expected %(days)s") % {"days": expected}, _("There is nothing you need to do."))
    if Status.IN_TRANSIT in states:
        return Answer(_("On its way to you"), _("The carrier has it. There is nothing you need to do."))
    if set(states) <= {Status.LABEL, Status.UNKNOWN}:
        return Answer(
            _("Announced to the carrier"), _("The carrier has not scanned it yet, which is normal for a day or two.")
        )
    return Answer(
        ngettext("Shipped: your parcel is on its way", "Shipped: your parcels are on their way", count),
        _("The carrier's first update may take a day."),
    )


def _problem(shipment, count):
    contact = _("Write to us or call us, and we will sort it out together.")
    said = {
        Status.LOST: (
            _("Lost on the way"),
            _("We are sorry. We are looking for it with the carrier and will put things right. %(contact)s"),
        ),
        Status.RETURNED: (_("Back with us"), _("The carrier could not hand it over and brought it back. %(contact)s")),
        Status.RETURNING: (_("On its way back to us"), _("The carrier could not hand it over. %(contact)s")),
        Status.EXCEPTION: (_("Held up on the way"), _("We are asking the carrier what happened. %(contact)s")),
        Status.ATTEMPT_FAILED: (
            _("Delivery was attempted, but nobody was there"),
            _("The carrier usually tries again on the next working day. %(contact)s"),
        ),
    }[shipment.status]
    return Answer(
        _one_of(count, said[0]),
        said[1] % {"contact": contact},
        "bad" if shipment.status == Status.LOST else "warn",
    )


def _late(shipment, count):
    expected = _expected([shipment])
    if shipment.status == Status.CUSTOMS:
        headline = _("Waiting at customs")
        text = _("Customs check some parcels, which takes two to three working days. There is nothing you need to do.")
    else:
        headline, text = (
            _("Delayed"),
            _("We are sorry. We are asking the carrier to speed it up. There is nothing you need to do."),
        )
    if expected:
        headline = _("%(what)s: now expected %(days)s") % {"what": headline, "days": expected}
    return Answer(_one_of(count, headline), text, "warn")


def _one_of(count, headline):
    return _("One of your parcels: %(what)s") % {"what": headline} if count > 1 else headline


def _expected(shipments):
    """`Mon, 16 June 2026` or a span of two days, of the parcel that comes last; nothing where no carrier said so."""
    known = [row for row in shipments if row.expected_until or row.expected_from]
    if not known or len(known) < len(shipments):
        return ""
    last = max(known, key=lambda row: row.expected_until or row.expected_from)
    first, until = last.expected_from or last.expected_until, last.expected_until or last.expected_from
    return formats.day(until) if first == until else f"{formats.day(first)} – {formats.day(until)}"


def order_steps(store: Store, order: Order) -> list[Step]:
    """The way of an order that has no parcel yet; none for an order that has ended."""
    if has_ended(order):
        return []
    done = order.status == "completed"
    paid = order.is_paid or order.date_paid_gmt is not None or done
    packed = order.status in PACKED or done
    labels = [_("Ordered"), _("Paid")]
    reached = 1 if paid else 0
    if order.needs_shipping:
        labels += [_("Packed"), _("Shipped"), _("Delivered")]
        reached = 4 if done else 2 if packed else reached
    else:
        labels += [_("Complete")]
        reached = 2 if done else reached
    days = [_day(store, order.date_created_gmt), _day(store, order.date_paid_gmt)]
    return _steps(labels, reached, days, late=order.status == "on-hold", finished=done)


def parcel_steps(store: Store, order: Order, shipment: Shipment) -> list[Step]:
    """The way of one parcel; what went wrong takes the place of the step where it is."""
    labels = [_("Ordered"), _("Packed"), _("Shipped"), _("On the way"), _("Out for delivery"), _("Delivered")]
    places: dict[str, int] = {
        Status.LABEL: 1,
        Status.UNKNOWN: 1,
        Status.SHIPPED: 2,
        Status.IN_TRANSIT: 3,
        Status.CUSTOMS: 3,
        Status.DELAYED: 3,
        Status.EXCEPTION: 3,
        Status.LOST: 3,
        Status.PICKUP: 4,
        Status.OUT_FOR_DELIVERY: 4,
        Status.ATTEMPT_FAILED: 4,
        Status.RETURNING: 4,
        Status.RETURNED: 4,
        Status.DELIVERED: 5,
    }
    place = places[shipment.status]
    late = shipment.status in {*PROBLEMS, Status.DELAYED, Status.CUSTOMS}
    if late or shipment.status == Status.PICKUP:
        labels[place] = shipment.get_status_display()
    days = [
        _day(store, order.date_created_gmt),
        "",
        _day(store, shipment.shipped_at),
        "",
        "",
        _day(store, shipment.delivered_at),
    ]
    return _steps(labels, place, days, late=late, finished=shipment.is_delivered)


def _steps(labels, place, days, late, finished):
    days = [*days, *[""] * len(labels)]
    states = [
        "done" if index < place or finished else ("late" if late else "now") if index == place else "todo"
        for index in range(len(labels))
    ]
    return [
        Step(label, state, days[index] if state != "todo" else "")
        for index, (label, state) in enumerate(zip(labels, states, strict=True))
    ]


def unsent(order: Order, shipments: list[Shipment]) -> list[tuple[LineItem, Decimal]]:
    """`(line, quantity)` not in any parcel, where the parcels' contents are known; reads line_items and items."""
    if not all(shipment.items.all() for shipment in shipments):
        return []
    sent: dict[int, Decimal] = {}
    for shipment in shipments:
        for item in shipment.items.all():
            sent[item.line_item_id] = sent.get(item.line_item_id, Decimal(0)) + item.quantity
    return [
        (line, line.quantity - sent.get(line.pk, Decimal(0)))
        for line in order.line_items.all()
        if line.quantity > sent.get(line.pk, Decimal(0))
    ]


def _day(store, moment: date | None) -> str:
    return formats.short_day(moment, store.timezone) if moment else ""
