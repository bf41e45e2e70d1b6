"""The tracking page behind a signed link, and the form for those who have no link."""

from allauth.core import ratelimit
from django import forms
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from crm.portal import access
from crm.stores.links import BadLink

from . import pages


class LookUpForm(forms.Form):
    number = forms.CharField(
        label=_("Order number"),
        max_length=100,
        help_text=_("You will find it in the email that confirmed your order."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    proof = forms.CharField(
        label=_("Email address or postcode"),
        max_length=320,
        help_text=_("As you gave it in your order."),
        widget=forms.TextInput(attrs={"autocomplete": "email", "autocapitalize": "none", "spellcheck": "false"}),
    )


@never_cache
@require_safe
def tracking(request, token):
    """Where an order is. The link is proof enough to see it, and to change nothing."""
    try:
        store, order = pages.order_of(token)
    except BadLink:
        return _broken_link(request, token)
    if order is None:
        access.dress(request, store)
        return render(request, "shipping/gone.html", status=410)
    access.dress(request, store, order.customer.language if order.customer else None)
    return render(request, "shipping/tracking.html", pages.context(store, order))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.with_store
def look_up(request, slug):
    """Two things that only the customer knows lead to the signed link; what was wrong of them is not said."""
    form = LookUpForm(request.POST or None)
    status = 200
    if request.method == "POST" and form.is_valid():
        number, proof = form.cleaned_data["number"], form.cleaned_data["proof"]
        key = f"{request.store.pk}:{number.strip().lower()}"
        if not ratelimit.consume(request, action="track_order", key=key):
            form.add_error(None, _("Too many attempts. Please wait a few minutes, then try again."))
            status = 429
        elif order := pages.find(request.store, number, proof):
            return redirect(pages.path(order))
        else:
            form.add_error(
                None,
                _(
                    "We found no order with this number and this address or postcode. Please check both, or write to us."
                ),
            )
    return _form(request, form, status=status)


def _broken_link(request, token):
    store = pages.store_of_broken(token)
    if store is None:
        raise Http404
    access.dress(request, store)
    return _form(request, LookUpForm(), broken=True, status=404)


def _form(request, form, status=200, broken=False):
    for field in form:
        if field.errors:
            field.field.widget.attrs["aria-invalid"] = "true"
    return render(
        request,
        "shipping/look_up.html",
        {"form": form, "broken": broken, "shelves": pages.shelves(request.store)},
        status=status,
    )
