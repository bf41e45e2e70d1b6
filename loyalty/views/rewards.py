"""What points buy, and the codes that were bought."""

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from crm.portal.access import customer_required

from .. import members, programs, redeeming, rewards
from ..models import Redemption


@never_cache
@require_GET
@customer_required
def shelf(request, slug):
    """What points buy, and the codes that were bought."""
    return _shelf(request)


@never_cache
@require_http_methods(["GET", "POST"])
@customer_required
def reward(request, slug, reward):
    """Ask before points are spent, and spend them. The form makes one redemption, however often it is sent."""
    at = timezone.now()
    if request.method == "POST":
        try:
            redeeming.redeem_by_token(request.store, request.customer, reward, request.POST.get("token", ""), at)
        except redeeming.CannotRedeem as error:
            return _shelf(request, str(error), 400 if isinstance(error, redeeming.BadToken) else 409)
        messages.success(request, _("The shop is making your code. It appears here, and we send it to you by email."))
        return redirect("loyalty-rewards", slug)
    account = rewards.account_of(request.store, request.customer)
    offer = next((offer for offer in rewards.offers(request.store, account, at) if offer.reward.pk == reward), None)
    if offer is None or offer.state != "ready" or not programs.of(request.store).active:
        return redirect("loyalty-rewards", slug)
    context = {
        "offer": offer,
        "left": account.balance - offer.reward.points,
        "token": redeeming.token(offer.reward, request.customer),
    }
    return render(request, "loyalty/reward.html", context)


def _shelf(request, error="", status=200):
    program = programs.of(request.store)
    context = {"program": program, "error": error}
    if program:
        account = rewards.account_of(request.store, request.customer)
        context |= {
            "is_member": members.membership(program, request.customers).is_member,
            "balance": account.balance if account else 0,
            "offers": rewards.offers(request.store, account, timezone.now()),
            "codes": Redemption.objects.for_store(request.store)
            .filter(account__customer__in=request.customers)
            .order_by("-pk")[:50],
        }
    return render(request, "loyalty/rewards.html", context, status=status)
