"""Parcels for merchants."""

import django_filters as filters
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from crm.rest.views import StoreScopedReadOnlyViewSet

from .models import Shipment, ShipmentItem, Status, TrackingEvent


class ShipmentItemSerializer(serializers.ModelSerializer):
    class Meta:
        model = ShipmentItem
        fields = ["line_item", "quantity"]


class TrackingEventSerializer(serializers.ModelSerializer):
    class Meta:
        model = TrackingEvent
        fields = ["id", "occurred_at", "status", "text", "place", "source"]


class ShipmentSerializer(serializers.ModelSerializer):
    items = ShipmentItemSerializer(many=True)
    events = TrackingEventSerializer(many=True)

    class Meta:
        model = Shipment
        fields = [
            "id", "order", "carrier", "carrier_name", "number", "url", "status", "shipped_at", "expected_from",
            "expected_until", "delivered_at", "removed_at", "created_at", "items", "events",
        ]  # fmt: skip


class ShipmentFilter(filters.FilterSet):
    order = filters.NumberFilter("order_id")
    status = filters.MultipleChoiceFilter(choices=Status.choices, help_text=_("One status; repeat it for several"))

    class Meta:
        model = Shipment
        fields = ["order", "status", "number"]


class ShipmentViewSet(StoreScopedReadOnlyViewSet):
    """An order's parcels, what is in each and what happened to it; `removed_at` says that the shop took one back."""

    scope = "orders"
    queryset = Shipment.objects.all()
    serializer_class = ShipmentSerializer
    filterset_class = ShipmentFilter
