"""Points on the shop's own pages: a script, and what it asks. Another site reads these, and caches between."""

import ipaddress
import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from allauth.account.adapter import get_adapter
from django.http import HttpResponse, JsonResponse
from django.utils import timezone, translation
from django.utils.crypto import salted_hmac
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import conditional_page, require_http_methods, require_safe

from crm.stores.addresses import origin
from crm.stores.models import Store

from .. import asking, display, passes, programs
from ..display import Wanted
from ..models import ShopDisplay
from ..rules import FEES, SHIPPING

SCRIPT = (Path(__file__).parent.parent / "static" / "loyalty" / "points.js").read_text()
# Of one address in a minute: a household that shops, not a program that copies the price list.
MOST_A_MINUTE = 240
MOST_LINES = 100
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_MONEY = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?", re.ASCII)


@require_safe
@conditional_page
@cache_control(public=True, max_age=3600)
def script(request, slug):
    """The same for every store and language; a page loads it from here, so that it is always the one that fits the answers."""
    return _shared(HttpResponse(SCRIPT, "text/javascript; charset=utf-8"))


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def points(request, slug):
    """What goods would earn: `?product=&price=&tax=` for each line, `lang`, `currency`. A POST has a `token`, too, maybe an `order`, and is answered to its customer."""
    store = Store.objects.filter(slug=slug).first()
    if store is None:
        return _refused("There is no such shop.", 404)
    at = timezone.now()
    if _asks_too_often(request, store, at):
        response = _refused("Too many requests: wait a minute.", 429)
        response["Retry-After"] = "60"
    elif request.method == "POST":
        response = _to_one(request, store, at)
    else:
        response = _to_all(request, store, at)
    response["Access-Control-Allow-Origin"] = origin(store.url)
    return _shared(response)


@conditional_page
def _to_all(request, store, at):
    try:
        wanted = _wanted(request.GET)
    except ValueError as error:
        return _refused(str(error), 400)
    response = _answer(request.GET, programs.of(store), store, wanted, at)
    response["Cache-Control"] = "public, max-age=300"
    return response


@never_cache
def _to_one(request, store, at):
    """The personal answer: for the store's own pages, to whom the shop itself vouches for, and never kept."""
    said_origin = request.headers.get("Origin")
    shown = ShopDisplay.objects.for_store(store).select_related("store").first()
    if shown is None or (said_origin is not None and said_origin != origin(store.url)):
        return _refused("Only the shop's own pages may ask.", 403)
    try:
        wanted = _wanted(request.POST)
        number = passes.read(shown, request.POST.get("token", ""), at)
    except ValueError as error:
        return _refused(str(error), 400)
    except passes.BadPass:
        return _refused("This token is not valid (any more).", 403)
    program = programs.of(store)
    reader = program and display.reader(program, number)
    order = request.POST.get("order", "")
    earned = display.earned_by(program, int(order), reader) if reader and _NUMBER.fullmatch(order) else None
    return _answer(request.POST, program, store, wanted, at, reader, earned)


def _answer(asked, program, store, wanted, at, reader=None, earned=None):
    # A rate in rupees says nothing about dollars.
    is_ours = asked.get("currency", store.currency) == store.currency
    points = earned
    if points is None:
        points = display.earns(program, wanted, at, reader) if program and is_ours else 0
    with translation.override(store.language_for(asked.get("lang", ""))):
        text = display.words(program, points, reader) if program else ""
    own = reader is not None and reader.is_member and reader.account is not None
    balance = {"balance": reader.account.balance} if own else {}
    return JsonResponse({"version": 1, "points": points, "text": text} | balance)


def _wanted(asked) -> list[Wanted]:
    """Raises ValueError, in words for whoever writes the page."""
    products, prices, taxes = (asked.getlist(name) for name in ("product", "price", "tax"))
    taxes = taxes or ["0"] * len(products)
    if not len(products) == len(prices) == len(taxes) <= MOST_LINES:
        raise ValueError(f"Give product and price for each line, or product, price and tax; at most {MOST_LINES}.")
    for product in products:
        if product not in (SHIPPING, FEES) and not _NUMBER.fullmatch(product):
            raise ValueError("A product is its number in the shop; shipping and fees are the words.")
    if not all(map(_MONEY.fullmatch, [*prices, *taxes])):
        raise ValueError("Money is written like 1299.50.")
    return [Wanted(*line) for line in zip(products, map(Decimal, prices), map(Decimal, taxes), strict=True)]


def _asks_too_often(request, store, at) -> bool:
    address = ipaddress.ip_address(get_adapter().get_client_ip(request))
    if address.version == 6:
        # Whoever has one has as many of them as they like.
        address = ipaddress.ip_network((address, 64), strict=False).network_address
    key = salted_hmac("loyalty.display", f"{store.pk}|{address}", algorithm="sha256").hexdigest()
    return asking.count(key, at + timedelta(minutes=1), at) > MOST_A_MINUTE


def _refused(why, status):
    return JsonResponse({"error": why}, status=status, headers={"Cache-Control": "no-store"})


def _shared(response):
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    response["X-Content-Type-Options"] = "nosniff"
    return response
