"""What handlers of the REST API work with: a call, an answer, a route."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from .params import Listing, flag, page_headers
from .render import Renderer
from .shop import Refused, Shop
from .web import Request, Response, json_response

ROOT = "/wp-json"
API = "/wp-json/wc/v3"


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


def refused_body(refusal: Refused) -> dict:
    data: dict | int = {"status": refusal.status, **refusal.data}
    if refusal.data.get("bare"):
        data = refusal.status
    return {"code": refusal.code, "message": refusal.message, "data": data}
