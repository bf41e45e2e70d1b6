"""Points in the portal: the first page, and the statement."""

from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from crm.messaging import holds
from crm.portal.access import customer_required
from crm.stores import sheets

from .. import expiry, freezes, members, own_ways, picking, reaching, rewards, statements, ways
from ..accounts import account_of
from ..models import Redemption

NEWEST = 5
AFFORDABLE = 3
READ_AT_ONCE = 500


@never_cache
@require_GET
@customer_required
def points(request, slug):
    """What one has, what it is good for, and how to have more. A constant number of queries."""
    store, at = request.store, timezone.now()
    summary = statements.summary(store, request.customers)
    context = {"summary": summary}
    if summary:
        program = summary.program
        customers = list(request.customers)
        membership = members.membership(program, customers)
        offers = rewards.offers(store, account_of(store, request.customer), at)
        progress = reaching.progress(program, [customer.pk for customer in customers], at)
        goal = rewards.nearest(offers)
        context |= {
            "membership": membership,
            "program": program,
            "waiting": statements.waiting(summary.accounts) if summary.pending else [],
            "expiring": expiry.upcoming(store, summary.accounts),
            "frozen": (frozen := freezes.shown(store, request.customer)),
            "holds": _holds(program, request.customer, at),
            "affordable": [] if frozen else [offer for offer in offers if offer.state == "ready"][:AFFORDABLE],
            "goal": goal,
            "goal_price": goal and summary.balance + goal.missing,
            "codes": Redemption.objects.for_store(store)
            .filter(account__in=summary.accounts, state=Redemption.State.READY, rest_of=None)
            .count(),
            "progress": progress,
            "lines": statements.lines(summary.accounts, size=NEWEST)[0],
        }
        if membership.is_member:
            open_ways = own_ways.of(program, request.customer, customers, summary.accounts, summary.tiers, at)
            context |= {"ways": open_ways, "first": own_ways.nearest(open_ways)}
        else:
            context["ways"] = ways.of(program, at, summary.tiers)
    return render(request, "loyalty/points.html", context)


def _holds(program, customer, at):
    """The open problems because of which nothing expires; none where nothing ever does. The check of an account has words of its own."""
    if not expiry.is_on(program):
        return []
    return [hold for hold in holds.open_of(program.store, customer, at) if hold.kind != holds.Kind.REVIEW]


@never_cache
@require_GET
@customer_required
def statement(request, slug):
    """Each movement with its reason; `?kind=` and `?period=` pick out some. `?before=` a page's last entry shows what is older."""
    summary = statements.summary(request.store, request.customers)
    context = {"summary": summary}
    if summary:
        before = context["before"] = before_of(request)
        pick = context["pick"] = _pick(request)
        context["lines"], context["older"] = statements.lines(summary.accounts, before, pick=pick)
        statements.add_expiry(summary.program, context["lines"])
        context["expires"] = expiry.is_on(summary.program)
    return render(request, "loyalty/statement.html", context)


def _pick(request) -> picking.Pick:
    asked = request.GET
    return picking.read(request.store, timezone.now(), asked.get("kind", ""), asked.get("period", ""))


def before_of(request) -> int | None:
    """Where the page before has ended: a number that a bigint can be compared with."""
    before = request.GET.get("before", "")
    return int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None


@never_cache
@require_GET
@customer_required
def download(request, slug):
    """The statement as a table to keep, in the reader's language: all of it, or what the page's filters pick out."""
    summary = statements.summary(request.store, request.customers)
    rows = _rows(summary, _pick(request), translation.get_language())
    return sheets.download(rows, f"points-{request.store.slug}")


def _rows(summary, pick, language):
    accounts = summary.accounts if summary else []
    # It is sent after the view has ended, and whatever language it spoke.
    with translation.override(language):
        yield [
            _("Date"), _("Movement"), _("Order"), _("Points"), _("On their way"), _("Balance after"), _("Can be used until"), _("Why?"),
        ]  # fmt: skip
    before = None
    while True:
        with translation.override(language):
            page, before = statements.lines(accounts, before, READ_AT_ONCE, pick)
        if summary:
            statements.add_expiry(summary.program, page)
        for line in page:
            entry = line.entry
            yield [
                entry.created_at.astimezone(pick.store.zone).date().isoformat(), line.title, line.order_number, entry.points,
                entry.pending, line.balance,
                ", ".join(f"{points}: {day.isoformat()}" for points, day in line.expiring), " ".join(line.why),
            ]  # fmt: skip
        if before is None:
            return
