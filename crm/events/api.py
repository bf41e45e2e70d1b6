import django_filters as filters
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from crm.rest.views import StoreScopedReadOnlyViewSet

from .models import Event


class EventSerializer(serializers.ModelSerializer):
    class Meta:
        model = Event
        fields = ["id", "type", "key", "customer", "order", "data", "occurred_at", "created_at"]


class EventFilter(filters.FilterSet):
    type = filters.BaseInFilter(help_text=_("One type, or several with commas between"))
    customer = filters.NumberFilter("customer_id")
    order = filters.NumberFilter("order_id")
    occurred_after = filters.IsoDateTimeFilter("occurred_at", "gte")
    occurred_before = filters.IsoDateTimeFilter("occurred_at", "lt")

    class Meta:
        model = Event
        fields = ["type", "customer", "order"]


class EventViewSet(StoreScopedReadOnlyViewSet):
    """What happened, newest first. A fact is recorded once and never changes."""

    scope = "events"
    queryset = Event.objects.all()
    serializer_class = EventSerializer
    filterset_class = EventFilter
