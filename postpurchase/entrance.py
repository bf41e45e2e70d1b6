"""The bare address, and what browsers ask for unbidden."""

from django.http import HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from crm.stores.models import Store


@require_safe
@never_cache
def entrance(request) -> HttpResponse:
    """To the portal where there is a single shop; who looks after several, or none yet, starts in admin."""
    slugs = list(Store.objects.values_list("slug", flat=True)[:2])
    return redirect("portal-home", *slugs) if len(slugs) == 1 else redirect("admin:index")


@require_safe
def favicon(request) -> HttpResponse:
    """For pages that name no icon, such as those of the API."""
    return redirect(static("favicon.svg"))
