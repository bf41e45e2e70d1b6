"""What customers and staff are shown of points: on the portal, in mails, beside a ticket."""

import operator
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import reduce

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, Func, Min, OuterRef, Subquery, Sum, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.orders.models import Customer, Order
from crm.portal.access import customers_of
from crm.stores.formats import money, number
from crm.stores.models import Store

from . import credit, earning, expiry, explaining, members, paid, units
from .accounts import account_of
from .models import Account, LedgerEntry, Lot, Program, Redemption, Referral, Tier
from .picking import Pick


@dataclass
class Line:
    entry: LedgerEntry
    title: str
    why: list[str]
    order_number: str
    # After it, on all the accounts that the statement is of. Of accounts of more than one unit it means nothing.
    balance: int = 0
    # Of what it brought: what is left, and the last days on which that can be used.
    expiring: list[tuple[int, date]] = field(default_factory=list)


@dataclass
class CreditLine:
    """A movement of store credit: what is told of any movement, and the money."""

    line: Line
    moved: credit.Money


@dataclass
class Summary:
    """A person's points in one store, over all accounts of a proven address."""

    program: Program
    balance: int
    worth: Decimal | None
    earns: str
    accounts: list[int]
    tiers: set[str]
    # Earned, and not to be spent yet.
    pending: int = 0


@dataclass
class OfOrder:
    """What an order has earned and kept: the points, those of them that wait and until when (None: not known), and its entries."""

    points: int
    pending: int
    usable_from: datetime | None
    lines: list[Line]


@dataclass
class Waiting:
    """Points that become usable together: on a day, or without one once the order has come."""

    points: int
    usable_from: datetime | None
    order_number: str


def summary(store: Store, customers) -> Summary | None:
    """None if the store has no programme."""
    program = Program.objects.for_store(store).first()
    if program is None:
        return None
    program.store = store  # spares a query, and `worth` asks for the currency
    rows = list(
        Account.objects.for_store(store)
        .points()
        .filter(customer__in=customers)
        .values_list("pk", "balance", "tier", "pending")
    )
    balance = sum(row[1] for row in rows)
    return Summary(
        program, balance, program.worth(balance), explaining.rate(program.rate, store.currency),
        [row[0] for row in rows], {row[2] for row in rows if row[2]}, sum(row[3] for row in rows),
    )  # fmt: skip


def waiting(accounts: list[int], size: int = 10) -> list[Waiting]:
    """What is pending, the soonest first."""
    lots = Lot.objects.filter(account__in=accounts, is_open=True, released_at=None).select_related("order__customer")
    return [
        Waiting(lot.remaining, lot.available_from, lot.order.number if lot.order and not lot.order.deleted_at else "")
        for lot in lots.order_by(F("available_from").asc(nulls_last=True), "pk")[:size]
    ]


def of_order(order: Order, customers=None) -> OfOrder | None:
    """None if the order never earned anything; with `customers`, what it brought these alone."""
    entries = LedgerEntry.objects.filter(order=order, kind__in=[LedgerEntry.Kind.EARN, LedgerEntry.Kind.REVERSE])
    lots = Lot.objects.filter(order=order, is_open=True, released_at=None)
    if customers is not None:
        entries = entries.filter(account__customer__in=customers)
        lots = lots.filter(account__customer__in=customers)
    found = list(entries.select_related("order__customer").order_by("pk"))
    if not found:
        return None
    pending = lots.aggregate(points=Sum("remaining"), usable_from=Min("available_from"))
    return OfOrder(
        sum(entry.moved for entry in found), pending["points"] or 0, pending["usable_from"],
        [_line(entry) for entry in found],
    )  # fmt: skip


def lines(
    accounts: list[int], before: int | None = None, size: int = 20, pick: Pick | None = None
) -> tuple[list[Line], int | None]:
    """A page of a statement, newest first, and where the next page begins (the last entry's key) if there is one.

    Moves between these very accounts are left out: they change nothing for the person.
    """
    newest = LedgerEntry.objects.filter(account=OuterRef("pk"))
    newest = newest.exclude(cause__startswith="join:", rule__account__in=accounts)
    if pick:
        newest = pick.of(newest)
    if before:
        newest = newest.filter(pk__lt=before)
    # Asked for account by account: of one that has very many entries, and has been quiet for long, the database would else look for the
    # newest among those of all others.
    newest_of_each = ArraySubquery(newest.order_by("-pk").values("pk")[: size + 1])
    of_each = Account.objects.filter(pk__in=accounts).values_list(
        Func(newest_of_each, function="unnest", set_returning=True)
    )
    entries = LedgerEntry.objects.filter(pk__in=of_each).select_related("order__customer").order_by("-pk")
    page = list(entries.annotate(balance=_balance(accounts))[: size + 1])
    more = page[size - 1].pk if len(page) > size else None
    return [_line(entry, entry.balance) for entry in page[:size]], more


def _balance(accounts) -> Combinable:
    """What there was on all of these accounts together after an entry: of its own it says so itself."""
    if len(accounts) == 1:
        return F("balance_after")
    by_then = LedgerEntry.objects.filter(pk__lte=OuterRef("pk")).order_by("-pk").values("balance_after")
    each = [Coalesce(Subquery(by_then.filter(account=account)[:1]), Value(0)) for account in accounts]
    return reduce(operator.add, each, Value(0))


def add_expiry(program: Program, lines: list[Line]) -> None:
    """Say of each line until when one can use what is left of its points. One query, and none where points do not expire."""
    if not expiry.is_on(program) or not lines:
        return
    entries = {line.entry.pk for line in lines}
    lots = Lot.objects.filter(entry__in=entries, is_open=True, expires_at__isnull=False).order_by("expires_at")
    found: dict[int, dict[date, int]] = defaultdict(lambda: defaultdict(int))
    for entry_id, expires_at, remaining in lots.values_list("entry_id", "expires_at", "remaining"):
        assert expires_at
        found[entry_id][expiry.day_of(program, expires_at)] += remaining
    for line in lines:
        line.expiring = [(points, day) for day, points in found[line.entry.pk].items()]


def credit_lines(
    accounts: list[Account], before: int | None = None, size: int = 20
) -> tuple[list[CreditLine], int | None]:
    """A page of the statement of accounts of money, as `lines` makes it."""
    unit = {account.pk: account.unit for account in accounts}
    page, older = lines(list(unit), before, size)
    found = [(line, line.entry.moved, unit[line.entry.account_id]) for line in page]
    return [CreditLine(line, credit.Money(units.money(moved, of), of)) for line, moved, of in found], older


def _line(entry, balance=0):
    shown = entry.order and entry.order.deleted_at is None
    number = entry.order.number if shown else ""
    return Line(entry, explaining.title(entry), explaining.explain(entry), number, balance)


def for_mail(store: Store, customer: Customer | None, order: Order | None) -> dict:
    """`{points_earned, balance, url}` for a mail's template; empty where there is nothing to tell.

    A mail may be written before the order's points are posted: then it says what they will be.
    """
    program = Program.objects.for_store(store).select_related("store").first()
    if program is None or customer is None:
        return {}
    owner_id = customer.person_id
    balance = Account.objects.points().filter(customer_id=owner_id).values_list("balance", flat=True).first() or 0
    earned = 0
    if order is not None:
        posted = LedgerEntry.objects.filter(order=order, kind__in=[LedgerEntry.Kind.EARN, LedgerEntry.Kind.REVERSE])
        moved = list(posted.values_list(F("points") + F("pending"), flat=True))
        earned = sum(moved) if moved else earning.expected(order, program)
        if not moved and not program.pending_days:
            balance += earned
    if not (program.active or balance):
        return {}
    return {"points_earned": max(earned, 0), "balance": balance, "url": settings.SITE_URL + page_url(store)}


def page_url(store: Store) -> str:
    return reverse("loyalty-points", args=[store.slug])


def home_card(request) -> dict | None:
    found = summary(request.store, request.customers)
    if found is None or not (found.program.active or found.balance or found.pending):
        return None
    return {"summary": found, "membership": members.membership(found.program, request.customers)}


def has_credit(request) -> bool:
    """Whether the visitor has or ever had some; asked on pages that have not looked for their customers."""
    customers = customers_of(request.store, request.email)
    return Account.objects.for_store(request.store).credit().filter(customer__in=customers, posted__gt=0).exists()


def credit_card(request) -> dict | None:
    accounts = credit.accounts_of(request.store, request.customers)
    return {"held": credit.held(accounts)} if accounts else None


def losses(request) -> list[str]:
    """What somebody would lose whose data was deleted: points, credit, codes that are not used."""
    said = []
    found = summary(request.store, request.customers)
    if found and (points := max(found.balance, 0) + found.pending):
        said.append(ngettext("%(points)s point", "%(points)s points", points) % {"points": number(points)})
    accounts = credit.accounts_of(request.store, request.customers)
    said += [
        _("%(money)s of store credit") % {"money": money(held.amount, held.currency)}
        for held in credit.held(accounts)
        if held.amount
    ]
    unused = Redemption.objects.for_store(request.store).filter(account__customer__in=request.customers)
    unused = unused.exclude(code="").filter(state=Redemption.State.READY)
    # What somebody was given is theirs, and nobody loses it.
    unused = unused.select_related("gift__mail", "rest_of__gift__mail")
    if codes := sum(not row.is_somebody_elses for row in unused):
        said.append(
            ngettext(
                "%(codes)s code that is not used: no longer shown here, though it works in the shop",
                "%(codes)s codes that are not used: no longer shown here, though they work in the shop",
                codes,
            )
            % {"codes": number(codes)}
        )
    return said


def lost_by_leaving(found: Summary, tier: Tier | None, customers: Iterable[Customer]) -> list[str]:
    """What a member gives up who leaves now. Credit and codes stay. One query."""
    said = []
    if points := max(found.balance, 0) + found.pending:
        said.append(
            ngettext("%(points)s point, after these days", "%(points)s points, after these days", points)
            % {"points": number(points)}
        )
    if tier:
        said.append(_("Your level %(tier)s, at once") % {"tier": tier.name})
    friends = Referral.objects.filter(member__in=customers, state__in=Referral.UNDER_WAY).count()
    if friends:
        said.append(
            ngettext(
                "The points for %(friends)s invited friend, unless you are back by the time they come",
                "The points for %(friends)s invited friends, unless you are back by the time they come",
                friends,
            )
            % {"friends": number(friends)}
        )
    return said


def order_section(request, order: Order) -> dict | None:
    """What the portal's order page says of points."""
    found = of_order(order, request.customers)
    return {"earned": found, "zone": request.store.timezone} if found else None


def credit_for_staff(store: Store, customer: Customer | None, order: Order | None) -> dict | None:
    """`{store, customer, held, order, given, left, refunding}`: what there is, and what of the order was and can be given back as credit."""
    if customer is None:
        return None
    accounts = credit.accounts_of(store, [customer])
    found = {"store": store, "customer": customer, "held": credit.held(accounts), "order": order}
    if order is not None:
        order.store = store  # spares a query
        given, refunding = paid.given(order), paid.on_its_way(order)
        left = paid.left_of(order, given, refunding)
        found |= {"given": given, "left": left, "refunding": paid.refunding_said(order, refunding)}
    return found


def for_staff(store: Store, customer: Customer | None, order: Order | None) -> dict | None:
    """`{account, lines, order, earned}`: the balance, the last movements and what the order earned; None without an account."""
    if customer is None:
        return None
    account = account_of(store, customer)
    if account is None:
        return None
    newest, _before = lines([account.pk], size=3)
    return {"account": account, "lines": newest, "order": order, "earned": of_order(order) if order else None}
