"""Points for merchants: accounts, entries, and the one way to change a balance."""

import django_filters as filters
from django.db.models import OuterRef
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.response import Response

from crm.rest.filters import EmailFilter
from crm.rest.idempotency import idempotent
from crm.rest.views import StoreScopedMixin

from .. import explaining, ledger
from ..models import Account, Freeze, LedgerEntry, Program
from .adjustments import AdjustmentSerializer
from .of_customers import OfAccountFilter


class AccountSerializer(serializers.ModelSerializer):
    email = serializers.CharField(source="customer.email", read_only=True)
    worth = serializers.SerializerMethodField(
        help_text=_("Money value of the balance in `currency`; null if the programme shows none")
    )
    currency = serializers.CharField(source="store.currency", read_only=True)

    frozen_since = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text=_("While staff check the account nothing can be redeemed; else null")
    )

    class Meta:
        model = Account
        fields = [
            "id",
            "customer",
            "email",
            "balance",
            "pending",
            "earned",
            "worth",
            "currency",
            "tier",
            "frozen_since",
            "created_at",
        ]
        extra_kwargs = {
            "balance": {
                "help_text": _("Whole points that can be spent; below zero only where the programme allows it")
            },
            "pending": {"help_text": _("Earned, and to be spent some days after the order has arrived")},
            "tier": {"help_text": _("The key of the tier that the customer is in; empty for none")},
            "earned": {"help_text": _("All that was earned and not taken back, spent or not")},
        }

    def get_worth(self, account) -> str | None:
        program = self.context.get("program")
        worth = program and program.worth(account.balance)
        return None if worth is None else str(worth)


class EntrySerializer(serializers.ModelSerializer):
    customer = serializers.IntegerField(source="account.customer_id", read_only=True)
    explanation = serializers.SerializerMethodField(help_text=_("`rule` in sentences"))

    class Meta:
        model = LedgerEntry
        fields = [
            "id", "account", "customer", "number", "kind", "points", "pending", "shortfall", "balance_after", "cause", "order",
            "reverses", "rule", "explanation", "note", "created_at",
        ]  # fmt: skip
        extra_kwargs = {
            "number": {"help_text": _("The account's entries are numbered from 1 without a gap")},
            "points": {"help_text": _("What the entry does to the balance: reverse, redeem and expire are negative")},
            "pending": {"help_text": _("What it does to the pending points; a release moves them to the balance")},
            "reverses": {"help_text": _("The redemption whose points a return gives back")},
            "shortfall": {"help_text": _("What a reversal could not take, because it was spent")},
            "cause": {"help_text": _("Why it was posted; the same cause posts once per account and kind")},
            "rule": {"help_text": _("Rate, rounding, base and result as they were when this was posted")},
        }

    def get_explanation(self, entry) -> list[str]:
        return explaining.explain(entry)


class AdjustSerializer(serializers.Serializer):
    points = serializers.IntegerField(
        min_value=-ledger.MOST_POINTS, max_value=ledger.MOST_POINTS, help_text=_("To add, or with a minus to take away")
    )
    reason = serializers.CharField(max_length=300, help_text=_("The customer reads it in the statement"))

    def validate_points(self, points):
        if not points:
            raise serializers.ValidationError(_("Nothing would change."))
        return points


class AccountFilter(filters.FilterSet):
    customer = filters.NumberFilter("customer_id")
    customer_woo_id = filters.NumberFilter("customer__woo_id")
    email = EmailFilter("customer__email")
    created_after = filters.IsoDateTimeFilter("created_at", "gte")
    created_before = filters.IsoDateTimeFilter("created_at", "lt")

    class Meta:
        model = Account
        fields = ["customer", "customer_woo_id", "email", "tier"]


class EntryFilter(OfAccountFilter):
    order = filters.NumberFilter("order_id")
    created_after = filters.IsoDateTimeFilter("created_at", "gte")
    created_before = filters.IsoDateTimeFilter("created_at", "lt")

    class Meta:
        model = LedgerEntry
        fields = ["account", "customer", "customer_woo_id", "email", "order", "kind"]


class AccountViewSet(StoreScopedMixin, viewsets.ReadOnlyModelViewSet):
    """Points accounts: one for each customer who ever had points."""

    scope = "loyalty"
    lookup_value_regex = r"\d{1,18}"
    queryset = (
        Account.objects.points()
        .select_related("customer", "store")
        .annotate(frozen_since=Freeze.objects.current().since(OuterRef("customer")))
    )
    serializer_class = AccountSerializer
    filterset_class = AccountFilter

    def get_serializer_context(self):
        context = super().get_serializer_context()
        if not self.swagger_fake_view:
            store = self.request.auth.store
            context["program"] = Program.objects.for_store(store).select_related("store").first()
        return context

    @extend_schema(
        request=AdjustSerializer,
        responses={201: EntrySerializer, 202: AdjustmentSerializer},
        examples=[
            OpenApiExample("Give points", {"points": 200, "reason": "Sorry for the delay"}, request_only=True),
            OpenApiExample("Take points", {"points": -150, "reason": "Booked twice"}, request_only=True),
        ],
    )
    @action(detail=True, methods=["post"], serializer_class=AdjustSerializer)
    @idempotent
    def adjust(self, request, pk):
        """Add or take away points with a reason; more than there is can't be taken away. Answers 201 with the new entry.

        Beyond the programme's limit for a day it answers 202 with an adjustment that waits for an owner: see `loyalty/adjustments/`.
        """
        account = self.get_object()
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        asked = serializer.validated_data
        try:
            adjustment = ledger.adjust(account, asked["points"], asked["reason"], request.auth)
        except ledger.InsufficientPoints as error:
            raise serializers.ValidationError({"points": str(error)}) from error
        if adjustment.entry is None:
            return Response(AdjustmentSerializer(adjustment).data, status.HTTP_202_ACCEPTED)
        entry = EntrySerializer(adjustment.entry, context=self.get_serializer_context())
        return Response(entry.data, status.HTTP_201_CREATED)


class EntryViewSet(StoreScopedMixin, viewsets.ReadOnlyModelViewSet):
    """The points ledger: every movement, never changed afterwards."""

    scope = "loyalty"
    lookup_value_regex = r"\d{1,18}"
    queryset = LedgerEntry.objects.filter(account__unit=Account.Unit.POINTS).select_related(
        "account__customer", "order"
    )
    serializer_class = EntrySerializer
    filterset_class = EntryFilter
