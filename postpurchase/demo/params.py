"""Parameters of a collection: what WooCommerce takes, refuses, and reads in its own way."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode

from .shop import Refused, Shop

DATE = re.compile(r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d(:\d\d)?)?$")
DATES = ("after", "before", "modified_after", "modified_before")


def invalid(**problems: tuple[str, str]) -> Refused:
    """A 400 that names each wrong parameter with (code, message)."""
    return Refused(
        "rest_invalid_param",
        f"Invalid parameter(s): {', '.join(problems)}",
        400,
        params={name: message for name, (_, message) in problems.items()},
        details={name: {"code": code, "message": message, "data": None} for name, (code, message) in problems.items()},
    )


def not_one_of(name: str, choices) -> tuple[str, str]:
    *rest, last = choices
    return "rest_not_in_enum", f"{name} is not one of {', '.join(rest)}, and {last}."


def flag(text) -> bool:
    return str(text).lower() in ("1", "true", "yes", "on")


def collect(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """As PHP reads a query: the last of equal names wins, `name[]` and `name[0]` gather into one list."""
    out: dict[str, str] = {}
    gathered: dict[str, list[str]] = {}
    for name, value in pairs:
        base, bracket, _ = name.partition("[")
        if bracket:
            gathered.setdefault(base, []).append(value)
        else:
            out[name] = value
    return out | {name: ",".join(values) for name, values in gathered.items()}


@dataclass
class Listing:
    """A checked request for a page of a collection."""

    params: dict[str, str]
    orderby: str = "date"
    order: str = "desc"
    page: int = 1
    per_page: int = 10
    statuses: list[str] = field(default_factory=list)

    @property
    def offset(self) -> int:
        return int(self.params["offset"]) if "offset" in self.params else (self.page - 1) * self.per_page

    def ids(self, name: str) -> set[int]:
        return {int(part) for part in self.params.get(name, "").split(",") if part.strip().isdigit()}


def listing(
    params: dict[str, str],
    *,
    orderby: tuple[str, ...] = ("date", "id", "include", "title", "slug"),
    statuses: tuple[str, ...] = (),
    default: str = "date",
    order: str = "desc",
) -> Listing:
    """Check a collection's parameters; raises Refused with all that is wrong."""
    problems: dict[str, tuple[str, str]] = {}
    numbers = {"page": 1, "per_page": 10}
    for name in numbers:
        try:
            numbers[name] = int(params.get(name, numbers[name]))
        except ValueError:
            problems[name] = ("rest_invalid_type", f"{name} is not of type integer.")
    if numbers["page"] < 1:
        problems["page"] = ("rest_out_of_bounds", "page must be greater than or equal to 1")
    if not 1 <= numbers["per_page"] <= 100:
        problems["per_page"] = ("rest_out_of_bounds", "per_page must be between 1 (inclusive) and 100 (inclusive)")
    if params.get("orderby", default) not in orderby:
        problems["orderby"] = not_one_of("orderby", orderby)
    if params.get("order", order) not in ("asc", "desc"):
        problems["order"] = ("rest_not_in_enum", "order is not one of asc and desc.")
    for name in DATES:
        if name in params and not DATE.match(params[name]):
            problems[name] = ("rest_invalid_date", "Invalid date.")
    asked = [status for status in params.get("status", "").split(",") if status]
    for place, status in enumerate(asked):
        if statuses and status not in statuses and "status" not in problems:
            problems["status"] = not_one_of(f"status[{place}]", statuses)
    if problems:
        raise invalid(**problems)
    return Listing(params, params.get("orderby", default), params.get("order", order), **numbers, statuses=asked)


def as_column(shop: Shop, text: str) -> str:
    """A time parameter as the database compares it: in shop-local time, whatever column it then meets.

    A value with `Z` or an offset is turned into shop-local time first. With `dates_are_gmt` it is nevertheless
    compared to the GMT column, which is how changed orders are silently missed. A fraction makes WooCommerce
    overlook the offset.
    """
    bare = text[:19].upper().replace(" ", "T")
    if "." in text or len(text) == 19:
        return bare
    moment = datetime.fromisoformat(text.upper().replace(" ", "T").replace("Z", "+00:00"))
    return moment.astimezone(shop.zone).strftime("%Y-%m-%dT%H:%M:%S")


def within(shop: Shop, rows: list[dict], params: dict[str, str]) -> list[dict]:
    """Keep rows created and modified in the asked window; its ends are outside it, at whole seconds."""
    gmt = flag(params.get("dates_are_gmt", ""))
    for name in DATES:
        if name not in params:
            continue
        column = "date_modified_gmt" if name.startswith("modified") else "date_created_gmt"
        edge, after = as_column(shop, params[name]), name.endswith("after")

        def kept(row: dict, column=column, edge=edge, after=after) -> bool:
            value = row[column] if gmt else shop.local(row[column])
            return bool(value) and (value > edge if after else value < edge)

        rows = [row for row in rows if kept(row)]
    return rows


def page_headers(listing: Listing, url: str, total: int) -> list[tuple[str, str]]:
    """Totals and links to the neighbours; both totals are 0 on a page past the end, as in WooCommerce."""
    pages = -(-total // listing.per_page)
    if total and listing.offset >= total:
        total = pages = 0
    links = []

    def link(page: int, rel: str) -> None:
        query = dict(listing.params) | {"page": page}
        links.append(f'<{url}?{urlencode(query)}>; rel="{rel}"')

    if listing.page > 1:
        link(min(listing.page - 1, pages), "prev")
    if listing.page < pages:
        link(listing.page + 1, "next")
    headers = [("X-WP-Total", str(total)), ("X-WP-TotalPages", str(pages))]
    return headers + ([("Link", ", ".join(links))] if links else [])
