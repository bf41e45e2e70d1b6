"""The REST API's front: finds the route, checks the key, and words every answer as WooCommerce does."""

import json
import re

from .auth import Keyring
from .describe import describe
from .params import collect
from .resources import ROUTES, index
from .rest import API, ROOT, Call, Route, refused_body
from .shop import Refused, Shop
from .web import Request, Response, json_response

EXPOSED = [
    ("X-Robots-Tag", "noindex"),
    ("X-Content-Type-Options", "nosniff"),
    ("Access-Control-Expose-Headers", "X-WP-Total, X-WP-TotalPages, Link"),
    ("Access-Control-Allow-Headers", "Authorization, X-WP-Nonce, Content-Disposition, Content-MD5, Content-Type"),
]
UNCACHED = [
    ("Expires", "Wed, 11 Jan 1984 05:00:00 GMT"),
    ("Cache-Control", "no-cache, must-revalidate, max-age=0, no-store, private"),
]


class RestApi:
    """The whole of `/wp-json/` of one shop."""

    def __init__(self, shop: Shop):
        self.shop, self.keyring = shop, Keyring(shop)

    def answer(self, request: Request) -> Response:
        found: Route | None = None
        try:
            key = self.keyring.owner(request)
            if request.path.rstrip("/") in (ROOT, API):
                response = index(self.shop, request)
            else:
                found, match = self.find(request)
                response = self.handle(found, match, request, key)
        except Refused as refusal:
            response = refused(refusal)
            if refusal.status in (401, 403) or (found and found.hides_allow and refusal.status == 404):
                found = None
        stated = {name for name, _ in response.headers}
        if "Link" not in stated:
            response.headers.insert(1, ("Link", f'<{request.site}/wp-json/>; rel="https://api.w.org/"'))
        hidden = found and found.hides_allow and request.method == "DELETE" and response.status == 200
        if found and not hidden and "Allow" not in stated:
            response.headers.append(("Allow", found.allow))
        response.headers += EXPOSED + UNCACHED
        return response

    def find(self, request: Request) -> tuple[Route, re.Match]:
        for found in ROUTES:
            match = found.pattern.match(request.path)
            if match and (found.handler(request.method) or request.method == "OPTIONS"):
                return found, match
        raise Refused("rest_no_route", "No route was found matching the URL and request method.", 404)

    def handle(self, found: Route, match: re.Match, request: Request, key: dict | None) -> Response:
        params = collect(request.pairs)
        call = Call(self.shop, request, params, read_body(request, params))
        if request.method == "OPTIONS":
            return json_response(describe(found, request.path))
        if key is None or not key["may_manage"]:
            raise forbidden(request.method, single=bool(match.groups()), known=key is not None)
        handler = found.handler(request.method)
        assert handler is not None  # `find` saw to it
        ids = [int(group) if group.isdigit() else group for group in match.groups()]
        with self.shop.lock:
            try:
                return handler(call, *ids)
            except (TypeError, ValueError, KeyError, AttributeError) as error:
                if not call.body:
                    raise
                # WooCommerce checks each field against its schema; here what can't be read is refused as a whole.
                raise Refused("rest_invalid_param", f"Invalid parameter(s): {error}", 400) from error


def read_body(request: Request, params: dict) -> dict:
    if request.method in ("GET", "HEAD", "OPTIONS", "DELETE") and not request.body:
        return {}
    if not request.body.strip():
        return {}
    if "json" not in request.headers.get("content-type", "json"):
        return collect(Request("", "", request.body.decode(errors="replace")).pairs)
    try:
        body = json.loads(request.body)
    except ValueError:
        told = {"json_error_code": 4, "json_error_message": "Syntax error"}
        raise Refused("rest_invalid_json", "Invalid JSON body passed.", 400, **told) from None
    return body if isinstance(body, dict) else {}


def forbidden(method: str, single: bool, known: bool) -> Refused:
    what = {
        "POST": ("create", "Sorry, you are not allowed to create resources."),
        "PUT": ("edit", "Sorry, you are not allowed to edit this resource."),
        "PATCH": ("edit", "Sorry, you are not allowed to edit this resource."),
        "DELETE": ("delete", "Sorry, you are not allowed to delete this resource."),
    }.get(method, ("view", "Sorry, you cannot view this resource." if single else "Sorry, you cannot list resources."))
    return Refused(f"woocommerce_rest_cannot_{what[0]}", what[1], 403 if known else 401)


def refused(refusal: Refused) -> Response:
    body = refused_body(refusal)
    if refusal.code == "rest_missing_callback_param":
        body["data"] = {"status": refusal.status, "params": refusal.data["params"]}
    return json_response(body, refusal.status)
