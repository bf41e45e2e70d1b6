"""Joining in one step: an address on the page for everybody, a mail, and one press on the page that its link leads to."""

from contextlib import suppress

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from crm.portal import access, signin
from crm.portal.access import for_anybody, with_store

from .. import join_links, programs
from ..forms import JoinForm
from ..referrals import masked
from .members import note_sighting


# The form stands on a page that caches keep for everybody, with no token in it. Whoever forges the request has a mail sent that says it may be ignored,
# as anybody can who types the address.
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_anybody
def by_mail(request, slug):
    """Ask for the link. The answer is the same for everybody: it must not tell who is a customer already."""
    program = _program(request)
    form, status = JoinForm(request.POST if request.method == "POST" else None), 200
    if form.is_valid():
        join_links.ask(request.store, form.cleaned_data["email"], translation.get_language())
        return redirect(f"{request.path}sent/?lang={translation.get_language()}")
    if form.is_bound:
        status = 429 if form.has_error("email", "rate_limited") else 400
    return render(request, "loyalty/join.html", {"program": program, "form": form}, status=status)


@never_cache
@require_safe
@for_anybody
def sent(request, slug):
    """What to do now, the same for every address."""
    return render(request, "loyalty/join_sent.html", {"program": _program(request)})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@with_store
def arrive(request, slug, token):
    """What the mailed link opens. Programs look at every link in a mail, so a look changes nothing: the button signs in and joins."""
    program, link, at = _program(request), join_links.find(request.store, token), timezone.now()
    if link is not None:
        access.dress(request, request.store, link.language)
    if link and link.used_at and request.email == link.email:
        return redirect("loyalty-points", slug)
    is_pressed = request.method == "POST"
    is_used = link and link.used_at and not (is_pressed and link.was_just_used(at))
    if link is None or is_used or signin.is_switched_off(link.email):
        context = {"program": program, "form": JoinForm(), "is_over": True}
        return render(request, "loyalty/join.html", context, status=404)
    if not is_pressed:
        context = {"program": program, "email": masked(link.email), "membership": join_links.standing(link)}
        return render(request, "loyalty/arrive.html", context)
    return _take_part(request, link, at)


def _take_part(request, link, at):
    before = join_links.standing(link)
    # Pressed twice: the first press has joined, and the browser forgets its session for that of the second.
    with suppress(join_links.Used):
        join_links.use(link, at)
    if not signin.by_link(request, link.email, at):
        raise Http404
    request.email = link.email
    access.find_customer(request)
    note_sighting(request)
    if before is None:
        messages.success(
            request, _("Welcome! Order with %(email)s, and your orders earn points.") % {"email": link.email}
        )
    elif not before.is_member:
        messages.success(request, _("Welcome! From now on your orders earn points."))
    return redirect("loyalty-points", request.store.slug)


def _program(request):
    program = programs.of(request.store)
    if program is None:
        raise Http404
    return program
