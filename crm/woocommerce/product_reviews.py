"""Product reviews as pushes: what a customer answered becomes a review in the shop.

The payload has WooCommerce's own names: `product_id`, `review`, `reviewer`, `reviewer_email`, `rating`, and `status` if it is to wait for approval.
"""

import html
import re

from django.utils.translation import gettext as _

from .client import Client
from .errors import WooCommerceError
from .models import Push
from .push import Differs, Kind, register


class ProductReview(Kind):
    def look(self, client: Client, push: Push) -> dict | None:
        asked = push.payload
        pages = client.pages(
            "products/reviews", product=asked["product_id"], reviewer_email=asked["reviewer_email"], status="all"
        )
        rows = (row for page in pages for row in page.rows)
        return next((row for row in rows if words(row.get("review")) == words(asked["review"])), None)

    def send(self, client: Client, push: Push) -> dict:
        try:
            return client.post("products/reviews", push.payload)
        except WooCommerceError as error:
            # WordPress takes the same words of the same person once: then it has them.
            if error.code.endswith("comment_duplicate") and (found := self.look(client, push)) is not None:
                return found
            raise

    def confirm(self, push: Push, answer: dict) -> None:
        if different := differences(push.payload, answer):
            found = "; ".join(f"{name}: {got!r}, {asked!r}" for name, asked, got in different)
            raise Differs(_("The shop saved another review than was asked for (%(found)s).") % {"found": found})


def differences(asked: dict, got: dict) -> list[tuple[str, object, object]]:
    """What the shop's review has otherwise than was asked: (name, asked, got)."""
    pairs = [(name, asked[name], got.get(name)) for name in ("product_id", "rating", "reviewer_email") if name in asked]
    pairs.append(("review", words(asked["review"]), words(got.get("review"))))
    if "status" in asked:
        pairs.append(("status", asked["status"], got.get("status")))
    return [(name, wanted, held) for name, wanted, held in pairs if _plain(wanted) != _plain(held)]


def words(text) -> str:
    """A text without the tags, entities and spaces that WordPress puts in or takes away."""
    return " ".join(html.unescape(re.sub(r"</?[a-zA-Z][^<>]*>", " ", str(text or ""))).split())


def _plain(value):
    return value.lower() if isinstance(value, str) else value


register("product_review", ProductReview())
