"""Members for merchants' programs: who takes part, joining and leaving."""

import django_filters as filters
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.response import Response

from crm.orders.models import Customer
from crm.rest.filters import EmailFilter
from crm.rest.idempotency import idempotent
from crm.rest.views import StoreScopedMixin

from .. import members, programs
from ..models import Member


class MemberSerializer(serializers.ModelSerializer):
    email = serializers.CharField(source="customer.email", read_only=True)

    class Meta:
        model = Member
        fields = ["id", "customer", "email", "joined_at", "joined_by", "left_at", "left_by", "points_until"]
        extra_kwargs = {
            "left_at": {"help_text": _("Null while the customer takes part")},
            "points_until": {"help_text": _("Until then whoever left may come back to their points")},
        }


class JoinSerializer(serializers.Serializer):
    customer = serializers.IntegerField(help_text=_("The customer's `id`"))

    def validate_customer(self, pk):
        customer = Customer.objects.for_store(self.context["request"].auth.store).current().filter(pk=pk).first()
        if customer is None:
            raise serializers.ValidationError(_("There is no such customer."))
        return customer


class MemberFilter(filters.FilterSet):
    customer = filters.NumberFilter("customer_id")
    email = EmailFilter("customer__email")
    current = filters.BooleanFilter("left_at", lookup_expr="isnull")

    class Meta:
        model = Member
        fields = ["customer", "email", "joined_by"]


class MemberViewSet(StoreScopedMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    """Who takes part in the programme and who left. Whoever comes back has another row."""

    scope = "loyalty"
    lookup_value_regex = r"\d{1,18}"
    queryset = Member.objects.select_related("customer")
    serializer_class = MemberSerializer
    filterset_class = MemberFilter

    @extend_schema(request=JoinSerializer, responses={201: MemberSerializer})
    @idempotent
    def create(self, request):
        """Have a customer take part. Answers the row that is there if they do already."""
        store = request.auth.store
        serializer = JoinSerializer(data=request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        _program(store)
        row, _new = members.join(store, serializer.validated_data["customer"], Member.Way.API, timezone.now())
        return Response(MemberSerializer(row).data, status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=MemberSerializer)
    @action(detail=True, methods=["post"])
    def leave(self, request, pk):
        """End the customer's part; their points are kept for the programme's days. To say it again changes nothing."""
        row = self.get_object()
        if not row.has_left:
            program = _program(request.auth.store)
            row = members.leave(program, row.customer, Member.Way.API, timezone.now()) or row
        return Response(MemberSerializer(row).data)


def _program(store):
    program = programs.of(store)
    if program is None:
        raise serializers.ValidationError(_("The store has no points programme."))
    return program
