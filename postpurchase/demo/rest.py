"""The REST API's front: finds the route, checks the key and the parameters, and words every answer as WooCommerce does."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from .auth import Keyring
from .params import Listing, collect, flag, page_headers
from .render import Renderer
from .shop import Refused, Shop
from .web import Request, Response, json_response

ROOT = "/wp-json"
API = "/wp-json/wc/v3"
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
NO_ROUTE = Refused("rest_no_route", "No route was found matching the URL and request method.", 404)


@dataclass
class Call:
    """A request that found its route: what handlers work with."""

    shop: Shop
    request: Request
    params: dict[str, str]
    body: dict
    batched: bool = False

    @cached_property
    def render(self) -> Renderer:
        dp = self.params.get("dp", "2")
        return Renderer(self.shop, self.request.site + API, int(dp) if dp.isdigit() else 2)

    @property
    def force(self) -> bool:
        return flag(self.params.get("force", ""))

    def page(self, rows: list[dict], listing: Listing, render: Callable[[dict], dict]) -> Response:
        """Answer one page of already filtered and sorted rows."""
        shown = rows[listing.offset : listing.offset + listing.per_page]
        url = self.request.site + self.request.path
        return self.answer([render(row) for row in shown], headers=page_headers(listing, url, len(rows)))

    def answer(self, data, status: int = 200, headers: list[tuple[str, str]] | None = None) -> Response:
        fields = [field.strip() for field in self.params.get("_fields", "").split(",") if field.strip()]
        if fields and not self.batched:
            data = [pick(item, fields) for item in data] if isinstance(data, list) else pick(data, fields)
        return json_response(data, status, headers)

    def created(self, data, path: str) -> Response:
        return self.answer(data, 201, [("Location", f"{self.request.site}{API}/{path}")])


Handler = Callable[..., Response]


@dataclass
class Route:
    pattern: re.Pattern
    handlers: dict[str, Handler]  # by GET, POST, PUT, DELETE; PUT serves POST and PATCH of an item as well
    allow: str
    # Customers and their like answer an unknown id while asking for permission, and then tell no allowed methods.
    hides_allow: bool = False

    def handler(self, method: str) -> Handler | None:
        if method == "HEAD":
            method = "GET"
        if method in ("POST", "PATCH") and method not in self.handlers:
            method = "PUT"
        return self.handlers.get(method)


def route(path: str, *, root: str = API, hides_allow: bool = False, allow: str = "", **handlers: Handler) -> Route:
    """A route such as `orders/<id>/notes`; an item with PUT also takes POST and PATCH."""
    pattern = re.compile(root + "/" + path.replace("<id>", r"(\d+)").replace("<slug>", r"([\w-]+)") + "/?$")
    served = set(handlers) | ({"POST", "PATCH"} if "PUT" in handlers else set())
    methods = [name for name in ("GET", "POST", "PUT", "PATCH", "DELETE") if name in served]
    return Route(pattern, handlers, allow or ", ".join(methods), hides_allow)


def pick(item, fields: list[str]):
    """Keep the named fields of an object; a dotted name reaches into it."""
    if not isinstance(item, dict):
        return item
    heads = {field.partition(".")[0] for field in fields}
    out = {}
    for key, value in item.items():
        if key in fields:
            out[key] = value
        elif key in heads:
            inner = [field.partition(".")[2] for field in fields if field.startswith(key + ".")]
            out[key] = [pick(v, inner) for v in value] if isinstance(value, list) else pick(value, inner)
    return out


class RestApi:
    """The whole of `/wp-json/` of one shop."""

    def __init__(self, shop: Shop):
        from .resources import ROUTES, index

        self.shop, self.routes, self.index, self.keyring = shop, ROUTES, index, Keyring(shop)

    def answer(self, request: Request) -> Response:
        found: Route | None = None
        try:
            key = self.keyring.owner(request)
            if request.path.rstrip("/") in (ROOT, API):
                response = self.index(self.shop, request)
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
        for found in self.routes:
            match = found.pattern.match(request.path)
            if match and (found.handler(request.method) or request.method == "OPTIONS"):
                return found, match
        raise NO_ROUTE

    def handle(self, found: Route, match: re.Match, request: Request, key: dict | None) -> Response:
        params = collect(request.pairs)
        call = Call(self.shop, request, params, read_body(request, params))
        if request.method == "OPTIONS":
            from .describe import describe

            return json_response(describe(found, request.path))
        if key is None or not key["may_manage"]:
            raise forbidden(request.method, single=bool(match.groups()), known=key is not None)
        handler = found.handler(request.method)
        assert handler is not None  # `find` saw to it
        with self.shop.lock:
            return handler(call, *(int(g) if g.isdigit() else g for g in match.groups()))


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


def refused_body(refusal: Refused) -> dict:
    data: dict | int = {"status": refusal.status, **refusal.data}
    if refusal.data.get("bare"):
        data = refusal.status
    return {"code": refusal.code, "message": refusal.message, "data": data}


def refused(refusal: Refused) -> Response:
    body = refused_body(refusal)
    if refusal.code == "rest_missing_callback_param":
        body["data"] = {"status": refusal.status, "params": refusal.data["params"]}
    return json_response(body, refusal.status)
