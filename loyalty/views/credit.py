"""Store credit in the portal: what there is, what moved it, and turning it into a code."""

from django import forms
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from crm.portal.access import customer_required

from .. import credit, freezes, redeeming, spending, statements, units
from ..models import Redemption
from .points import before_of

# Of the codes: all of them have a page of their own.
NEWEST = 5


class AmountForm(forms.Form):
    amount = forms.DecimalField(max_digits=16, decimal_places=4, min_value=0)
    token = forms.CharField(required=False)


@never_cache
@require_http_methods(["GET", "POST"])
@customer_required
def balance(request, slug):
    """What one has, and each movement with its reason (`?before=` a page's last entry shows what is older). A POST makes a code."""
    error, status = "", 200
    if request.method == "POST":
        form = AmountForm(request.POST)
        try:
            if not form.is_valid():
                raise spending.BadAmount(_("Please type an amount of money."))
            amount, token = form.cleaned_data["amount"], form.cleaned_data["token"]
            made = spending.spend_by_token(request.store, request.customer, amount, token, timezone.now())
        except redeeming.CannotRedeem as refusal:
            error, status = str(refusal), 409 if isinstance(refusal, redeeming.NotEnough) else 400
        else:
            return redirect("loyalty-code", slug, made.pk)
    accounts = credit.accounts_of(request.store, request.customers)
    before = before_of(request)
    lines, older = statements.credit_lines(accounts, before)
    context = {
        "error": error,
        "held": credit.held(accounts),
        "frozen": (frozen := freezes.shown(request.store, request.customer)),
        "most": "" if frozen else _spendable(request, accounts),
        "smallest": f"{units.money(1, request.store.currency):f}",
        "token": spending.token(request.store, request.customer),
        "codes": Redemption.objects.for_store(request.store).filter(account__in=accounts).order_by("-pk")[:NEWEST],
        "lines": lines,
        "older": older,
        "before": before,
    }
    return render(request, "loyalty/credit.html", context, status=status)


def _spendable(request, accounts) -> str:
    """What a code can be made of: credit of this very customer, in the currency that the shop sells in."""
    owner, currency = request.customer.person_id, request.store.currency
    found = [account.balance for account in accounts if (account.customer_id, account.unit) == (owner, currency)]
    return f"{units.money(found[0], currency):f}" if found and found[0] > 0 else ""
