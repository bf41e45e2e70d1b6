"""`{% load mail %}`: what the mails' templates ask of an order."""

from django import template
from django.utils.translation import gettext as _

from crm.orders import totals

register = template.Library()


@register.simple_tag
def order_totals(order):
    return totals.rows(order)


@register.simple_tag
def line_amount(order, line):
    return totals.of_line(order, line)


@register.simple_tag
def next_steps(order):
    """What happens after the payment, in three sentences."""
    if not order.needs_shipping:
        return [
            _("We check your order and set it free."),
            _("You get what you bought by mail, or find it in your account in the shop."),
            _("If anything is missing, answer this mail."),
        ]
    if order.shipping_lines and str(order.shipping_lines[0].get("method_id", "")) in PICKUP:
        return [
            _("We pack your order."),
            _("We tell you when you can collect it."),
            _("You collect it. If anything is wrong, answer this mail."),
        ]
    return [
        _("We pack your order."),
        _("You get a mail with a tracking link as soon as it is on its way."),
        _("It arrives. If anything is wrong, answer this mail."),
    ]


# WooCommerce's two ways to collect an order.
PICKUP = {"local_pickup", "pickup_location"}
