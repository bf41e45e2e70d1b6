"""Orders and customers by the hundred thousand for benchmarks, written into templates as they are asked for.

Nothing is stored: order number i follows from i alone, so that half a million take no more memory than ten. Order, date
and `date_modified` all grow with i, which turns every window of time into a range of numbers.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from .dispatch import EXPOSED
from .params import Listing, as_column, collect, flag, listing, page_headers
from .render import Renderer
from .rest import API, pick
from .shop import Refused
from .web import Request, Response, json_response

if TYPE_CHECKING:
    from .server import Demo

BEGIN = datetime(2021, 1, 1, tzinfo=UTC)
SPAN = timedelta(days=5 * 365)
SETTLED = 2 * 86_400  # seconds from an order's creation to its last change
FIRST_ORDER, FIRST_CUSTOMER = 1_000_000, 100_000
ORDERS_PER_CUSTOMER = 5
TEMPLATES = 64
# Not the ids of tax rates, which stand before a total and a subtotal.
ITEM_ID = re.compile(rb'\{"id":\d+,(?!"total":"[^"]*","subtotal")')
ORDER_BY = ("date", "id", "modified", "include", "title", "slug", "name", "registered_date")


def order_template(rendered: dict, guest: bool) -> bytes:
    """One rendered order with gaps for what differs: ids, dates, the customer."""
    order = json.loads(json.dumps(rendered))
    old = str(order["id"])
    order["billing"]["email"] = "%(email)s"
    order["customer_id"] = 0 if guest else "%(customer)d"
    if not guest:
        order["_links"]["customer"] = [
            {"href": order["_links"]["customer"][0]["href"].rpartition("/")[0] + "/%(customer)d"}
        ]
    for name in ("created", "modified", "paid", "completed"):
        for suffix in ("", "_gmt"):
            if order[f"date_{name}{suffix}"]:
                order[f"date_{name}{suffix}"] = f"%({name}{suffix})s"
    text = json.dumps(order, separators=(",", ":")).replace("%", "%%").replace("%%(", "%(")
    text = text.replace(f'"number":"{old}"', '"number":"%(id)d"').replace(f"/{old}", "/%(id)d")
    text = text.replace(order["order_key"], "wc_order_%(id)013d")
    numbered = iter(range(10_000))
    # Lines, metas and the rest get ids made of the order's own, so that no two orders share one.
    filled = ITEM_ID.sub(lambda match: b'{"id":%%(id)d%02d,' % (next(numbered) % 100), text.encode()[1:])
    head = b'{"id":%(id)d,' + filled.partition(b",")[2]
    return head.replace(b'"%(customer)d"', b"%(customer)d").replace(b"/", b"\\/")


def customer_template(rendered: dict) -> bytes:
    row = json.loads(json.dumps(rendered)) | {
        "id": 0,
        "email": "%(email)s",
        "username": "customer%(id)d",
        "meta_data": [],
    }
    row["billing"]["email"] = "%(email)s"
    row["_links"]["self"][0]["href"] = row["_links"]["self"][0]["href"].rpartition("/")[0] + "/%(id)d"
    for name in ("created", "modified"):
        for suffix in ("", "_gmt"):
            row[f"date_{name}{suffix}"] = f"%({name}{suffix})s"
    text = json.dumps(row, separators=(",", ":")).replace("%", "%%").replace("%%(", "%(")
    return (b'{"id":%(id)d,' + text.encode().partition(b",")[2]).replace(b"/", b"\\/")


MINUTES = [b"T%02d:%02d:" % divmod(minute, 60) for minute in range(1440)]
SECONDS = [b"%02d" % second for second in range(60)]


@cache
def day(number: int) -> bytes:
    return (BEGIN + timedelta(days=number)).strftime("%Y-%m-%d").encode()


def written(moment: int) -> bytes:
    """A date of WooCommerce from seconds since `BEGIN`; put together, since formatting a datetime costs ten times as much."""
    days, rest = divmod(moment, 86_400)
    minutes, seconds = divmod(rest, 60)
    return day(days) + MINUTES[minutes] + SECONDS[seconds]


class Series:
    """A collection whose members follow from their number."""

    def __init__(self, count: int, first: int, templates: list[bytes], gaps: Callable[[int], dict]):
        self.count, self.first, self.templates, self.gaps = count, first, templates, gaps

    def row(self, number: int) -> bytes:
        return self.templates[number % len(self.templates)] % self.gaps(number)


class FastOrders:
    """Answers the collections of orders and customers in the place of a shop's own."""

    def __init__(self, count: int, demo: "Demo"):
        self.demo, self.shop = demo, demo.shop
        self.step = max(int(SPAN.total_seconds() // max(count, 1)), 1)
        self.offset = int((BEGIN.astimezone(self.shop.zone).utcoffset() or timedelta()).total_seconds())
        self.customers = max(count // ORDERS_PER_CUSTOMER, 1)
        self.count = count
        self.statuses: list[str] = []
        self.series: dict[str, Series] = {}

    def write_templates(self, site: str) -> dict[str, Series]:
        """From orders and customers of the shop, as its REST API shows them at this address."""
        rows = [
            o for o in self.shop.rows["orders"].values() if o["customer_id"] and o["line_items"] and not o["refunds"]
        ]
        rows = [o for o in rows if o["status"] in ("completed", "processing", "cancelled", "on-hold")][:TEMPLATES]
        render = Renderer(self.shop, site + API)
        self.statuses = [order["status"] for order in rows]
        orders = [order_template(render.order(order), guest=place % 5 == 0) for place, order in enumerate(rows)]
        people = [c for c in self.shop.rows["customers"].values() if c["billing"]["email"]][:TEMPLATES]
        customers = [customer_template(render.customer(row | {"is_paying_customer": True})) for row in people]
        return {
            "orders": Series(self.count, FIRST_ORDER, orders, self.order_gaps),
            "customers": Series(self.customers, FIRST_CUSTOMER, customers, self.customer_gaps),
        }

    def times(self, created: int, modified: int) -> dict[bytes, bytes]:
        """All dates of a row from two moments in seconds since `BEGIN`."""
        changed, changed_local = written(modified), written(modified + self.offset)
        return {
            b"created_gmt": written(created),
            b"created": written(created + self.offset),
            b"paid_gmt": written(created + 600),
            b"paid": written(created + 600 + self.offset),
            b"modified_gmt": changed,
            b"modified": changed_local,
            b"completed_gmt": changed,
            b"completed": changed_local,
        }

    def order_gaps(self, number: int) -> dict[bytes, object]:
        created = number * self.step
        # A stride that shares no factor with most counts deals the orders out evenly and without a pattern.
        customer = FIRST_CUSTOMER + number * 7919 % self.customers
        order_id = FIRST_ORDER + number
        guest = number % len(self.statuses) % 5 == 0
        email = b"guest%d@post.example" % order_id if guest else b"customer%d@mail.example" % customer
        return self.times(created, created + SETTLED) | {
            b"id": order_id,
            b"customer": customer,
            b"email": email,
        }

    def customer_gaps(self, number: int) -> dict[bytes, object]:
        joined = number - 30 * 86_400
        customer = FIRST_CUSTOMER + number
        return self.times(joined, joined) | {b"id": customer, b"email": b"customer%d@mail.example" % customer}

    def answer(self, request: Request) -> Response | None:
        """A page or an item; None for what the shop itself answers, errors among it."""
        found = re.match(API + r"/(orders|customers)(?:/(\d+))?/?$", request.path)
        if request.method != "GET" or found is None:
            return None
        self.series = self.series or self.write_templates(request.site)
        try:
            if self.demo.api.keyring.owner(request) is None:
                return None
            series = self.series[found[1]]
            if found[2]:
                number = int(found[2]) - series.first
                return Response(200, series.row(number), JSON) if 0 <= number < series.count else None
            params = collect(request.pairs)
            asked = listing(params, orderby=ORDER_BY, default="date")
        except Refused:
            return None
        return self.page(request, series, asked)

    def page(self, request: Request, series: Series, asked: Listing) -> Response:
        numbers = self.numbers(series, asked)
        shown = numbers[asked.offset : asked.offset + asked.per_page]
        headers = JSON + page_headers(asked, request.site + request.path, len(numbers)) + [("Allow", "GET, POST")]
        fields = [field.strip() for field in asked.params.get("_fields", "").split(",") if field.strip()]
        if fields:
            return json_response([pick(json.loads(series.row(number)), fields) for number in shown], 200, headers[1:])
        return Response(200, b"[" + b",".join(map(series.row, shown)) + b"]", headers)

    def numbers(self, series: Series, asked: Listing) -> range | list[int]:
        low, high = 0, series.count
        descending = (
            asked.order == "desc"
            and "order" in asked.params
            or (series.first == FIRST_ORDER and "order" not in asked.params)
        )
        if series.first == FIRST_ORDER:
            low, high = self.window(asked.params, low, high)
        numbers: range | list[int] = range(high - 1, low - 1, -1) if descending else range(low, high)
        if wanted := asked.ids("include"):
            numbers = [number for number in numbers if number + series.first in wanted]
        if excluded := asked.ids("exclude"):
            numbers = [number for number in numbers if number + series.first not in excluded]
        if (
            series.first == FIRST_ORDER
            and asked.statuses
            and "any" not in asked.statuses
            and set(self.statuses) - set(asked.statuses)
        ):
            numbers = [number for number in numbers if self.statuses[number % len(self.statuses)] in asked.statuses]
        return numbers

    def window(self, params: dict[str, str], low: int, high: int) -> tuple[int, int]:
        shift = 0 if flag(params.get("dates_are_gmt", "")) else self.offset
        for name in ("after", "before", "modified_after", "modified_before"):
            if name not in params:
                continue
            edge = datetime.fromisoformat(as_column(self.shop, params[name])).replace(tzinfo=UTC)
            seconds = (edge - BEGIN).total_seconds() - shift - (SETTLED if name.startswith("modified") else 0)
            if name.endswith("after"):
                low = max(low, int(seconds // self.step) + 1)
            else:
                high = min(high, -int(-seconds // self.step))
        return min(low, high), high


JSON = [("Content-Type", "application/json; charset=UTF-8"), *EXPOSED[:1]]
