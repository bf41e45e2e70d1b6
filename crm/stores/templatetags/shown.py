"""`{% load shown %}`: `{{ order.total|money:order.currency }}`, `{{ points|number }}`, `{{ order.paid_at|day:store.timezone }}`."""

from django import template

from crm.stores import formats

register = template.Library()


@register.filter
def money(amount, currency):
    return "" if amount is None else formats.money(amount, currency)


@register.filter
def number(value):
    return "" if value is None else formats.number(value)


@register.filter
def day(value, zone="UTC"):
    return "" if value is None else formats.day(value, zone)


@register.filter
def duration(value):
    return "" if value is None else formats.duration(value)


@register.filter
def moment(value, zone="UTC"):
    return "" if value is None else formats.moment(value, zone)
