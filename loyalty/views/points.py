"""Points in the portal."""

from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from crm.portal.access import customer_required

from .. import statements, ways


@never_cache
@require_GET
@customer_required
def points(request, slug):
    """The balance, and each entry with its reason. `?before=` a page's last entry shows what is older."""
    summary = statements.summary(request.store, request.customers)
    context = {"summary": summary}
    if summary:
        before = request.GET.get("before", "")
        # Within what a bigint can be compared with.
        before = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
        context["before"] = before
        context["waiting"] = statements.waiting(summary.accounts) if summary.pending and not before else []
        context["lines"], context["older"] = statements.lines(summary.accounts, before)
        # Whoever turns the pages of the statement has seen it.
        context["ways"] = [] if before else ways.of(summary.program, timezone.now(), summary.tiers)
    return render(request, "loyalty/points.html", context)
