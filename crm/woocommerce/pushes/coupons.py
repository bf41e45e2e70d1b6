"""Coupons: made with a mark of ours in their meta data, and taken back while nobody has used them."""

from datetime import UTC, datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import serializers

from ..client import Client
from ..errors import WooCommerceError, is_gone
from ..models import Push
from ..push import Kind, Needless, Refused, mark, register
from ..values import moment, when_of
from .comparing import amount, compare, meta_of, words
from .payloads import Amount, MetaData, Numbers, Payload, ShopTime, WordPressEmail

# In the coupon's meta data: which push made it.
KEY = "_postpurchase_push"
EXISTS = "woocommerce_rest_coupon_code_already_exists"


class Code(serializers.RegexField):
    """Small or capital letters are the same to the shop. What people type from a mail has no spaces and no other signs."""

    def __init__(self, **options):
        super().__init__(r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=60, **options)


class CouponPayload(Payload):
    """May be used once unless `usage_limit` says otherwise (null: without end)."""

    code = Code()
    discount_type = serializers.ChoiceField(["percent", "fixed_cart", "fixed_product"])
    amount = Amount()
    usage_limit = serializers.IntegerField(min_value=1, max_value=10**6, default=1, allow_null=True)
    usage_limit_per_user = serializers.IntegerField(min_value=1, max_value=10**6, default=None, allow_null=True)
    limit_usage_to_x_items = serializers.IntegerField(min_value=1, max_value=10**6, default=None, allow_null=True)
    email_restrictions = serializers.ListField(child=WordPressEmail(), default=list, max_length=100)
    date_expires = ShopTime(default=None, allow_null=True)
    individual_use = serializers.BooleanField(default=False)
    free_shipping = serializers.BooleanField(default=False)
    exclude_sale_items = serializers.BooleanField(default=False)
    minimum_amount = Amount(default=None, allow_null=True)
    maximum_amount = Amount(default=None, allow_null=True)
    product_ids = Numbers()
    excluded_product_ids = Numbers()
    product_categories = Numbers()
    excluded_product_categories = Numbers()
    description = serializers.CharField(max_length=1000, default="", allow_blank=True)
    meta = MetaData(default=dict)

    def validate_date_expires(self, moment: datetime | None):
        if moment and moment <= self.context["at"]:
            raise serializers.ValidationError(gettext_lazy("This has passed already."))
        return moment

    def validate(self, values):
        if values["discount_type"] == "percent" and values["amount"] > 100:
            # Which the shop takes for nothing off, without a word.
            raise serializers.ValidationError({"amount": gettext_lazy("More than 100 percent.")})
        if not values["amount"] and not values["free_shipping"]:
            raise serializers.ValidationError({"amount": gettext_lazy("The coupon would give nothing.")})
        return values


class Coupon(Kind):
    label = gettext_lazy("Coupon")
    payload = CouponPayload
    resource = "coupons"

    def look(self, client: Client, push: Push) -> dict | None:
        row = by_code(client, push.payload["code"])
        return row if row is not None and mark(push) in meta_of(row).get(KEY, []) else None

    def send(self, client: Client, push: Push) -> dict:
        asked = dict(push.payload)
        meta = asked.pop("meta") | {KEY: mark(push)}
        body = {name: value for name, value in asked.items() if value is not None}
        body["meta_data"] = [{"key": key, "value": value} for key, value in meta.items()]
        try:
            return client.post("coupons", body)
        except WooCommerceError as error:
            if error.code != EXISTS:
                raise
            if (ours := self.look(client, push)) is not None:
                return ours
            push.answer = {"code": EXISTS}
            raise Refused(_("The shop has another coupon with the code %(code)s.") % {"code": asked["code"]}) from error

    def confirm(self, push: Push, answer: dict) -> None:
        asked = push.payload
        plain = ["discount_type", "usage_limit", "usage_limit_per_user", "limit_usage_to_x_items", "date_expires"]
        plain += ["individual_use", "free_shipping", "exclude_sale_items"]
        numbers = ["product_ids", "excluded_product_ids", "product_categories", "excluded_product_categories"]
        limits = ["minimum_amount", "maximum_amount"]
        compare(
            [
                ("code", asked["code"].lower(), str(answer.get("code")).lower()),
                ("status", "publish", answer.get("status", "publish")),
                ("amount", amount(asked["amount"]), amount(answer.get("amount"))),
                # Without its addresses the coupon would be anybody's.
                ("email_restrictions", set(asked["email_restrictions"]), lowered(answer.get("email_restrictions"))),
                ("description", words(asked["description"]), words(answer.get("description"))),
                *((name, asked[name], answer.get(name)) for name in plain),
                *((name, set(asked[name]), set(answer.get(name) or [])) for name in numbers),
                *((name, amount(asked[name] or 0), amount(answer.get(name) or 0)) for name in limits),
            ]
        )

    def undo(self, client: Client, push: Push, answer: dict) -> bool:
        try:
            was = client.delete(f"coupons/{push.woo_id}", force="true")
        except WooCommerceError as error:
            if is_gone(error.code):
                return True
            raise
        return not was.get("usage_count")


class CouponRemovalPayload(Payload):
    """`expired_before`: only if its last moment came before that, by the shop's own word; what was used or prolonged is left alone then."""

    code = Code()
    expired_before = serializers.DateTimeField(required=False, default_timezone=UTC)


class CouponRemoval(Kind):
    """Take a coupon back. One that was used stays; one that is not there is as good as taken back."""

    label = gettext_lazy("Coupon taken back")
    payload = CouponRemovalPayload
    resource = "coupons"

    def look(self, client: Client, push: Push) -> dict | None:
        return None  # to be there no more is all there is to it

    def send(self, client: Client, push: Push) -> dict:
        code = push.payload["code"]
        open_states = [Push.State.DUE, Push.State.RUNNING]
        if Push.objects.filter(
            store=push.store, kind="coupon", payload__code__iexact=code, state__in=open_states
        ).exists():
            raise WooCommerceError(_("This coupon is still on its way into the shop."), permanent=False, status=409)
        row = by_code(client, code)
        if row is None:
            return {"code": code, "status": "trash"}
        before = push.payload.get("expired_before")
        if row.get("usage_count"):
            push.answer = {"usage_count": row["usage_count"]}
            raise Needless if before else Refused(_("The coupon %(code)s has been used.") % {"code": code})
        if before and not ended(row, datetime.fromisoformat(before)):
            push.answer = {"date_expires_gmt": row.get("date_expires_gmt")}
            raise Needless
        # To the trash: what was taken back by mistake can be fetched from there, and the code is free.
        return client.delete(f"coupons/{row['id']}")

    def confirm(self, push: Push, answer: dict) -> None:
        # The answer is the coupon as it was at the end: somebody may have been quicker.
        compare([("usage_count", 0, answer.get("usage_count", 0))])


def by_code(client: Client, code: str) -> dict | None:
    """The coupon of this code, without what is in the trash."""
    rows = client.page("coupons", code=code.lower()).rows
    return next((row for row in rows if str(row.get("code")).lower() == code.lower()), None)


def ended(row: dict, before: datetime) -> bool:
    """Whether the coupon's last moment came before that; one without end has none."""
    last = when_of(moment(row, "date_expires_gmt"))
    return last is not None and last < before


def lowered(addresses) -> set[str]:
    return {str(address).lower() for address in addresses or []}


register("coupon", Coupon())
register("coupon_removal", CouponRemoval())
