"""`OPTIONS`: a route's description of itself, with the arguments and properties of what the demo serves."""

from .customers import ADDRESS
from .order_routes import READABLE
from .orders import PLAIN_FIELDS
from .rest import Route

READING: dict[str, dict] = {
    "context": {"default": "view", "type": "string", "enum": ["view", "edit"]},
    "page": {"type": "integer", "default": 1, "minimum": 1},
    "per_page": {"type": "integer", "default": 10, "minimum": 1, "maximum": 100},
    "order": {"default": "desc", "type": "string", "enum": ["asc", "desc"]},
    "orderby": {"default": "date", "type": "string"},
    **{
        name: {"type": "string", "format": "date-time"}
        for name in ("after", "before", "modified_after", "modified_before")
    },
    "dates_are_gmt": {"default": False, "type": "boolean"},
    **{name: {"default": [], "type": "array"} for name in ("include", "exclude", "parent", "created_via")},
    **{name: {"type": "integer"} for name in ("offset", "customer", "product", "dp")},
    "search": {"type": "string"},
    "status": {"default": "any", "type": "array", "items": {"type": "string", "enum": list(READABLE)}},
}
LINES = ("line_items", "shipping_lines", "fee_lines", "coupon_lines", "meta_data")
WRITING: dict[str, dict] = {
    **{name: {"type": "integer" if name.endswith("_id") else "string"} for name in PLAIN_FIELDS},
    "status": {"type": "string"},
    "created_via": {"type": "string"},
    "set_paid": {"type": "boolean", "default": False},
    **{
        name: {"type": "object", "properties": dict.fromkeys(ADDRESS, {"type": "string"})}
        for name in ("billing", "shipping")
    },
    **{name: {"type": "array"} for name in LINES},
}


def describe(route: Route, path: str) -> dict:
    methods = route.allow.split(", ")
    name = path.rstrip("/").split("/")[-1]
    endpoints = [{"methods": [method], "args": READING if method == "GET" else WRITING} for method in methods]
    properties = {key: {"type": value["type"], "context": ["view", "edit"]} for key, value in WRITING.items()}
    schema = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "title": name,
        "type": "object",
        "properties": properties if name == "orders" else {},
    }
    links = {"self": [{"href": path}]}
    return {"namespace": "wc/v3", "methods": methods, "endpoints": endpoints, "schema": schema, "_links": links}
