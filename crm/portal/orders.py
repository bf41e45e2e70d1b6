"""What a customer is shown of an order: read from the mirror, put into words, nothing changed."""

from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from django.db.models import Count, Prefetch, Sum
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from crm.orders.details import details, plain
from crm.orders.models import LineItem, Order
from crm.stores import formats

StrOrPromise = str | Promise


class Status(NamedTuple):
    label: StrOrPromise
    tone: str  # class of its tag
    words: StrOrPromise  # what it means for the customer, in a sentence


# WooCommerce's own; a shop's other statuses are shown by their slug's words.
STATUSES = {
    "pending": Status(_("Waiting for payment"), "warn", _("We are waiting for your payment.")),
    "on-hold": Status(_("On hold"), "warn", _("We are checking the payment and will carry on as soon as it arrives.")),
    "processing": Status(_("Being prepared"), "", _("We have your payment and are getting everything ready.")),
    "completed": Status(_("Completed"), "good", _("Everything is done on our side.")),
    "cancelled": Status(_("Cancelled"), "bad", _("This order was cancelled. Nothing more will be sent.")),
    "refunded": Status(_("Refunded"), "", _("Your money for this order has been returned.")),
    "failed": Status(_("Payment failed"), "bad", _("The payment did not go through, so nothing will be sent.")),
}


def status_of(order: Order) -> Status:
    known = STATUSES.get(order.status)
    return known or Status(order.status.replace("-", " ").replace("_", " ").capitalize(), "", "")


def visible(customers):
    """The orders of these customer rows, newest first, without what the shop threw away or never finished."""
    return (
        Order.objects.existing()
        .filter(customer__in=customers)
        .exclude(status__in=["checkout-draft", "auto-draft", "trash"])
        .newest_first()
    )


def with_counts(orders):
    return orders.annotate(pieces=Sum("line_items__quantity"), positions=Count("line_items"))


def find(customers, number: str) -> Order | None:
    """One order by the number that people know, with its lines, pictures and refunds, in a constant number of queries."""
    lines = LineItem.objects.select_related("product").prefetch_related("refund_lines").order_by("pk")
    return (
        visible(customers)
        .filter(number=number)
        .prefetch_related(Prefetch("line_items", lines), "refunds")
        .select_related("customer")
        .first()
    )


def items(order: Order) -> list[dict]:
    """`{line, details, image, amount, refunded}` of each position; amounts with tax where the shop's prices have it."""
    return [
        {
            "line": line,
            "details": details(line.meta_data),
            "image": line.picture,
            "amount": line.total + line.total_tax if order.prices_include_tax else line.total,
            "before_discount": line.subtotal + line.subtotal_tax if order.prices_include_tax else line.subtotal,
            "refunded": sum(refund.quantity for refund in line.refund_lines.all()),
        }
        for line in order.line_items.all()
    ]


def sums(order: Order) -> list[dict]:
    """The way from the items to what was paid and given back: `{label, amount, kind}` in reading order.

    `kind` is `""`, `"total"` or `"included"`. Shops whose prices include tax have it in every amount and name it at the end.
    """
    gross = order.prices_include_tax
    rows = [_row(_("Items"), sum(item["before_discount"] for item in items(order)))]
    if order.discount_total:
        codes = ", ".join(plain(coupon.get("code", "")) for coupon in _dicts(order.coupon_lines))
        label = _("Discount (%(codes)s)") % {"codes": codes} if codes else _("Discount")
        rows.append(_row(label, -(order.discount_total + (order.discount_tax if gross else 0))))
    for shipping in _dicts(order.shipping_lines):
        title = plain(shipping.get("method_title") or "")
        label = _("Shipping (%(method)s)") % {"method": title} if title else _("Shipping")
        rows.append(_row(label, _amount(shipping, gross)))
    rows += [_row(plain(fee.get("name")) or _("Fee"), _amount(fee, gross)) for fee in _dicts(order.fee_lines)]
    if not gross:
        rows += [_row(*tax) for tax in taxes(order)]
    rows.append(_row(_("Total"), order.total, "total"))
    if gross:
        rows += [_row(_("including %(tax)s") % {"tax": label}, amount, "included") for label, amount in taxes(order)]
    refunds = list(order.refunds.all())
    for refund in refunds:
        label = _("Refunded: %(reason)s") % {"reason": plain(refund.reason)} if refund.reason else _("Refunded")
        rows.append(_row(label, -refund.amount))
    if refunds:
        rows.append(_row(_("After refunds"), order.net_total, "total"))
    return rows


def taxes(order: Order) -> list[tuple[str, Decimal]]:
    """`(label with rate, amount)` of each tax."""
    found = []
    for tax in _dicts(order.tax_lines):
        label = plain(tax.get("label") or tax.get("rate_code") or "") or str(_("Tax"))
        rate = tax.get("rate_percent")
        if isinstance(rate, int | float) and rate and "%" not in label:
            label = f"{label} {formats.number(Decimal(str(rate)))} %"
        found.append((label, money(tax.get("tax_total")) + money(tax.get("shipping_tax_total"))))
    return found


def address(fields) -> str:
    """A postal address as lines of text; empty if the shop has none."""
    if not isinstance(fields, dict):
        return ""
    get = {key: plain(value) for key, value in fields.items() if isinstance(value, str)}.get
    country = (get("country") or "").upper()
    lines = [
        f"{get('first_name') or ''} {get('last_name') or ''}".strip(),
        get("company"),
        get("address_1"),
        get("address_2"),
        f"{get('postcode') or ''} {get('city') or ''}".strip(),
        formats.locale().territories.get(country, country),
    ]
    return "\n".join(line for line in lines if line)


def newest(request) -> dict | None:
    """The card of the latest order on the first page."""
    order = with_counts(visible(request.customers)).first()
    return {"order": order, "status": status_of(order) if order else None}


def money(text) -> Decimal:
    try:
        amount = Decimal(str(text or 0))
    except InvalidOperation:
        return Decimal(0)
    return amount if amount.is_finite() else Decimal(0)


def _row(label, amount, kind="") -> dict:
    return {"label": label, "amount": amount, "kind": kind}


def _amount(line, gross) -> Decimal:
    return money(line.get("total")) + (money(line.get("total_tax")) if gross else 0)


def _dicts(value) -> list[dict]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
