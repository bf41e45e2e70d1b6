"""Product reviews: what a customer answered becomes a review in the shop."""

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from ..client import Client
from ..errors import WooCommerceError
from ..models import Push
from ..push import Kind, register
from .comparing import compare, words
from .payloads import Number, Payload


class ProductReviewPayload(Payload):
    """`review` is HTML. With the status `hold` it waits for approval in the shop."""

    product_id = Number()
    review = serializers.CharField(max_length=20_000)
    reviewer = serializers.CharField(max_length=245)
    reviewer_email = serializers.EmailField()
    rating = serializers.IntegerField(min_value=0, max_value=5)
    status = serializers.ChoiceField(["approved", "hold"], required=False)


class ProductReview(Kind):
    label = _("Product review")
    payload = ProductReviewPayload
    resource = "reviews"

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
        asked = push.payload
        compare(
            [
                *(
                    (name, asked[name], answer.get(name))
                    for name in ("product_id", "rating", "status")
                    if name in asked
                ),
                ("reviewer_email", asked["reviewer_email"].lower(), str(answer.get("reviewer_email")).lower()),
                ("review", words(asked["review"]), words(answer.get("review"))),
            ]
        )


register("product_review", ProductReview())
