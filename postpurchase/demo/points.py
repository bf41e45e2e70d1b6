"""What the merchant's snippet prints into the shop's pages: an element that a script of Postpurchase's fills with points."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from .html import esc
from .pricing import HOME, cents, money, rates_for, round_half_up


@dataclass(frozen=True)
class Points:
    """Where pages ask (`…/s/masala/points.json`), and the secret by which the shop says who is signed in."""

    address: str
    secret: str

    @property
    def site(self) -> str:
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def script(self) -> str:
        return f'<script src="{esc(self.address.removesuffix("on"))}?ver=1" defer></script>'

    def element(self, lines: list[str], currency: str, customer_id: int, now: float, order: int = 0) -> str:
        token = self.token(customer_id, int(now) + 600) if customer_id else ""
        return (
            f'<p class="points" hidden data-postpurchase="{esc(self.address)}" data-lines="{esc(",".join(lines))}" '
            f'data-currency="{esc(currency)}" data-lang="en" data-token="{esc(token)}"{f" data-order={order}" if order else ""}></p>'
        )

    def token(self, customer_id: int, end: int) -> str:
        said = f"v1.{customer_id}.{end}.{secrets.token_hex(8)}"
        slug = urlsplit(self.address).path.split("/")[-2]
        return f"{said}.{hmac.new(self.secret.encode(), f'{slug}|{said}'.encode(), hashlib.sha256).hexdigest()}"


def of_product(product: dict) -> str:
    """A product at its price, as sold over the counter."""
    net = cents(product["price"])
    tax = sum(round_half_up(net * rate["rate"] / 100) for rate in rates_for(HOME, product["tax_class"]))
    return f"{product['id']}:{money(net)}:{money(tax)}"


def of_order(order: dict) -> list[str]:
    goods = [
        f"{line['variation_id'] or line['product_id']}:{line['total']}:{line['total_tax']}"
        for line in order["line_items"]
    ]
    fees = [
        f"{'0' if line['total'].startswith('-') else 'fees'}:{line['total']}:{line['total_tax']}"
        for line in order["fee_lines"]
    ]
    return [*goods, f"shipping:{order['shipping_total']}:{order['shipping_tax']}", *fees]
