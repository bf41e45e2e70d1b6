"""Store credit in the portal."""

from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from crm.portal.access import customer_required

from .. import credit, statements
from .points import before_of


@never_cache
@require_GET
@customer_required
def balance(request, slug):
    """What one has, and each movement with its reason. `?before=` a page's last entry shows what is older."""
    accounts = credit.accounts_of(request.store, request.customers)
    before = before_of(request)
    lines, older = statements.credit_lines(accounts, before)
    context = {"held": credit.held(accounts), "lines": lines, "older": older, "before": before}
    return render(request, "loyalty/credit.html", context)
