"""Who looks at a customer page, and of which shop."""

from functools import wraps
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import F, Q
from django.http import HttpRequest
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import translation
from django.utils.translation.trans_real import parse_accept_lang_header

from crm.orders.models import Customer
from crm.stores.models import Store
from crm.stores.sessions import PROVEN


def with_store(view):
    """For public pages `(request, slug, …)`: sets `request.store`, and `request.email` if somebody is signed in."""

    @wraps(view)
    def wrapper(request, slug, *args, **kwargs):
        dress(request, get_object_or_404(Store, slug=slug))
        return view(request, slug, *args, **kwargs)

    return wrapper


def for_anybody(view):
    """For pages `(request, slug, …)` that are the same for everybody, so that caches may keep them: sets `request.store`.

    Nobody is signed in there, no cookie is read or set, and `?lang=` chooses the language.
    """

    @wraps(view)
    def wrapper(request, slug, *args, **kwargs):
        request.store = get_object_or_404(Store, slug=slug)
        request.email, request.is_for_anybody = "", True
        _speak_one_of(request, request.GET.get("lang"))
        return view(request, slug, *args, **kwargs)

    return wrapper


def customer_required(view):
    """For pages of one customer `(request, slug, …)`.

    Sets `request.store`, `request.email` (proven by a code), `request.customers` (QuerySet of this store's rows of that
    address, joined guests among them) and `request.customer` (the registered one if there is one). Anonymous people are sent
    to the store's sign-in and come back. An address that this store does not know is told so, and the view is not called.
    """

    @wraps(view)
    @with_store
    def wrapper(request, slug, *args, **kwargs):
        if not request.email:
            return redirect(sign_in_url(request.store, request.get_full_path() if request.method == "GET" else ""))
        find_customer(request)
        if request.customer is None:
            return render(request, "portal/stranger.html", status=403)
        return view(request, slug, *args, **kwargs)

    return wrapper


def find_customer(request: HttpRequest) -> None:
    """Set `request.customers` and `request.customer` for a dressed request, and speak the customer's language."""
    request.customers = customers_of(request.store, request.email)
    request.customer = main_of(request.customers)
    if request.customer and request.customer.language:
        speak(request, request.customer.language)


def customers_of(store: Store, email: str):
    """The customer rows that a proven address opens in one store: its own, and guests joined to them."""
    if not email:
        return Customer.objects.none()
    return Customer.objects.for_store(store).filter(Q(email=email) | Q(joined_to__email=email))


def main_of(customers) -> Customer | None:
    """The one of a person's customer rows that stands for them: the registered one if there is one."""
    return customers.order_by(F("deleted_at").asc(nulls_first=True), F("woo_id").asc(nulls_last=True), "-pk").first()


def proven_email(request: HttpRequest) -> str:
    """The address that this session has proven, or nothing. A password proves no address."""
    email = request.session.get(PROVEN, "")
    return email if email and request.user.is_authenticated and request.user.email == email else ""


def dress(request: HttpRequest, store: Store, language: str | None = None) -> None:
    """Give a page the store's brand and a language it offers; for views found by a mailed token, too."""
    request.store = store
    request.email = proven_email(request)
    speak(request, language)


def speak(request: HttpRequest, language: str | None = None) -> None:
    """Activate a language of the store: what the visitor chose, else the given one, the browser's, the store's own."""
    _speak_one_of(request, request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME), language)


def _speak_one_of(request, *wishes):
    accepted = [code for code, _weight in parse_accept_lang_header(request.headers.get("Accept-Language", ""))]
    translation.activate(request.store.language_for(*wishes, *accepted))
    request.LANGUAGE_CODE = translation.get_language()


def sign_in_url(store: Store, next: str = "") -> str:
    url = reverse("portal-sign-in", args=[store.slug])
    return f"{url}?{urlencode({'next': next})}" if next else url
