"""What refunds undo of a code: the share of what it took off an order that was taken off goods which came back."""

from decimal import Decimal
from fractions import Fraction

from django.db.models import prefetch_related_objects

from crm.orders.models import LineItem, Order, Refund

from . import codes
from .reckoning import amounts_of, refunded
from .rules import ONE, Amounts, Line, Rule, divide, given_back, rounded

# What `share` looks at: fetched with many orders, it costs no query for each.
FETCH = ("line_items", "refunds__lines__line_item")


def of(path: str) -> list[str]:
    """`FETCH` of the order at the end of a `path`."""
    return [f"{path}__{name}" for name in FETCH]


# Whatever the customer paid, because a refund of a mere amount is a share of that.
PAID = Rule(program=0, rate=ONE, rounding="down", shipping=True, taxes=True, fees=True)
NOTHING, ALL = Fraction(0), Fraction(1)


def part(whole: int, order: Order) -> int:
    """How much of `whole` comes back: of all refunds together and rounded down, so that parts add up to the whole in the end."""
    return rounded(whole * share(order), PAID.rounding)


def share(order: Order) -> Fraction:
    """Of what codes took off the order's lines, how much was taken off what is refunded: 0 to 1.

    With two codes in one order the shop does not say which took what off a line; each counts for its share of all.
    A code that took nothing off the lines (free shipping) is undone with the whole order alone.
    """
    if order.status == codes.REFUNDED:
        return ALL
    prefetch_related_objects([order], *FETCH)
    # Its lines decide, so a refund that was not read yet says nothing.
    refunds = [refund for refund in order.refunds.all() if refund.lines_synced_at]
    lines = list(order.line_items.all())
    took = {line.pk: max(_before(line) - _paid(line), 0) for line in lines}
    if not refunds or not any(took.values()):
        return NOTHING
    gone = _shares(order, lines, refunds)
    undone = sum((Fraction(took[line.pk]) * gone[line.pk] for line in lines), NOTHING)
    return undone / Fraction(sum(took.values()))


def _shares(order: Order, lines: list[LineItem], refunds: list[Refund]) -> dict[int, Fraction]:
    """How much of each line was refunded. Money says it, and of what cost nothing the number of pieces."""
    amounts: Amounts = amounts_of(order)
    parts = divide(PAID, amounts, [Line(str(line.woo_id), line.total, line.total_tax) for line in lines])
    bases = {part.key: part.base for part in parts}
    back = given_back(PAID, amounts, parts, bases, [refunded(refund) for refund in refunds])
    pieces: dict[int | None, Fraction] = {}
    money: dict[int | None, Decimal] = {}
    for back_line in (row for refund in refunds for row in refund.lines.all()):
        of_line = back_line.line_item_id
        pieces[of_line] = pieces.get(of_line, NOTHING) + Fraction(back_line.quantity)
        money[of_line] = money.get(of_line, Decimal(0)) + back_line.total + back_line.total_tax
    shares = {}
    for line in lines:
        key = str(line.woo_id)
        if 0 < _paid(line) <= money.get(line.pk, Decimal(0)):
            # Taxes that are rounded for the order make what it came to differ from its lines by a coin.
            shares[line.pk] = ALL
        elif base := bases.get(key):
            shares[line.pk] = Fraction(back[key]) / Fraction(base)
        else:
            of = Fraction(line.quantity)
            shares[line.pk] = min(pieces.get(line.pk, NOTHING) / of, ALL) if of > 0 else NOTHING
    return shares


def _before(line):
    return line.subtotal + line.subtotal_tax


def _paid(line):
    return line.total + line.total_tax
