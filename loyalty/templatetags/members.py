from datetime import date
from decimal import Decimal

from django import template
from django.utils.translation import ngettext

from crm.stores import formats

from .. import explaining

register = template.Library()


@register.filter
def iso_day(value: str) -> str:
    """The day that a mail's context keeps as `2026-06-30`, in the reader's words."""
    return formats.day(date.fromisoformat(value))


@register.filter
def spelt(code: str) -> str:
    """`M A S A, 7 F 3`: a code for those who have it read to them, sign by sign."""
    return ", ".join(" ".join(part) for part in code.split("-"))


@register.simple_tag
def tier_amount(measure: str, value: str | Decimal, currency: str) -> str:
    """An amount of what tiers are counted in: money, or a number of points or orders."""
    return formats.money(value, currency) if measure == "spend" else formats.number(Decimal(value))


@register.simple_tag
def tier_goal(measure: str, value: str | Decimal, currency: str) -> str:
    """The same with its unit, where no sentence around it says that: `160 points`, `3 orders`."""
    if measure == "spend":
        return tier_amount(measure, value, currency)
    count = int(value)
    if measure == "points":
        return explaining.points(count)
    return ngettext("%(n)s order", "%(n)s orders", count) % {"n": formats.number(count)}
