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
            _("We check your order and release it."),
            _("You get what you bought by email, or find it in your account in the shop."),
            _("If anything is missing, just reply to this email."),
        ]
    if order.shipping_lines and str(order.shipping_lines[0].get("method_id", "")) in PICKUP:
        return [
            _("We pack your order."),
            _("We let you know when it is ready to collect."),
            _("You collect it. If anything is wrong, just reply to this email."),
        ]
    return [
        _("We pack your order."),
        _("We email you a tracking link as soon as it is on its way."),
        _("It arrives. If anything is wrong, just reply to this email."),
    ]


# WooCommerce's two ways to collect an order.
PICKUP = {"local_pickup", "pickup_location"}
