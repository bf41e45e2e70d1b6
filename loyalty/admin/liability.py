"""What a programme owes its customers, for its owners: figures, bars with their tables, and a file for the bookkeeper."""

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.stores import formats, sheets
from crm.stores.staff import ReadOnlyAdmin, Role

from .. import charts, credit, liability, rests
from ..models import ProgramLiability


@admin.register(ProgramLiability)
class ProgramLiabilityAdmin(ReadOnlyAdmin):
    list_display = ["__str__", "store"]
    list_select_related = ["store"]
    view_roles = {Role.OWNER}

    def changelist_view(self, request, extra_context=None):
        if not self.has_view_permission(request):
            raise PermissionDenied
        programs = list(self.get_queryset(request).values_list("pk", flat=True)[:2])
        if len(programs) == 1 and not request.GET:
            return redirect("admin:loyalty_programliability_change", programs[0])
        return super().changelist_view(request, extra_context)

    def change_view(self, request, object_id, form_url="", extra_context=None):
        program = self.get_object(request, unquote(object_id))
        if program is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request, program):
            raise PermissionDenied
        found = liability.report(program, timezone.now())
        if request.GET.get("format") == "csv":
            return sheets.download(table(found), f"points-{program.store.slug}-{found.at:%Y-%m-%d}")
        context = self.admin_site.each_context(request) | {
            "title": _("What the programme owes"),
            "opts": self.opts,
            "program": program,
            "at": formats.moment(found.at, program.store.timezone),
            "figures": figures(found),
            "basis": basis(found),
            "expiring": expiring(found),
            "months": [[formats.month(row.month), *map(formats.number, cells(row))] for row in found.months[::-1]],
            "movements": movements(found),
            "profile": profile(found),
            "columns": columns(),
        }
        return render(request, "admin/loyalty/liability/report.html", context)


def cells(row: liability.Month) -> list[int]:
    return [row.earned, row.taken_back, row.redeemed, row.expired, row.adjusted, row.balance]


def columns() -> list[str]:
    return [
        _("Month"), _("Earned"), _("Taken back"), _("Redeemed"), _("Expired"), _("Adjusted, imported"), _("Balance at the end"),
    ]  # fmt: skip


def shown(program, points: int) -> str:
    """`12,400 · €124.00`, or the points alone where they have no value."""
    value = program.worth(points)
    said = formats.number(points)
    return said if value is None else f"{said} · {formats.money(value, program.store.currency)}"


def figures(found: liability.Liability) -> list[tuple[str, str]]:
    rows = [
        (_("Outstanding points"), shown(found.program, found.outstanding)),
        (_("Can be spent"), shown(found.program, found.spendable)),
        (_("Pending"), shown(found.program, found.pending)),
        (_("Expected to be redeemed"), shown(found.program, found.expected)),
        (_("Customers with points"), formats.number(found.holders)),
    ]
    if found.overdrawn:
        rows.append((_("Below zero: owed by customers"), shown(found.program, found.overdrawn)))
    if found.not_taken:
        rows.append(
            (_("Spent before the order was refunded, and not taken back"), shown(found.program, found.not_taken))
        )
    # Money, and another debt: none of the sums above has any of it.
    store = found.program.store
    return [
        *rows,
        *((_("Store credit, apart from points"), formats.money(*sum)) for sum in credit.outstanding(store)),
        *(
            (_("Gift cards not used yet, apart from points"), formats.money(*sum))
            for sum in rests.outstanding(store, found.at)
        ),
    ]


def basis(found: liability.Liability) -> str:
    values = {"share": f"{found.share:.1%}", "why": found.basis.label, "points": formats.number(found.basis_points)}
    if found.basis == liability.Basis.UNKNOWN:
        return found.basis.label
    return _("Expected use: %(share)s. %(why)s (%(points)s points).") % values


def expiring(found: liability.Liability) -> list[tuple[str, str]]:
    rows = [(formats.month(row.month), shown(found.program, row.points)) for row in found.expiring]
    return [
        *rows,
        (_("Later"), shown(found.program, found.expires_later)),
        (_("No day of expiry"), shown(found.program, found.never_expires)),
    ]


def movements(found: liability.Liability) -> charts.Bars:
    months = found.months
    return charts.bars(
        _("Points moved in each month"),
        [formats.month(row.month) for row in months],
        [
            (_("Earned, less taken back"), [row.earned + row.taken_back for row in months]),
            (_("Redeemed"), [-row.redeemed for row in months]),
            (_("Expired"), [-row.expired for row in months]),
        ],
    )


def profile(found: liability.Liability) -> charts.Bars:
    labels = [formats.month(row.month) for row in found.expiring]
    return charts.bars(
        _("Points that expire in the months to come"),
        labels,
        [(_("Points"), [row.points for row in found.expiring])],
    )


def table(found: liability.Liability) -> list[list[object]]:
    """The whole report as the rows of a file: plain numbers, dates as 2026-11, money without a sign."""
    program = found.program
    currency = program.store.currency
    head = [
        [_("Programme"), str(program)],
        [_("Store"), program.store.name],
        [_("As of"), found.at.isoformat(timespec="seconds")],
        [_("Currency"), currency],
        [_("What one point is worth"), program.point_value],
        [],
        [_("Figure"), _("Points"), _("Worth")],
    ]
    sums = [
        (_("Outstanding points"), found.outstanding),
        (_("Can be spent"), found.spendable),
        (_("Pending"), found.pending),
        (_("Expected to be redeemed"), found.expected),
        (_("Below zero: owed by customers"), found.overdrawn),
        (_("Spent before the order was refunded, and not taken back"), found.not_taken),
    ]
    ahead = [
        *((f"{row.month:%Y-%m}", row.points) for row in found.expiring),
        (_("Later"), found.expires_later),
        (_("No day of expiry"), found.never_expires),
    ]
    return [
        *head,
        *([name, points, program.worth(points)] for name, points in sums),
        *([_("Store credit"), sum.currency, sum.amount] for sum in credit.outstanding(program.store)),
        *([_("Gift cards"), sum.currency, sum.amount] for sum in rests.outstanding(program.store, found.at)),
        [_("Expected use"), f"{found.share:.4f}", found.basis.label],
        [],
        [_("Expires in"), _("Points"), _("Worth")],
        *([name, points, program.worth(points)] for name, points in ahead),
        [],
        columns(),
        *([f"{row.month:%Y-%m}", *cells(row)] for row in found.months),
    ]
