"""Store credit for merchants' programs: who has how much, what moved it, giving and taking it."""

import uuid

import django_filters as filters
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.response import Response

from crm.orders.models import Order
from crm.rest.filters import EmailFilter
from crm.rest.idempotency import idempotent
from crm.rest.views import StoreScopedMixin

from .. import adjusting, credit, explaining, ledger, paid, redeeming, spending, units
from ..models import Account, Adjustment, CreditAccount, LedgerEntry, Redemption
from .adjustments import AdjustmentSerializer, AdjustmentViewSet
from .of_customers import ForCustomerSerializer, OfAccountFilter
from .rewards import CodeViewSet, RedemptionSerializer

MONEY = {"max_digits": 16, "decimal_places": 4}


@extend_schema_field(OpenApiTypes.DECIMAL)
class MoneyField(serializers.Field):
    """What an account counts in its currency's smallest unit, as money with the currency's own decimals."""

    def __init__(self, unit: str, **options):
        self.unit = unit
        super().__init__(read_only=True, **options)

    def get_attribute(self, row):
        of = row
        for step in self.unit.split("."):
            of = getattr(of, step)
        return units.money(super().get_attribute(row), of)

    def to_representation(self, amount) -> str:
        return f"{amount:f}"


class CreditSerializer(serializers.ModelSerializer):
    email = serializers.CharField(source="customer.email", read_only=True)
    balance = MoneyField("unit")
    currency = serializers.CharField(source="unit", read_only=True)

    class Meta:
        model = CreditAccount
        fields = ["id", "customer", "email", "balance", "currency", "created_at"]


class CreditEntrySerializer(serializers.ModelSerializer):
    customer = serializers.IntegerField(source="account.customer_id", read_only=True)
    amount = MoneyField("account.unit", source="points", help_text=_("What the entry does to the balance"))
    balance_after = MoneyField("account.unit")
    currency = serializers.CharField(source="account.unit", read_only=True)
    explanation = serializers.SerializerMethodField(help_text=_("`rule` in sentences"))

    class Meta:
        model = LedgerEntry
        fields = [
            "id", "account", "customer", "number", "kind", "amount", "balance_after", "currency", "cause", "reverses", "rule",
            "explanation", "note", "created_at",
        ]  # fmt: skip

    def get_explanation(self, entry) -> list[str]:
        return [explaining.title(entry), *explaining.explain(entry)]


class CreditAdjustmentSerializer(AdjustmentSerializer):
    amount = MoneyField("account.unit", source="points")
    currency = serializers.CharField(source="account.unit", read_only=True)

    class Meta(AdjustmentSerializer.Meta):
        fields = [name if name != "points" else "amount" for name in AdjustmentSerializer.Meta.fields]
        fields += ["currency", "order"]
        extra_kwargs = AdjustmentSerializer.Meta.extra_kwargs | {"order": {"help_text": _("Whose money it gives back")}}


class CreditCodeSerializer(RedemptionSerializer):
    amount = MoneyField("account.unit", source="points")
    currency = serializers.CharField(source="account.unit", read_only=True)

    class Meta(RedemptionSerializer.Meta):
        fields = [
            "id",
            "customer",
            "email",
            "state",
            "code",
            "amount",
            "currency",
            "expires_at",
            "order",
            "error",
            "created_at",
        ]


class SpendSerializer(ForCustomerSerializer):
    amount = serializers.DecimalField(**MONEY, min_value=0, help_text=_("Money in the store's currency"))


class GiveSerializer(ForCustomerSerializer):
    amount = serializers.DecimalField(
        **MONEY, help_text=_("Money in the store's currency: to give, or with a minus to take away")
    )
    reason = serializers.CharField(max_length=300, help_text=_("The customer reads it, in a mail and in the statement"))

    def validate_amount(self, amount):
        try:
            count = units.smallest(amount, self.context["request"].auth.store.currency)
        except ValueError as error:
            raise serializers.ValidationError(_("So little of it can't be paid.")) from error
        if not count:
            raise serializers.ValidationError(_("Nothing would change."))
        return count


class RefundSerializer(serializers.Serializer):
    order = serializers.IntegerField(min_value=1, max_value=2**63 - 1, help_text=_("The order's `id`"))
    amount = serializers.DecimalField(**MONEY, help_text=_("Of what was paid and not refunded yet"))
    reason = serializers.CharField(max_length=300, help_text=_("The customer reads it, in a mail and in the statement"))

    def validate_order(self, pk):
        order = Order.objects.for_store(self.context["request"].auth.store).filter(pk=pk).first()
        if order is None:
            raise serializers.ValidationError(_("There is no such order."))
        return order


class CreditFilter(filters.FilterSet):
    customer = filters.NumberFilter("customer_id")
    customer_woo_id = filters.NumberFilter("customer__woo_id")
    email = EmailFilter("customer__email")
    currency = filters.CharFilter("unit")

    class Meta:
        model = CreditAccount
        fields = ["customer", "customer_woo_id", "email", "currency"]


class CreditEntryFilter(OfAccountFilter):
    created_after = filters.IsoDateTimeFilter("created_at", "gte")
    created_before = filters.IsoDateTimeFilter("created_at", "lt")

    class Meta:
        model = LedgerEntry
        fields = ["account", "customer", "customer_woo_id", "email", "kind"]


class CreditViewSet(StoreScopedMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    """Store credit: one account for each customer and currency."""

    scope = "credit"
    lookup_value_regex = r"\d{1,18}"
    queryset = CreditAccount.objects.credit().select_related("customer", "store")
    serializer_class = CreditSerializer
    filterset_class = CreditFilter

    @extend_schema(
        request=GiveSerializer,
        responses={201: CreditEntrySerializer, 202: CreditAdjustmentSerializer},
        examples=[
            OpenApiExample(
                "Give credit", {"customer": 12, "amount": "250.00", "reason": "A broken cup"}, request_only=True
            )
        ],
    )
    @idempotent
    def create(self, request):
        """Give a customer store credit, or take some away; more than there is can't be taken. Answers 201 with the new entry.

        Beyond the programme's limit for a day it answers 202 with an adjustment that waits for an owner: see `loyalty/credit-adjustments/`.
        """
        serializer = GiveSerializer(data=request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        asked = serializer.validated_data
        account = credit.account_of(request.auth.store, asked["customer"])
        try:
            adjustment = ledger.adjust(account, asked["amount"], asked["reason"], request.auth)
        except ledger.InsufficientPoints as error:
            raise serializers.ValidationError({"amount": [str(error)]}) from error
        return _answer(adjustment)

    @extend_schema(request=RefundSerializer, responses={201: CreditEntrySerializer, 202: CreditAdjustmentSerializer})
    @action(detail=False, methods=["post"])
    @idempotent
    def refund(self, request):
        """Give back money of an order as store credit: at most what was paid, less what was refunded and given back before.

        The shop gets a note with the order and pays nothing out. It answers as giving credit does, limits included.
        """
        serializer = RefundSerializer(data=request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        try:
            return _answer(adjusting.refund(by=request.auth, **serializer.validated_data))
        except paid.CannotGiveBack as error:
            raise serializers.ValidationError({"amount": [str(error)]}) from error


def _answer(adjustment: Adjustment) -> Response:
    if adjustment.entry is None:
        return Response(CreditAdjustmentSerializer(adjustment).data, status.HTTP_202_ACCEPTED)
    return Response(CreditEntrySerializer(adjustment.entry).data, status.HTTP_201_CREATED)


class CreditEntryViewSet(StoreScopedMixin, mixins.ListModelMixin, viewsets.GenericViewSet):
    """What moved store credit: every movement, never changed afterwards."""

    scope = "credit"
    lookup_value_regex = r"\d{1,18}"
    queryset = LedgerEntry.objects.exclude(account__unit=Account.Unit.POINTS).select_related("account", "order")
    serializer_class = CreditEntrySerializer
    filterset_class = CreditEntryFilter


class CreditAdjustmentViewSet(AdjustmentViewSet):
    """Store credit that was given or taken by hand or by a program, with the reason."""

    scope = "credit"
    queryset = Adjustment.objects.exclude(account__unit=Account.Unit.POINTS).select_related(
        "account__customer", "asked_by", "asked_by_key"
    )
    serializer_class = CreditAdjustmentSerializer


class CreditCodeFilter(filters.FilterSet):
    customer = filters.NumberFilter("account__customer_id")
    email = EmailFilter("account__customer__email")

    class Meta:
        model = Redemption
        fields = ["customer", "email", "state"]


class CreditCodeViewSet(CodeViewSet):
    """Coupons that store credit was turned into, and what became of them."""

    scope = "credit"
    queryset = Redemption.objects.exclude(account__unit=Account.Unit.POINTS).select_related("account__customer")
    serializer_class = CreditCodeSerializer
    filterset_class = CreditCodeFilter

    @extend_schema(request=SpendSerializer, responses={201: CreditCodeSerializer})
    @idempotent
    def create(self, request):
        """Turn a customer's credit into a coupon of exactly so much. The code is there once the shop has it, and is mailed to the customer."""
        serializer = SpendSerializer(data=request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        asked = serializer.validated_data
        try:
            made = spending.spend(request.auth.store, asked["customer"], asked["amount"], key=uuid.uuid4())
        except redeeming.CannotRedeem as error:
            raise serializers.ValidationError({"amount": [str(error)]}) from error
        return Response(CreditCodeSerializer(made).data, status.HTTP_201_CREATED)
