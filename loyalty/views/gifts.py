"""The page that shows a gift card to whoever has its link."""

from django.db.models import prefetch_related_objects
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from crm.portal import access
from crm.stores import links

from .. import gifts, rests
from ..models import Redemption


@never_cache
@require_safe
def gift(request, token):
    """The link is proof enough to see the code, and to change nothing."""
    try:
        found = gifts.read(token)
    except links.BadLink:
        return render(request, "portal/bad_link.html", status=404)
    access.dress(request, found.store, found.language)
    row = found.redemption
    is_over = row.state == Redemption.State.READY and row.has_passed(timezone.now())
    prefetch_related_objects([row], *rests.FETCH)
    standing = rests.standing(row)
    # One that came back after the last day leaves no rest.
    conditions = gifts.conditions((standing.codes or [row])[-1], get_language() or found.language)
    state = "expired" if is_over else row.state
    context = {"gift": found, "row": row, "state": state, "conditions": conditions, "standing": standing}
    return render(request, "loyalty/gift_page.html", context)
