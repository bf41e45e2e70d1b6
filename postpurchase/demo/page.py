"""The shop's own pages: a front to buy from, and a control room where orders are paid, shipped and refunded."""

import time
from collections.abc import Callable
from http.cookies import SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit

from . import goods
from .html import amount, choice, esc, field, folded, form, frame, plain
from .orders import PAYMENTS, STATUSES
from .pictures import drawn
from .points import of_order, of_product
from .shop import Refused
from .web import Request, Response, html_response, redirect

if TYPE_CHECKING:
    from .server import Demo

CSS = Path(__file__).with_name("shop.css")
SHOWN = 25  # orders in the control room
CARRIERS = ["bluedart", "dhl", "fedex", "ups", "India Post", "Delhivery"]
COUNTRIES = {"IN": "India", "DE": "Germany", "GB": "United Kingdom", "US": "United States"}


class Pages:
    def __init__(self, demo: "Demo"):
        self.demo, self.shop = demo, demo.shop

    def answer(self, request: Request) -> Response:
        with self.shop.lock:
            if request.method == "POST":
                return self.post(request)
            if request.method not in ("GET", "HEAD"):
                return Response(405, b"", [("Allow", "GET, HEAD, POST")])
            return self.get(request)

    def get(self, request: Request) -> Response:
        path, query = request.path, {key: values[-1] for key, values in parse_qs(request.query_string).items()}
        if path == "/":
            return self.front(query)
        if path == "/control/":
            return self.control(query)
        if path == "/checkout/":
            return self.checkout(query, signed_in(request))
        if path == "/thanks/":
            return self.thanks(query, signed_in(request))
        if path == "/shop.css":
            return Response(200, CSS.read_bytes(), [("Content-Type", "text/css"), ("Cache-Control", "no-cache")])
        if path.startswith("/product/"):
            slug = quote(path.removeprefix("/product/").strip("/"), safe="-").lower()
            found = [
                p for p in self.shop.rows["products"].values() if slug in (p["slug"], p["slug"].replace("%", "%25"))
            ]
            if found:
                return self.checkout({"product": str(found[0]["id"])}, signed_in(request))
        if path.startswith("/wp-content/uploads/") and (picture := self.picture(path.rpartition("/")[2])):
            return picture
        return html_response(frame(self.shop, "Not found", "<h1>There is nothing here</h1>", self.demo.links), 404)

    def picture(self, name: str) -> Response | None:
        sku = name.removesuffix(".svg").upper()
        for product in self.shop.rows["products"].values():
            if product["sku"] == sku and sku in goods.DRAWING:
                category = self.shop.rows["categories"][product["categories"][0]]["name"]
                svg = drawn(goods.DRAWING[sku], goods.COLOURS[category], product["name"])
                return Response(
                    200, svg.encode(), [("Content-Type", "image/svg+xml"), ("Cache-Control", "max-age=86400")]
                )
        return None

    def page(self, title: str, main: str, query: dict[str, str]) -> Response:
        told = query.get("done") or query.get("failed") or ""
        points = self.demo.points
        whole = frame(self.shop, title, main, self.demo.links, told, good="failed" not in query)
        if points:
            whole = whole.replace("</body>", f"{points.script}</body>")
        return html_response(whole, also_from=points.site if points else "")

    def points(self, lines: list[str], customer_id: int, order: int = 0) -> str:
        if not self.demo.points:
            return ""
        return self.demo.points.element(lines, self.shop.currency, customer_id, time.time(), order)

    # Front and checkout

    def for_sale(self) -> list[dict]:
        return [
            row
            for row in self.shop.rows["products"].values()
            if row["status"] == "publish"
            and row["price"]
            and row["type"] in ("simple", "variable")
            and row["sku"] != "WRAP"
        ]

    def front(self, query: dict[str, str]) -> Response:
        terms = self.shop.rows["categories"]
        used = {category for product in self.for_sale() for category in product["categories"]}
        chips = [("", "Everything")] + [(str(key), plain(terms[key]["name"])) for key in sorted(used)]
        chosen = query.get("category", "")
        shown = [p for p in self.for_sale() if not chosen or chosen in map(str, p["categories"])]
        current = ' aria-current="true"'
        bar = "".join(
            f'<a href="/{"?category=" + key if key else ""}"{current if key == chosen else ""}>{esc(name)}</a>'
            for key, name in chips
        )
        cards = "".join(self.card(product) for product in shown)
        lead = "Tea, spices, brass and cloth from small makers, packed by hand in Pune."
        main = f'<h1>Good things, honestly made</h1><p class="lead">{lead}</p><div class="chips">{bar}</div><ul class="goods">{cards}</ul>'
        return self.page("Tea, spices and brass", main, query)

    def card(self, product: dict) -> str:
        was = f"<del>{amount(self.shop, product['regular_price'])}</del>" if product["sale_price"] else ""
        begin = "from " if product["type"] == "variable" else ""
        sku = product["sku"].lower()
        category = plain(self.shop.rows["categories"][product["categories"][0]]["name"])
        return (
            f'<li><img src="/wp-content/uploads/{esc(sku)}.svg" alt="" loading="lazy" width="400" height="300"><div>'
            f'<span class="kind">{esc(category)}</span><h3>{esc(product["name"])}</h3><div class="buy">'
            f'<span class="price">{was}{begin}{amount(self.shop, product["price"])}</span>'
            f'<a class="button" href="/checkout/?product={product["id"]}" aria-label="Buy {esc(product["name"])}">Buy</a></div></div></li>'
        )

    def checkout(self, query: dict[str, str], customer_id: int) -> Response:
        product = query.get("product", "")
        sold = next((p for p in self.for_sale() if str(p["id"]) == product), None)
        shown = self.points([of_product(sold)], customer_id) if sold else ""
        main = (
            f'<h1>Checkout</h1><div class="stack" style="max-width:720px">{self.who(product, customer_id)}'
            f'<div class="card">{shown}{self.order_form(product, customer_id, thanks=True)}</div></div>'
        )
        return self.page("Checkout", main, query)

    def who(self, product: str, customer_id: int) -> str:
        people = [(0, "Nobody")] + [
            (c["id"], f"{c['first_name']} {c['last_name']}") for c in self.shop.rows["customers"].values()
        ]
        inside = f'<input type="hidden" name="product" value="{esc(product)}">{choice("Signed in", "customer", people[:41], customer_id)}'
        return f'<div class="card">{form("/sign-in/", inside, "Sign in", quiet=True)}</div>'

    def thanks(self, query: dict[str, str], customer_id: int) -> Response:
        order = self.shop.rows["orders"].get(int(query["order"])) if query.get("order", "").isdigit() else None
        if order is None:
            return redirect("/")
        shown = self.points(of_order(order), customer_id if customer_id == order["customer_id"] else 0, order["id"])
        main = (
            f'<h1>Thank you</h1><div class="card" style="max-width:720px"><p>Order {order["id"]} over '
            f"{amount(self.shop, order['total'])} is on its way to us.</p>{shown}"
            f'<p><a href="/control/#order-{order["id"]}">See it in the control room</a></p></div>'
        )
        return self.page("Thank you", main, query)

    def options(self) -> list[tuple[str, str]]:
        out = []
        for product in self.for_sale():
            for variation_id in product["variations"]:
                variation = self.shop.rows["variations"][variation_id]
                options = ", ".join(attribute["option"] for attribute in variation["attributes"])
                out.append((f"{product['id']}-{variation_id}", f"{product['name']}, {options} · {variation['price']}"))
            if not product["variations"]:
                out.append((f"{product['id']}-0", f"{product['name']} · {product['price']}"))
        return out

    def order_form(self, product: str = "", customer_id: int = 0, thanks: bool = False) -> str:
        options = self.options()
        chosen = next((key for key, _ in options if key.split("-")[0] == product), options[0][0])
        payments = [(key, name) for key, name in PAYMENTS.items() if key]
        people = [c for c in self.shop.rows["customers"].values() if c["role"] == "customer"][:40]
        known = "".join(
            f'<option value="{esc(c["email"])}">{esc(c["first_name"])} {esc(c["last_name"])}</option>' for c in people
        )
        customer = self.shop.rows["customers"].get(customer_id)
        email = customer["email"] if customer else "asha@mail.example"
        one = field("Quantity", "quantity", "1", "number", 'min="1" max="99" required')
        inside = (
            f'<div class="fields">{choice("Product", "product", options, chosen)}{one}</div>'
            f'<div class="fields">{choice("Second product", "product", [("", "None"), *options])}{field("Quantity", "quantity", "1", "number", "min=1 max=99")}</div>'
            f'<div class="fields">{field("E-mail", "email", email, "email", "list=known required autocomplete=off")}'
            f'<datalist id="known">{known}</datalist>{field("Name of a new customer", "name")}'
            f"{choice('Country of a new customer', 'country', list(COUNTRIES.items()))}</div>"
            f'<div class="fields">{choice("Payment", "payment", payments, "razorpay")}{field("Coupon", "coupon", "", "text", "placeholder=welcome10")}</div>'
            '<div class="fields"><label class="line"><input type="checkbox" name="pay" value="1" checked>Pay at once</label>'
            '<label class="line"><input type="checkbox" name="guest" value="1">Buy as a guest</label></div>'
        )
        if thanks:
            inside += '<input type="hidden" name="thanks" value="1">'
        return form("/control/place/", inside, "Place order")

    # Control room

    def control(self, query: dict[str, str]) -> Response:
        sought = query.get("q", "").strip().lower()
        orders = sorted(
            self.shop.rows["orders"].values(), key=lambda row: (row["date_created_gmt"], row["id"]), reverse=True
        )
        if sought:
            orders = [o for o in orders if sought in (str(o["id"]), o["status"]) or sought in o["billing"]["email"]]
        rows = "".join(self.order(order) for order in orders[:SHOWN]) or '<li class="card">No order like that.</li>'
        search = f'<form action="/control/" class="row" role="search">{field("Find by number, e-mail or status", "q", sought, "search")}<button class="quiet">Find</button></form>'
        main = (
            '<h1>Control room</h1><p class="lead">Place an order, pay, ship, deliver or refund it, and watch what the shop tells.</p>'
            f'<div class="columns"><div class="stack">{search}<ul class="orders">{rows}</ul></div>'
            f'<div class="stack"><section class="card"><h2>Webhook deliveries</h2>{self.told()}</section>'
            f'<section class="card" id="place"><h2>Place an order</h2>{self.order_form()}</section></div></div>'
        )
        return self.page("Control room", main, query)

    def order(self, order: dict) -> str:
        status = order["status"]
        name = f"{order['billing']['first_name']} {order['billing']['last_name']}".strip() or "No name"
        items = ", ".join(f"{line['quantity']} × {line['name']}" for line in order["line_items"]) or "nothing in it"
        back = "".join(f" · refunded {amount(self.shop, refund['total'].lstrip('-'))}" for refund in order["refunds"])
        who = "customer" if order["customer_id"] else "guest"
        placed = self.shop.clock(order["date_created_gmt"])[:16]
        return (
            f'<li class="card" id="order-{order["id"]}"><div class="row"><strong>#{order["id"]}</strong>'
            f'<span class="pill {esc(status)}">{esc(STATUSES.get(status, status))}</span><span dir="auto">{esc(name)}</span>'
            f'<span class="price push">{amount(self.shop, order["total"])}</span></div>'
            f'<p class="what">{esc(items)}<br>{esc(order["billing"]["email"])} ({who}) · {placed}{back}</p>'
            f'<div class="does">{self.actions(order)}</div></li>'
        )

    def actions(self, order: dict) -> str:
        status, order_id = order["status"], order["id"]
        out = []

        def do(verb: str, button: str, inside: str = "", quiet: bool = True) -> str:
            return form(f"/control/{order_id}/{verb}/", inside, button, quiet)

        if status in ("pending", "on-hold", "failed", "checkout-draft"):
            out.append(do("pay", "Pay", quiet=False))
        if status in ("processing", "packed", "completed"):
            carriers = [(name, name) for name in CARRIERS]
            parcel = "".join(
                f'<div class="fields">{choice(label, "carrier", carriers)}{field("Tracking number", "number", value)}</div>'
                for label, value in (("Carrier", f"BD{order_id:07d}IN"), ("Second parcel (if it has a number)", ""))
            )
            out.append(folded("Ship", do("ship", "Ship", parcel, quiet=False)))
        if status in ("processing", "packed"):
            out.append(do("deliver", "Deliver", quiet=False))
        if order["date_paid_gmt"] and self.shop.refundable(order) > 0 and status != "trash":
            lines = [
                ("", "Everything that is left"),
                *((line["id"], f"1 × {line['name']}") for line in order["line_items"]),
            ]
            inside = f'<div class="fields">{choice("What", "line", lines)}{field("Or an amount", "amount", "", "text", "inputmode=decimal")}{field("Reason", "reason")}</div>'
            out.append(folded("Refund", do("refund", "Refund", inside, quiet=False)))
        if status in ("pending", "on-hold", "processing", "packed"):
            out.append(do("cancel", "Cancel"))
        if status != "trash":
            out.append(do("trash", "Trash"))
        return "".join(out)

    def told(self) -> str:
        hooks = self.shop.rows["webhooks"].values()
        if not hooks:
            return '<p class="mute">Nobody listens yet. Connect a shop, and its webhooks show here.</p>'
        off = [hook["topic"] for hook in hooks if hook["status"] != "active"]
        head = f'<p class="mute">{len(hooks)} webhooks, {len(off)} of them off{": " + esc(", ".join(off)) if off else ""}. '
        rows = "".join(
            f"<li><span>{esc(self.shop.clock(row['at'])[11:])}</span><strong>{esc(row['topic'])}</strong><span>{row['id'] or ''}</span>"
            f'<span class="pill {"ok" if isinstance(row["answered"], int) and row["answered"] < 303 else "no"}">{esc(row["answered"])}</span>'
            f'<span class="to">{esc(row["to"])}, {row["ms"]} ms</span></li>'
            for row in list(self.shop.deliveries)[:8]
        )
        return f'{head}<a href="/control/">Look again</a></p><ul class="log">{rows}</ul>'

    # What a button does

    def post(self, request: Request) -> Response:
        source = request.headers.get("origin") or request.headers.get("referer") or ""
        if urlsplit(source).netloc != request.headers.get("host"):
            return html_response(
                frame(self.shop, "Refused", "<h1>This form came from elsewhere</h1>", self.demo.links, good=False), 403
            )
        sent = parse_qs(request.body.decode(errors="replace"), keep_blank_values=True)
        parts = request.path.strip("/").split("/")
        try:
            if parts == ["sign-in"]:
                to, who = sent.get("product", [""])[0], int(sent.get("customer", ["0"])[0])
                said = redirect(f"/checkout/?product={quote(to)}")
                said.headers.append(("Set-Cookie", f"customer={who}; Path=/; HttpOnly; SameSite=Lax"))
                return said
            if parts == ["control", "place"]:
                return self.place(sent)
            if len(parts) == 3 and parts[0] == "control" and parts[1].isdigit() and parts[2] in DEEDS:
                done = DEEDS[parts[2]](self, int(parts[1]), sent)
                return redirect(f"/control/?done={quote(done)}#order-{parts[1]}")
        except Refused as refusal:
            return redirect(f"/control/?failed={quote(str(refusal))}")
        except ValueError:
            return redirect(f"/control/?failed={quote('That was no number.')}")
        return html_response(frame(self.shop, "Not found", "<h1>There is nothing here</h1>", self.demo.links), 404)

    def place(self, sent: dict[str, list[str]]) -> Response:
        def one(name: str) -> str:
            return sent.get(name, [""])[0].strip()

        lines = []
        for product, quantity in zip(sent.get("product", []), sent.get("quantity", []), strict=False):
            if product:
                product_id, _, variation_id = product.partition("-")
                lines.append((int(product_id), int(variation_id or 0), max(int(quantity or 1), 1)))
        known = self.shop.customer_by_email(one("email"))
        order = self.shop.place_order(
            email=one("email"),
            name=one("name"),
            lines=lines or None,
            billing=None if known and known["billing"]["country"] else {"country": one("country")},
            payment_method=one("payment"),
            coupon=one("coupon"),
            guest=bool(one("guest")),
        )
        done = f"Order {order['id']} is placed"
        if one("pay"):
            self.shop.pay(order["id"])
            done += " and paid"
        if one("thanks"):
            return redirect(f"/thanks/?order={order['id']}")
        return redirect(f"/control/?done={quote(done + '.')}#order-{order['id']}")

    def pay(self, order_id: int, _sent: dict) -> str:
        self.shop.pay(order_id)
        return f"Order {order_id} is paid."

    def ship(self, order_id: int, sent: dict) -> str:
        pairs = zip(sent.get("carrier", []), sent.get("number", []), strict=False)
        parcels = [{"carrier": carrier, "number": number.strip()} for carrier, number in pairs if number.strip()]
        self.shop.ship(order_id, parcels or None)
        return f"Order {order_id} is on its way."

    def deliver(self, order_id: int, _sent: dict) -> str:
        self.shop.complete(order_id)
        return f"Order {order_id} is delivered."

    def refund(self, order_id: int, sent: dict) -> str:
        line, money, reason = (sent.get(name, [""])[0].strip() for name in ("line", "amount", "reason"))
        if money:
            refund = self.shop.refund(order_id, amount=money, reason=reason)
        elif line:
            refund = self.shop.refund(order_id, lines={int(line): 1}, reason=reason)
        else:
            refund = self.shop.refund(order_id, reason=reason)
        return f"{refund['amount']} of order {order_id} is refunded."

    def cancel(self, order_id: int, _sent: dict) -> str:
        self.shop.cancel(order_id)
        return f"Order {order_id} is cancelled."

    def trash(self, order_id: int, _sent: dict) -> str:
        self.shop.trash(order_id)
        return f"Order {order_id} is in the trash."


def signed_in(request: Request) -> int:
    """The customer whom the browser says it is, without a password: nothing here is anybody's."""
    cookie = SimpleCookie(request.headers.get("cookie", "")).get("customer")
    return int(cookie.value) if cookie and cookie.value.isdigit() else 0


DEEDS: dict[str, Callable[[Pages, int, dict], str]] = {
    "pay": Pages.pay,
    "ship": Pages.ship,
    "deliver": Pages.deliver,
    "refund": Pages.refund,
    "cancel": Pages.cancel,
    "trash": Pages.trash,
}
