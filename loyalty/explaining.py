"""Ledger entries in words: which rule, base, rate and rounding made them. From what the entry keeps, never from today's rule."""

from decimal import Decimal, localcontext

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from crm.stores.formats import money, number

from .models import EarningRule, LedgerEntry
from .rules import PRECISE, Rule, plain

Kind = LedgerEntry.Kind
# Why a part of an order earns nothing.
EXCLUDED = {
    "gift_card": gettext_lazy("gift cards earn nothing"),
    "sale": gettext_lazy("reduced goods earn nothing"),
    "rule": gettext_lazy("the shop gives no points for it"),
    "minimum": gettext_lazy("the order is below the minimum"),
}


def title(entry: LedgerEntry) -> str:
    """What an entry is for, in a few words."""
    if "moved" in entry.rule:
        return _("Points of your orders as a guest")
    if entry.order and entry.kind in (Kind.EARN, Kind.REVERSE):
        words = {
            "changed": _("Change of order %(number)s"),
            "refunded": _("Refund of order %(number)s"),
            "cancelled": _("Order %(number)s was cancelled"),
            "failed": _("Payment of order %(number)s failed"),
            "deleted": _("Order %(number)s is no longer in the shop"),
        }
        return words.get(entry.rule.get("why"), _("Order %(number)s")) % {"number": entry.order.number}
    if entry.order and entry.kind == Kind.RELEASE:
        return _("Points of order %(number)s can be used") % {"number": entry.order.number}
    return {
        Kind.EARN: _("Earned"),
        Kind.RELEASE: _("Points can be used"),
        Kind.RETURN: _("Given back"),
        Kind.REVERSE: _("Taken back"),
        Kind.REDEEM: _("Spent"),
        Kind.EXPIRE: _("Expired"),
        Kind.ADJUST: _("Adjusted by the shop"),
    }[Kind(entry.kind)]


def explain(entry: LedgerEntry) -> list[str]:
    """Sentences that let anyone work the points out again."""
    said = []
    why = entry.rule.get("why")
    if entry.note:
        said.append(entry.note)
    if "moved" in entry.rule:
        said.append(_("Orders made without an account now belong to the account of the same address."))
    elif why == "moved" and entry.kind == Kind.REVERSE:
        said.append(_("The order now belongs to another account, and its points went with it."))
    elif "base" in entry.rule:
        said += _worked_out(entry, why)
    if entry.shortfall > 0:
        said.append(
            _("A further %(points)s could not be taken back, because they had already been spent.")
            % {"points": number(entry.shortfall)}
        )
    elif entry.shortfall < 0:
        said.append(
            _("%(points)s points of this order had been spent and were never taken back, so they are not given again.")
            % {"points": number(-entry.shortfall)}
        )
    return said


def _worked_out(entry, why):
    rule, currency = Rule.load(entry.rule), entry.rule["currency"]
    base, back = Decimal(entry.rule["base"]), Decimal(entry.rule["back"])
    said = [
        _("%(amount)s of the order counts: %(what)s.") % {"amount": money(base, currency), "what": what_counts(rule)}
    ]
    left = base - back
    if why == "deleted":
        said.append(_("The shop has deleted the order, so it earns nothing."))
    elif why in ("cancelled", "failed"):
        said.append(_("Nothing was paid in the end, so the order earns nothing."))
    elif back and not left:
        said.append(_("All of it was refunded, so the order earns nothing."))
    else:
        if back:
            said.append(
                _("%(back)s of it was refunded; %(left)s is left.")
                % {"back": money(back, currency), "left": money(left, currency)}
            )
        said.append(_calculation(rule, left, entry.rule["worth"], currency))
    if before := entry.rule["before"]:
        said.append(
            _("This order had %(before)s points and should have %(worth)s; this entry makes up the difference.")
            % {"before": number(before), "worth": number(entry.rule["worth"])}
        )
    return said


def _calculation(rule, left, points, currency):
    with localcontext(PRECISE):
        exact = left * rule.rate
    values = {
        "rate": rate(rule.rate, currency),
        "left": money(left, currency),
        "factor": plain(rule.rate),
        "exact": number(exact),
        "points": number(points),
    }
    if exact == points:
        return _("%(rate)s: %(left)s × %(factor)s = %(points)s.") % values
    rounded = {
        "down": _("%(rate)s: %(left)s × %(factor)s = %(exact)s, rounded down to %(points)s."),
        "nearest": _("%(rate)s: %(left)s × %(factor)s = %(exact)s, rounded to the nearest, %(points)s."),
        "up": _("%(rate)s: %(left)s × %(factor)s = %(exact)s, rounded up to %(points)s."),
    }
    return rounded[rule.rounding] % values


def rate(rate: Decimal, currency: str) -> str:
    """`1 point for each ₹10.00`, where that is exact; else `0.37 points for each ₹1.00`. The rate is above 0."""
    each = 1 / rate
    if each == each.quantize(Decimal("0.01")):
        return _("1 point for each %(money)s") % {"money": money(each, currency)}
    return _("%(points)s points for each %(money)s") % {"points": number(rate), "money": money(1, currency)}


def what_counts(rule: Rule) -> str:
    parts = [_("goods after discounts")]
    if rule.shipping:
        parts.append(_("shipping"))
    if rule.fees:
        parts.append(_("fees"))
    parts.append(_("with tax") if rule.taxes else _("without tax"))
    return ", ".join(parts)


def thing(rule: EarningRule) -> str:
    """What an earning rule is for: a variation with its product's name."""
    if rule.category:
        return rule.category.name
    product = rule.product
    if product is None:
        return ""
    return f"{product.parent.name} – {product.name}" if product.parent else product.name


def gift(multiplier: Decimal, bonus: int) -> str:
    """What a campaign gives: `points × 2`, `50 extra points`, or both."""
    given = []
    if multiplier > 1:
        given.append(_("points × %(multiplier)s") % {"multiplier": number(multiplier)})
    if bonus:
        given.append(ngettext("%(points)s extra point", "%(points)s extra points", bonus) % {"points": number(bonus)})
    return ", ".join(given)
