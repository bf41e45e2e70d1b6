"""The portal's door, its first page, the orders, and the store's look."""

from urllib.parse import urlencode

from allauth.core import ratelimit
from django.contrib import messages
from django.contrib.auth import logout
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import conditional_page, require_GET, require_http_methods, require_POST

from crm.orders import exporting
from crm.stores.models import Store, StoreLogo

from . import brand, home, orders, sections, signin
from .access import customer_required, proven_email, sign_in_url, with_store
from .forms import CodeForm, SignInForm

PER_PAGE = 20


@never_cache
def first_page(request, slug):
    """A customer's cards; for everyone else a welcome and the way in."""
    return (_cards if proven_email(request) else _welcome)(request, slug)


@customer_required
def _cards(request, slug):
    return render(request, "portal/home.html", {"cards": home.cards(request)})


@with_store
def _welcome(request, slug):
    return render(request, "portal/sign_in.html", {"form": SignInForm(), "welcome": True, "hide_sign_in": True})


@never_cache
@require_http_methods(["GET", "POST"])
@with_store
def sign_in(request, slug):
    next = _own_page(request)
    if request.email:
        return redirect(next)
    form = SignInForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        signin.begin(request, form.cleaned_data["email"])
        return redirect(f"{reverse('portal-code', args=[slug])}?{_query(request)}")
    return render(request, "portal/sign_in.html", {"form": form, "hide_sign_in": True})


@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "POST"])
@with_store
def code(request, slug):
    attempt = None if request.email else signin.pending(request)
    if not attempt:
        return redirect(f"{reverse('portal-sign-in', args=[slug])}?{_query(request)}")
    form = CodeForm(request.POST if request.method == "POST" else None, code=attempt.code)
    if form.is_valid():
        return signin.finish(request, attempt, _own_page(request), timezone.now())
    # Nothing written is no guess.
    guessed = bool(form.data.get("code", "").strip())
    if guessed and not attempt.record_invalid_attempt():
        messages.error(request, _("That code no longer works after three wrong ones. Ask for a new one."))
        return redirect(sign_in_url(request.store))
    return render(request, "portal/code.html", {"form": form, "email": attempt.state["email"], "hide_sign_in": True})


@never_cache
@require_GET
@customer_required
def order_list(request, slug):
    page = Paginator(orders.with_counts(orders.visible(request.customers)), PER_PAGE).get_page(request.GET.get("page"))
    rows = [{"order": order, "status": orders.status_of(order)} for order in page]
    return render(request, "portal/orders.html", {"page": page, "rows": rows})


@never_cache
@require_GET
@customer_required
def order_detail(request, slug, number):
    order = orders.find(request.customers, number)
    if order is None:
        raise Http404
    context = {
        "order": order,
        "status": orders.status_of(order),
        "items": orders.items(order),
        "sums": orders.sums(order),
        "billing": orders.address(order.billing),
        "shipping": orders.address(order.shipping),
        "notes": order.notes.for_customers().order_by("date_created_gmt", "pk"),
        "sections": sections.sections(request, order),
    }
    return render(request, "portal/order.html", context)


@never_cache
@require_GET
@customer_required
def own_data(request, slug):
    """What one can have done with all that is kept about one."""
    return render(request, "portal/own_data.html")


@require_POST
@customer_required
def own_data_file(request, slug):
    """All of it as a file, sent while it is made: nothing of it is kept, and however much it is, the page answers at once."""
    if not ratelimit.consume(request, action="download_data", key=f"{request.store.pk}:{request.email}"):
        messages.error(request, _("Too many attempts. Please wait a few minutes, then try again."))
        return redirect("portal-data", slug)
    at = timezone.now()
    person = exporting.owner(request.store, request.customers, request.email, at)
    response = StreamingHttpResponse(
        exporting.document(person, get_language() or request.store.language), "application/json; charset=utf-8"
    )
    day = at.astimezone(request.store.zone).date()
    response.headers["Content-Disposition"] = f'attachment; filename="my-data-{slug}-{day}.json"'
    response.headers["Cache-Control"] = "no-store"
    return response


@require_POST
@with_store
def sign_out(request, slug):
    logout(request)
    messages.success(request, _("You are signed out."))
    return redirect("portal-home", slug)


@require_GET
@cache_control(max_age=300)
def stylesheet(request, slug):
    return HttpResponse(brand.stylesheet(get_object_or_404(Store, slug=slug)), "text/css")


@require_GET
@cache_control(max_age=300)
def icon(request, slug):
    return HttpResponse(brand.icon(get_object_or_404(Store.objects.defer("logo"), slug=slug)), "image/svg+xml")


@require_GET
@conditional_page
@cache_control(max_age=300)
def logo(request, slug):
    """The picture that was checked when it was stored; browsers ask again whether it is still the one they have."""
    found = get_object_or_404(StoreLogo.objects.select_related("store"), store__slug=slug)
    return HttpResponse(bytes(found.body), found.store.logo_type)


def _own_page(request) -> str:
    """Where to go on: the page of this store's portal that was asked for, else its first page."""
    home = reverse("portal-home", args=[request.store.slug])
    next = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(next, allowed_hosts=None) and next.startswith(home) and ".." not in next
    return next if safe else home


def _query(request) -> str:
    next = _own_page(request)
    return urlencode({"next": next}) if next != reverse("portal-home", args=[request.store.slug]) else ""
