"""`{% load portal %}`: what every customer page needs."""

from django import template
from django.conf import settings
from django.template.loader import render_to_string
from django.utils.translation import get_language_info, ngettext

from crm.portal import navigation
from crm.stores import formats

register = template.Library()


@register.simple_tag(takes_context=True)
def navigation_entries(context):
    return navigation.entries(context["request"])


@register.simple_tag
def languages_of(store):
    """`{code, name_local}` of the languages a store offers, each in its own words."""
    known = [code for code, _name in settings.LANGUAGES if code in store.languages]
    return [get_language_info(code) for code in known]


@register.filter
def telephone(number):
    """A phone number as a `tel:` link wants it."""
    return "".join(c for c in number if c.isdigit() or c == "+")


@register.simple_tag(takes_context=True)
def part(context, part):
    """A card or section that another app registered, with its own context and the page's request."""
    return render_to_string(part["template"], part["context"], context["request"])


@register.filter
def pieces(quantity):
    """`1 piece`, `3 pieces`, `1.5 pieces`: shops sell by weight, too."""
    whole = quantity == int(quantity)
    return ngettext("%(n)s piece", "%(n)s pieces", int(quantity) if whole else 2) % {"n": formats.number(quantity)}
