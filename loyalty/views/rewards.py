"""What points buy, and the codes that were bought."""

from django.contrib import messages
from django.db.models import prefetch_related_objects
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from crm.portal.access import customer_required

from .. import code_groups, credit, freezes, gifts, members, programs, redeeming, redemptions, rests, rewards
from ..accounts import account_of
from ..forms import GiftForm
from ..models import Account, Redemption, Reward

# Of the codes that were bought: all of them have a page of their own.
NEWEST = 5


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
    """Ask before points are spent (`?points=` of them where that is open), and spend them.

    The form makes one redemption, however often it is sent.
    """
    at = timezone.now()
    if request.method == "GET":
        return _confirm(request, reward, at, GiftForm())
    form, token = GiftForm(request.POST), request.POST.get("token", "")
    if not form.is_valid():
        return _confirm(request, reward, at, form)
    try:
        wish = gifts.Wish(**form.cleaned_data)
        taken = redeeming.redeem_by_token(request.store, request.customer, reward, token, at, wish)
    except redeeming.CannotSend as error:
        form.add_error(None, str(error))
        return _confirm(request, reward, at, form)
    except redeeming.CannotRedeem as error:
        return _shelf(request, str(error), 400 if isinstance(error, redeeming.BadToken) else 409)
    return redirect("loyalty-code", slug, taken.pk)


def _confirm(request, reward, at, form):
    """What it costs and what one gets, once more, and of a gift card whom it is for."""
    slug = request.store.slug
    account = account_of(request.store, request.customer)
    offer = next((offer for offer in rewards.offers(request.store, account, at) if offer.reward.pk == reward), None)
    program = programs.of(request.store)
    can_be_had = offer and offer.state == "ready" and program and program.active
    if not can_be_had or freezes.of(request.store, request.customer):
        return redirect("loyalty-rewards", slug)
    if "points" not in request.GET and offer.reward.kind == Reward.Kind.EXCHANGE:
        return redirect(f"{reverse('loyalty-rewards', args=[slug])}#reward-{reward}")
    try:
        terms = rewards.agreed(offer.reward, _points(request))
    except rewards.BadChoice as error:
        return _shelf(request, str(error), 400)
    if terms["points"] > account.balance:
        return _shelf(request, redeeming.too_dear(account.balance, terms["points"]), 400)
    context = {
        "reward": offer.reward,
        "words": rewards.words(terms),
        "conditions": rewards.conditions(terms),
        "on_refund": rewards.on_refund(terms),
        "points": terms["points"],
        "left": account.balance - terms["points"],
        "token": redeeming.token(offer.reward, request.customer, terms["points"]),
        "form": form,
    }
    return render(request, "loyalty/reward.html", context, status=400 if form.errors else 200)


@never_cache
@require_http_methods(["GET", "POST"])
@customer_required
def code(request, slug, redemption):
    """One code, large enough to be shown; a POST hands it back."""
    rows = Redemption.objects.for_store(request.store).filter(account__customer__in=request.customers, rest_of=None)
    row = get_object_or_404(rows, pk=redemption)
    error = ""
    if request.method == "POST":
        try:
            redemptions.hand_back(request.store, row.pk, timezone.now())
        except LookupError as gone:
            raise Http404 from gone
        except redemptions.CannotHandBack as refusal:
            row, error = rows.get(pk=row.pk), str(refusal)
        else:
            if row.gives_credit:
                said = _("Handed back. Your points are on your account again.")
            elif row.is_credit:
                said = _("The shop is asked to delete the code. Your credit comes back as soon as it has.")
            else:
                said = _("The shop is asked to delete the code. Your points come back as soon as it has.")
            messages.success(request, said)
            return redirect("loyalty-code", slug, row.pk)
    context = {"row": row, "conditions": rewards.conditions(row.terms), "error": error}
    context["on_refund"] = rewards.on_refund(row.terms)
    context["back"] = redemptions.came_back(row)
    if row.gives_credit:
        context["is_whole"] = row.state == Redemption.State.GIVEN and credit.is_whole(row)
    if row.is_gift:
        prefetch_related_objects([row], *rests.FETCH)
        row.standing, context["link"] = rests.standing(row), gifts.url(row.gift)
    page = "credit_code" if row.is_credit else "gift" if row.is_gift else "code"
    return render(request, f"loyalty/{page}.html", context, status=409 if error else 200)


def _points(request) -> int | None:
    asked = request.GET.get("points", "")
    return int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 14 else None


def _shelf(request, error="", status=200):
    """`?show=affordable` leaves out what can't be had now."""
    program = programs.of(request.store)
    context = {"program": program, "error": error}
    if program:
        account = account_of(request.store, request.customer)
        offers = rewards.by_reach(rewards.offers(request.store, account, timezone.now()))
        affordable = [offer for offer in offers if offer.state == "ready"]
        only = request.GET.get("show") == "affordable"
        of_points = code_groups.of(request.store, request.customers).filter(account__unit=Account.Unit.POINTS)
        context |= {
            "is_member": members.membership(program, request.customers).is_member,
            "frozen": freezes.shown(request.store, request.customer),
            "balance": account.balance if account else 0,
            "offers": affordable if only else offers,
            "all_offers": len(offers),
            "affordable": len(affordable),
            "only": only,
            "goal": rewards.nearest(offers),
            "codes": code_groups.page(of_points, size=NEWEST)[0],
        }
    return render(request, "loyalty/rewards.html", context, status=status)
