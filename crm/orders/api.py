"""The mirror for merchants: WooCommerce's own field names, string money, UTC times."""

import django_filters as filters
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from crm.rest.filters import EmailFilter
from crm.rest.views import StoreScopedReadOnlyViewSet

from .models import (
    Category,
    Coupon,
    Customer,
    LineItem,
    Order,
    OrderNote,
    Product,
    ProductReview,
    Refund,
    RefundLine,
)


class MirroredFilter(filters.FilterSet):
    woo_id = filters.NumberFilter(help_text=_("Number in the shop"))
    created_after = filters.IsoDateTimeFilter("date_created_gmt", "gte")
    created_before = filters.IsoDateTimeFilter("date_created_gmt", "lt")
    modified_after = filters.IsoDateTimeFilter("date_modified_gmt", "gte")


class CodeFilter(filters.CharFilter):
    """Codes are held in lower case, as WooCommerce compares them."""

    def filter(self, queryset, value):
        return queryset.filter(**{f"{self.field_name}__contains": [value.strip().lower()]}) if value else queryset


class CustomerSerializer(serializers.ModelSerializer):
    class Meta:
        model = Customer
        fields = [
            "id", "woo_id", "email", "first_name", "last_name", "username", "role", "phone", "language", "is_paying_customer",
            "billing", "shipping", "meta_data", "email_verified_at", "joined_to",
            "date_created_gmt", "date_modified_gmt", "deleted_at", "erased_at",
        ]  # fmt: skip


class CustomerFilter(MirroredFilter):
    email = EmailFilter()

    class Meta:
        model = Customer
        fields = ["email", "woo_id"]


class CustomerViewSet(StoreScopedReadOnlyViewSet):
    """Registered customers, and guests (`woo_id` null) known by the address of an order."""

    scope = "customers"
    queryset = Customer.objects.all()
    serializer_class = CustomerSerializer
    filterset_class = CustomerFilter


class LineItemSerializer(serializers.ModelSerializer):
    product_id = serializers.IntegerField(
        source="product_id_in_shop", help_text=_("Number in the shop; 0 once deleted there")
    )
    variation_id = serializers.IntegerField(
        source="variation_id_in_shop", help_text=_("Number in the shop; 0 without one")
    )

    class Meta:
        model = LineItem
        fields = [
            "id", "woo_id", "name", "product", "product_id", "variation_id", "sku", "quantity", "price",
            "subtotal", "subtotal_tax", "total", "total_tax", "taxes", "meta_data",
        ]  # fmt: skip


class OrderRefundSerializer(serializers.ModelSerializer):
    class Meta:
        model = Refund
        fields = ["id", "woo_id", "amount", "reason", "date_created_gmt"]


class OrderSerializer(serializers.ModelSerializer):
    line_items = LineItemSerializer(many=True)
    refunds = OrderRefundSerializer(many=True)

    class Meta:
        model = Order
        fields = [
            "id", "woo_id", "number", "status", "currency", "customer", "billing_email", "created_via", "prices_include_tax",
            "total", "total_tax", "shipping_total", "shipping_tax", "discount_total", "discount_tax", "refunded_total",
            "payment_method", "payment_method_title", "customer_note", "is_paid",
            "date_created_gmt", "date_modified_gmt", "date_paid_gmt", "date_completed_gmt", "deleted_at",
            "billing", "shipping", "line_items", "tax_lines", "shipping_lines", "fee_lines", "coupon_lines", "coupon_codes",
            "refunds", "meta_data",
        ]  # fmt: skip


class OrderFilter(MirroredFilter):
    status = filters.BaseInFilter(help_text=_("One status, or several with commas between"))
    email = EmailFilter("billing_email")
    customer = filters.NumberFilter("customer_id")
    coupon = CodeFilter("coupon_codes", help_text=_("Code of a coupon that the order was placed with"))
    deleted = filters.BooleanFilter(
        "deleted_at", "isnull", exclude=True, help_text=_("Trashed or deleted in the shop, or not")
    )

    class Meta:
        model = Order
        fields = ["status", "customer", "email", "number", "is_paid", "woo_id", "coupon", "deleted"]


class OrderViewSet(StoreScopedReadOnlyViewSet):
    scope = "orders"
    queryset = Order.objects.all()
    serializer_class = OrderSerializer
    filterset_class = OrderFilter


class RefundLineSerializer(serializers.ModelSerializer):
    class Meta:
        model = RefundLine
        fields = ["id", "woo_id", "line_item", "name", "quantity", "total", "total_tax"]


class RefundSerializer(serializers.ModelSerializer):
    line_items = RefundLineSerializer(many=True, source="lines")

    class Meta:
        model = Refund
        fields = [
            "id",
            "woo_id",
            "order",
            "amount",
            "reason",
            "date_created_gmt",
            "refunded_payment",
            "line_items",
            "meta_data",
        ]


class RefundFilter(filters.FilterSet):
    order = filters.NumberFilter("order_id")
    woo_id = filters.NumberFilter()

    class Meta:
        model = Refund
        fields = ["order", "woo_id"]


class RefundViewSet(StoreScopedReadOnlyViewSet):
    """Amounts and quantities are positive."""

    scope = "orders"
    queryset = Refund.objects.all()
    serializer_class = RefundSerializer
    filterset_class = RefundFilter


class CategorySerializer(serializers.ModelSerializer):
    class Meta:
        model = Category
        fields = ["id", "woo_id", "name", "slug"]


class ProductSerializer(serializers.ModelSerializer):
    categories = CategorySerializer(many=True)

    class Meta:
        model = Product
        fields = [
            "id", "woo_id", "parent", "name", "slug", "sku", "type", "status", "permalink", "image_url",
            "price", "regular_price", "sale_price", "stock_status", "stock_quantity",
            "reviews_allowed", "average_rating", "rating_count", "attributes", "upsell_ids", "cross_sell_ids", "categories",
            "date_created_gmt", "date_modified_gmt", "deleted_at", "meta_data",
        ]  # fmt: skip


class ProductFilter(MirroredFilter):
    category = filters.NumberFilter("categories__woo_id", help_text=_("Number of a category in the shop"))
    parent = filters.NumberFilter("parent_id")

    class Meta:
        model = Product
        fields = ["sku", "type", "status", "category", "parent", "woo_id"]


class ProductViewSet(StoreScopedReadOnlyViewSet):
    """Products; a row with a `parent` is one variation of it."""

    scope = "orders"
    queryset = Product.objects.all()
    serializer_class = ProductSerializer
    filterset_class = ProductFilter


class CouponSerializer(serializers.ModelSerializer):
    class Meta:
        model = Coupon
        fields = [
            "id", "woo_id", "code", "amount", "discount_type", "status", "description", "date_expires_gmt", "usage_count",
            "usage_limit", "used_by", "individual_use", "email_restrictions",
            "date_created_gmt", "date_modified_gmt", "deleted_at", "meta_data",
        ]  # fmt: skip


class CouponFilter(MirroredFilter):
    code = filters.CharFilter(method="of_code", help_text=_("In any case"))
    used_by = CodeFilter("used_by", help_text=_("Number of a customer in the shop, or a guest's address"))

    class Meta:
        model = Coupon
        fields = ["code", "used_by", "status", "woo_id"]

    def of_code(self, queryset, name, value):
        return queryset.filter(code=value.strip().lower())


class CouponViewSet(StoreScopedReadOnlyViewSet):
    """Which orders used one: `orders?coupon=CODE`. Gift cards, whose codes are money, are shown to keys with `credit:read`."""

    scope = "orders"
    queryset = Coupon.objects.all()
    serializer_class = CouponSerializer
    filterset_class = CouponFilter

    def get_queryset(self):
        coupons = super().get_queryset()
        return coupons if self.has_scope("credit:read") else coupons.without_gift_cards()


class OrderNoteSerializer(serializers.ModelSerializer):
    class Meta:
        model = OrderNote
        fields = ["id", "woo_id", "order", "author", "note", "customer_note", "date_created_gmt"]
        extra_kwargs = {"note": {"help_text": _("HTML, as the shop sent it")}}


class OrderNoteFilter(filters.FilterSet):
    order = filters.NumberFilter("order_id")

    class Meta:
        model = OrderNote
        fields = ["order", "customer_note"]


class OrderNoteViewSet(StoreScopedReadOnlyViewSet):
    """Notes of orders that changed since the shop was connected; `customer_note` ones were mailed to the customer."""

    scope = "orders"
    queryset = OrderNote.objects.all()
    serializer_class = OrderNoteSerializer
    filterset_class = OrderNoteFilter


class ProductReviewSerializer(serializers.ModelSerializer):
    product_id = serializers.IntegerField(source="product_id_in_shop", help_text=_("Number in the shop"))

    class Meta:
        model = ProductReview
        fields = [
            "id", "woo_id", "product", "product_id", "customer", "status", "reviewer", "reviewer_email", "review", "rating",
            "verified", "date_created_gmt", "deleted_at",
        ]  # fmt: skip
        extra_kwargs = {
            "review": {"help_text": _("HTML, as the shop sent it")},
            "rating": {"help_text": _("1 to 5 stars, 0 without any")},
        }


class ProductReviewFilter(filters.FilterSet):
    product = filters.NumberFilter("product_id")
    customer = filters.NumberFilter("customer_id")
    email = EmailFilter("reviewer_email")
    created_after = filters.IsoDateTimeFilter("date_created_gmt", "gte")
    created_before = filters.IsoDateTimeFilter("date_created_gmt", "lt")

    class Meta:
        model = ProductReview
        fields = ["product", "customer", "email", "status", "rating", "woo_id"]


class ProductReviewViewSet(StoreScopedReadOnlyViewSet):
    """Reviews in the shop, those that came through Postpurchase among them."""

    scope = "orders"
    queryset = ProductReview.objects.all()
    serializer_class = ProductReviewSerializer
    filterset_class = ProductReviewFilter
