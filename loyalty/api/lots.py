"""Lots of points: what a balance is made of, and when it expires."""

import django_filters as filters
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers, viewsets

from crm.rest.views import StoreScopedMixin

from ..models import Account, Lot
from .of_customers import OfAccountFilter


class LotSerializer(serializers.ModelSerializer):
    customer = serializers.IntegerField(source="account.customer_id", read_only=True)

    class Meta:
        model = Lot
        fields = [
            "id", "account", "customer", "entry", "order", "granted", "remaining", "available_from", "released_at", "expires_at",
        ]  # fmt: skip
        extra_kwargs = {
            "entry": {"help_text": _("The entry that brought the points")},
            "available_from": {"help_text": _("When they may be spent; null while the order is on its way")},
            "released_at": {"help_text": _("Since when they may be spent; null: pending")},
            "expires_at": {"help_text": _("From then on they are gone; null: no day is known")},
        }


class LotFilter(OfAccountFilter):
    order = filters.NumberFilter("order_id")
    open = filters.BooleanFilter("is_open")
    pending = filters.BooleanFilter("released_at", "isnull")
    expires_after = filters.IsoDateTimeFilter("expires_at", "gte")
    expires_before = filters.IsoDateTimeFilter("expires_at", "lt")

    class Meta:
        model = Lot
        fields = ["account", "customer", "customer_woo_id", "email", "order"]


class LotViewSet(StoreScopedMixin, viewsets.ReadOnlyModelViewSet):
    """Points that came in together: they become usable together, expire together, and are spent from here."""

    scope = "loyalty"
    lookup_value_regex = r"\d{1,18}"
    queryset = Lot.objects.filter(account__unit=Account.Unit.POINTS).select_related("account")
    serializer_class = LotSerializer
    filterset_class = LotFilter
