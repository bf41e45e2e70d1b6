"""What the shop's own pages say of points: what goods would earn by the rules of this moment, and what a customer has."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from django.utils.translation import ngettext

from crm.orders.models import Customer, Order, Product
from crm.stores.formats import number

from . import earning, members, statements
from .limits import Rooms
from .models import Account, Program
from .reckoning import sold_now
from .rulebook import Rulebook
from .rules import FEES, SHIPPING, ZERO, Amounts, Line, divide, worth


@dataclass(frozen=True)
class Wanted:
    """A line of a cart: the product's number in the shop, `shipping` or `fees`; money after discounts without tax, and its tax."""

    what: str
    price: Decimal
    tax: Decimal = ZERO


@dataclass(frozen=True)
class Reader:
    """A signed-in customer of the shop."""

    customer: Customer
    account: Account | None
    is_member: bool


def reader(program: Program, customer_woo_id: int) -> Reader | None:
    """Who has this number in the shop; None if nobody has any more."""
    found = Customer.objects.for_store(program.store).current().filter(woo_id=customer_woo_id, erased_at=None)
    customer = found.first()
    if customer is None:
        return None
    account = Account.objects.for_store(program.store).points().filter(customer=customer).first()
    return Reader(customer, account, members.membership(program, [customer]).is_member)


def earns(program: Program, wanted: Sequence[Wanted], at: datetime, reader: Reader | None = None) -> int:
    """The points of an order of these lines that is placed now: by the rules, campaigns and caps that will count. A constant number of queries."""
    if not (program.active and wanted):
        return 0
    book = Rulebook.load(program.store, at)
    lines = {str(place): line for place, line in enumerate(wanted) if line.what not in (SHIPPING, FEES)}
    numbers = {int(line.what) for line in lines.values()}
    products = {p.woo_id: p for p in Product.objects.for_store(program.store).filter(woo_id__in=numbers)}
    sold = sold_now(products.values())
    goods = {place: sold[products[int(line.what)].pk] for place, line in lines.items() if int(line.what) in products}
    rule = book.program(at)
    order = Order(customer=reader.customer if reader else None, date_created_gmt=at)
    if (room := Rooms(program, [order]).left(order)) is not None:
        rule = replace(rule, cap=room if rule.cap is None else min(rule.cap, room))
    parts = divide(rule, _amounts(wanted), [Line(place, line.price, line.tax) for place, line in lines.items()])
    tier = reader.account.tier if reader and reader.account else ""
    terms = book.terms(parts, goods, at, tier=tier)
    return sum(line.points for line in worth(rule, _amounts(wanted), parts, terms.rates, bonuses=terms.bonuses))


def earned_by(program: Program, number: int, reader: Reader) -> int | None:
    """What the reader's order of this number in the shop has earned, or will once its news is handled; None if it is not known yet, not paid, or not theirs.

    To work such an order out anew would count it among what limits leave, and by the tier that it has brought.
    """
    orders = Order.objects.for_store(program.store).existing().filter(woo_id=number, is_paid=True)
    order = orders.select_related("customer").first()
    if order is None or order.customer is None or order.customer.person_id != reader.customer.pk:
        return None
    found = statements.of_order(order)
    return max(found.points, 0) if found else earning.expected(order, program)


def _amounts(wanted) -> Amounts:
    def of(*kinds):
        chosen = [line for line in wanted if not kinds or line.what in kinds]
        return sum((line.price for line in chosen), ZERO), sum((line.tax for line in chosen), ZERO)

    (price, tax), (shipping, shipping_tax), (fees, fees_tax) = of(), of(SHIPPING), of(FEES)
    return Amounts(price + tax, tax, shipping, shipping_tax, fees, fees_tax)


def words(program: Program, points: int, reader: Reader | None = None) -> str:
    """One or two sentences for a page of the shop; empty where there is nothing to say."""
    said = []
    if points:
        earns_itself = reader.is_member if reader else program.enrolment == program.Enrolment.AUTOMATIC
        text = (
            ngettext("You will earn %(points)s point.", "You will earn %(points)s points.", points)
            if earns_itself
            else ngettext("Members earn %(points)s point.", "Members earn %(points)s points.", points)
        )
        said.append(text % {"points": number(points)})
    if reader and reader.is_member and reader.account and reader.account.balance > 0:
        balance = reader.account.balance
        text = ngettext("You have %(points)s point.", "You have %(points)s points.", balance)
        said.append(text % {"points": number(balance)})
    return " ".join(said)
