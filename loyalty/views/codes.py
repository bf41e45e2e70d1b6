"""All the codes that somebody has and had."""

from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from crm.portal.access import customer_required

from .. import code_groups
from .points import before_of


@never_cache
@require_GET
@customer_required
def codes(request, slug):
    """Those that work, or `?group=` another; `?before=` a page's last one shows what is older."""
    rows = code_groups.of(request.store, request.customers)
    counts = code_groups.counts(rows)
    group = request.GET.get("group", "")
    if group not in counts:
        # Who has none that works sees what there was.
        group = next((name for name in counts if counts[name]), "active")
    before = before_of(request)
    found, older = code_groups.page(rows.filter(group=group), before)
    context = {
        "groups": [(name, label, counts[name]) for name, label in code_groups.LABELS.items()],
        "group": group,
        "codes": found,
        "older": older,
        "before": before,
    }
    return render(request, "loyalty/codes.html", context)
