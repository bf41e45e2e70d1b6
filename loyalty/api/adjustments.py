"""Adjustments that staff and programs asked for, and what became of them."""

import django_filters as filters
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers, viewsets

from crm.rest.views import StoreScopedMixin

from ..models import Account, Adjustment
from .of_customers import OfAccountFilter


class AdjustmentSerializer(serializers.ModelSerializer):
    customer = serializers.IntegerField(source="account.customer_id", read_only=True)
    email = serializers.CharField(source="account.customer.email", read_only=True)
    asked_by = serializers.CharField(
        source="asker", read_only=True, help_text=_("The member of staff, or the key's name and beginning")
    )

    class Meta:
        model = Adjustment
        fields = [
            "id", "account", "customer", "email", "points", "reason", "state", "entry", "asked_by", "asked_at", "decided_at",
        ]  # fmt: skip
        extra_kwargs = {
            "state": {"help_text": _("Waiting ones are approved or refused by an owner, who did not ask for them")},
            "entry": {"help_text": _("Null until it is posted")},
        }


class AdjustmentFilter(OfAccountFilter):
    asked_after = filters.IsoDateTimeFilter("asked_at", "gte")
    asked_before = filters.IsoDateTimeFilter("asked_at", "lt")

    class Meta:
        model = Adjustment
        fields = ["account", "customer", "customer_woo_id", "email", "state"]


class AdjustmentViewSet(StoreScopedMixin, viewsets.ReadOnlyModelViewSet):
    """Points that were added or taken away by hand or by a program, with the reason."""

    scope = "loyalty"
    lookup_value_regex = r"\d{1,18}"
    queryset = Adjustment.objects.filter(account__unit=Account.Unit.POINTS).select_related(
        "account__customer", "asked_by", "asked_by_key"
    )
    serializer_class = AdjustmentSerializer
    filterset_class = AdjustmentFilter
