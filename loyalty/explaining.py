"""Ledger entries in words: which rule, base, rate and rounding made them. From what the entry keeps, never from today's rule."""

from decimal import Decimal, localcontext

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from crm.stores.formats import money, number

from . import rewards
from .models import EarningRule, LedgerEntry
from .rules import PRECISE, LinePoints, Rule, plain

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
    if "unit" in entry.rule:
        return _credit_title(entry)
    if "moved" in entry.rule:
        return _("Points of your orders as a guest")
    if gift := _gifts().get(entry.rule.get("why", "")):
        return gift
    if entry.rule.get("why") == "reward":
        said = {
            Kind.REDEEM: _("Reward: %(reward)s"),
            Kind.RETURN: _("Given back: %(reward)s"),
            Kind.REVERSE: _("Taken again: %(reward)s"),
        }
        return said[Kind(entry.kind)] % {"reward": rewards.words(entry.rule["reward"])}
    if entry.order and entry.kind in (Kind.EARN, Kind.REVERSE):
        words = {
            "changed": _("Change of order %(number)s"),
            "refunded": _("Refund of order %(number)s"),
            "cancelled": _("Order %(number)s was cancelled"),
            "failed": _("Payment of order %(number)s failed"),
            "deleted": _("Order %(number)s is no longer in the shop"),
            "collected": _("Still owed for order %(number)s"),
        }
        return words.get(entry.rule.get("why"), _("Order %(number)s")) % {"number": entry.order.number}
    if entry.order and entry.kind == Kind.RELEASE:
        return _("Points of order %(number)s can be used") % {"number": entry.order.number}
    if occasion := entry.rule.get("occasion"):
        return {
            "sign_up": _("You joined"),
            "review": _("Your review"),
            "survey": _("Your answer to our questions"),
            "profile": _("Your complete profile"),
            "social_share": _("You told others about us"),
        }[occasion]
    return {
        Kind.EARN: _("Earned"),
        Kind.RELEASE: _("Points can be used"),
        Kind.RETURN: _("Given back"),
        Kind.REVERSE: _("Taken back"),
        Kind.REDEEM: _("Spent"),
        Kind.EXPIRE: _("Expired"),
        Kind.ADJUST: _("Adjusted by the shop"),
    }[Kind(entry.kind)]


def _credit_title(entry: LedgerEntry) -> str:
    if "moved" in entry.rule:
        return _("Credit of your orders as a guest")
    if entry.rule.get("why") == "reward":
        text = _("For %(points)s") if entry.kind == Kind.EARN else _("Handed back for %(points)s")
        return text % {"points": points(entry.rule["reward"]["points"])}
    if number := entry.rule.get("order"):
        return _("Given back for order %(number)s") % {"number": number}
    if code := entry.rule.get("code"):
        said = {
            Kind.REDEEM: _("For the code %(code)s"),
            # Not used, refunded or handed back.
            Kind.RETURN: _("Back from the code %(code)s"),
            Kind.REVERSE: _("Taken again for the code %(code)s"),
        }
        return said[Kind(entry.kind)] % {"code": code}
    return _("Given by the shop") if entry.points > 0 else _("Taken by the shop")


def _gifts() -> dict[str, str]:
    return {
        "birthday": _("Birthday gift"),
        "referral": _("A friend you invited"),
        "welcome": _("Welcome gift"),
        "left": _("You left the programme"),
        "import": _("Points you brought along"),
    }


def explain(entry: LedgerEntry) -> list[str]:
    """Sentences that let anyone work the points out again."""
    if "unit" in entry.rule:
        return [entry.note] if entry.note else []
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
    elif why == "collected":
        said.append(_("They had been spent when the order came to nothing, and now came back with what was spent."))
    elif entry.kind == Kind.RELEASE:
        said.append(_("The goods have been with you for some days, so their points can be spent from now on."))
    elif entry.kind == Kind.RETURN:
        said.append(_("They are back where they were taken from, and expire no sooner than they would have."))
    elif entry.kind == Kind.EXPIRE and "granted" in entry.rule:
        said.append(
            _("What was left of %(granted)s points on their last day.") % {"granted": number(entry.rule["granted"])}
        )
    elif "occasion" in entry.rule:
        said.append(_("The shop gives %(points)s for it.") % {"points": points(entry.rule["points"])})
    if entry.kind == Kind.EARN and entry.pending:
        said.append(_("They can be spent some days after the order has arrived."))
    if entry.shortfall > 0:
        said.append(
            _("A further %(points)s could not be taken back, because they had already been spent.")
            % {"points": number(entry.shortfall)}
        )
    elif entry.shortfall < 0 and entry.kind == Kind.EARN:
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
        lines = [LinePoints.load(line) for line in entry.rule.get("lines", ())]
        if all(_is_plain(rule, line) for line in lines) and rule.points(left) == entry.rule["worth"]:
            said.append(_calculation(rule, left, entry.rule["worth"], currency))
        else:
            said += _line_by_line(rule, lines, entry.rule.get("names", {}), currency)
    if before := entry.rule["before"]:
        said.append(
            _("This order had %(before)s points and should have %(worth)s; this entry makes up the difference.")
            % {"before": number(before), "worth": number(entry.rule["worth"])}
        )
    return said


def _is_plain(rule, line):
    """Whether a part earned by the programme's rate and nothing else."""
    return line.rate == rule.rate and line.multiplier == 1 and not (line.excluded or line.bonus)


def _line_by_line(rule, lines, names, currency):
    said = []
    for line in lines:
        what = {"goods": _("Goods"), "shipping": _("Shipping"), "fees": _("Fees")}.get(line.line)
        values = {"name": what or names.get(line.line, line.line), "points": number(line.points)}
        if line.excluded:
            said.append(_("%(name)s: no points, because %(why)s.") % (values | {"why": EXCLUDED[line.excluded]}))
        elif line.bonus:
            values["name"] = names.get(f"campaign:{line.campaign}", "")
            said.append(_("%(name)s: extra points, %(points)s.") % values)
        else:
            values["sum"] = _sum(line, names, currency)
            said.append(_("%(name)s: %(sum)s; points: %(points)s.") % values)
    rounded = {
        "down": _("What the parts are worth is rounded down, once for the order."),
        "nearest": _("What the parts are worth is rounded to the nearest, once for the order."),
        "up": _("What the parts are worth is rounded up, once for the order."),
    }
    each = {
        "down": _("Each part is rounded down."),
        "nearest": _("Each part is rounded to the nearest."),
        "up": _("Each part is rounded up."),
    }
    said.append((each if rule.by_line else rounded)[rule.rounding])
    if rule.cap is not None and sum(line.earned for line in lines) == rule.cap:
        said.append(_("This order could earn %(points)s points at most.") % {"points": number(rule.cap)})
    return said


def _sum(line, names, currency) -> str:
    """`₹100.00 × 0.1 × 2 (Diwali) = 20`."""
    with localcontext(PRECISE):
        left = line.base - line.back
        said = f"{money(left, currency)} × {plain(line.rate)}"
        if line.multiplier != 1:
            campaign = names.get(f"campaign:{line.campaign}")
            said += f" × {plain(line.multiplier)}" + (f" ({campaign})" if campaign else "")
        return f"{said} = {number(left * line.rate * line.multiplier)}"


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


def points(count: int) -> str:
    return ngettext("%(shown)s point", "%(shown)s points", count) % {"shown": number(count)}


def gift(multiplier: Decimal, bonus: int) -> str:
    """What a campaign gives: `points × 2`, `50 extra points`, or both."""
    given = []
    if multiplier > 1:
        given.append(_("points × %(multiplier)s") % {"multiplier": number(multiplier)})
    if bonus:
        given.append(ngettext("%(points)s extra point", "%(points)s extra points", bonus) % {"points": number(bonus)})
    return ", ".join(given)
