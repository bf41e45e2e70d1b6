"""The programme for everybody: what it is, how one earns, what points buy."""

from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from crm.portal.access import for_anybody

from .. import explaining, faq, programs, referrals, rewards, ways
from ..forms import JoinForm


@require_safe
@cache_control(public=True, max_age=300)
@for_anybody
def about(request, slug):
    """The same for everybody in a language, so that caches may keep it."""
    program, at = programs.of(request.store), timezone.now()
    context = {"program": program}
    if program:
        tiers = list(program.tiers.order_by("threshold"))
        context |= {
            "earns": explaining.rate(program.rate, request.store.currency),
            "worth": faq.worth(program),
            "ways": ways.of(program, at),
            "offers": rewards.offers(request.store, None, at),
            "tiers": [(tier, explaining.gift(tier.multiplier, 0)) for tier in tiers],
            "terms": referrals.terms_of(request.store),
            "small_print": faq.small_print(program),
            "questions": faq.of(program),
            "form": JoinForm(),
        }
    return render(request, "loyalty/about.html", context)
