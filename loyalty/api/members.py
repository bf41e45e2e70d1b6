"""Members, tiers and invited friends for merchants' programs."""

import django_filters as filters
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.response import Response

from crm.rest.filters import EmailFilter
from crm.rest.idempotency import idempotent
from crm.rest.views import StoreScopedMixin

from .. import members, programs, referrals
from ..models import Member, Referral, Tier
from .of_customers import ForCustomerSerializer


class MemberSerializer(serializers.ModelSerializer):
    email = serializers.CharField(source="customer.email", read_only=True)

    class Meta:
        model = Member
        fields = ["id", "customer", "email", "joined_at", "joined_by", "left_at", "left_by", "points_until"]
        extra_kwargs = {
            "left_at": {"help_text": _("Null while the customer takes part")},
            "points_until": {"help_text": _("Until then whoever left may come back to their points")},
        }


class JoinSerializer(ForCustomerSerializer):
    """Who is to take part."""


class MemberFilter(filters.FilterSet):
    customer = filters.NumberFilter("customer_id")
    customer_woo_id = filters.NumberFilter("customer__woo_id")
    email = EmailFilter("customer__email")
    joined_after = filters.IsoDateTimeFilter("joined_at", "gte")
    joined_before = filters.IsoDateTimeFilter("joined_at", "lt")
    current = filters.BooleanFilter("left_at", lookup_expr="isnull")

    class Meta:
        model = Member
        fields = ["customer", "customer_woo_id", "email", "joined_by"]


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


class TierSerializer(serializers.ModelSerializer):
    members = serializers.IntegerField(read_only=True, help_text=_("How many are in it now"))

    class Meta:
        model = Tier
        fields = ["id", "key", "name", "threshold", "multiplier", "perks", "colour", "members"]
        extra_kwargs = {
            "threshold": {"help_text": _("Money, points or orders within the year, as the programme measures")},
        }


class TierViewSet(StoreScopedMixin, viewsets.ReadOnlyModelViewSet):
    """The tiers that members reach."""

    scope = "loyalty"
    lookup_value_regex = r"\d{1,18}"
    queryset = Tier.objects.annotate(members=Count("standings"))
    serializer_class = TierSerializer


class ReferralSerializer(serializers.ModelSerializer):
    class Meta:
        model = Referral
        fields = [
            "id", "member", "friend_email", "state", "reason", "flags", "order", "created_at", "lapses_at", "ordered_at",
            "delivered_at", "due_at", "rewarded_at", "decided_at", "decision",
        ]  # fmt: skip
        extra_kwargs = {
            "flags": {"help_text": _("What looks odd; it is not rewarded before somebody approves")},
            "due_at": {"help_text": _("When the order can't be sent back any more")},
        }


class DecisionSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=300)


class ReferralFilter(filters.FilterSet):
    member = filters.NumberFilter("member_id")
    member_woo_id = filters.NumberFilter("member__woo_id")
    email = EmailFilter("friend_email")
    created_after = filters.IsoDateTimeFilter("created_at", "gte")
    created_before = filters.IsoDateTimeFilter("created_at", "lt")
    undecided = filters.BooleanFilter(method="filter_undecided")

    class Meta:
        model = Referral
        fields = ["member", "member_woo_id", "email", "state"]

    def filter_undecided(self, queryset, name, value):
        return queryset.undecided() if value else queryset


class ReferralViewSet(StoreScopedMixin, viewsets.ReadOnlyModelViewSet):
    """Friends whom members invited, from the address they left to the reward."""

    scope = "loyalty"
    lookup_value_regex = r"\d{1,18}"
    queryset = Referral.objects.all()
    serializer_class = ReferralSerializer
    filterset_class = ReferralFilter

    @extend_schema(request=DecisionSerializer, responses=ReferralSerializer)
    @action(detail=True, methods=["post"], serializer_class=DecisionSerializer)
    def approve(self, request, pk):
        """What looks odd is in order: the reward comes when it is due."""
        return self._decide(request, referrals.approve)

    @extend_schema(request=DecisionSerializer, responses=ReferralSerializer)
    @action(detail=True, methods=["post"], serializer_class=DecisionSerializer)
    def decline(self, request, pk):
        """No reward; the member is told so, with the reason."""
        return self._decide(request, referrals.decline)

    @extend_schema(request=None, responses=ReferralSerializer)
    @action(detail=True, methods=["post"])
    def reopen(self, request, pk):
        """Undo that it was declined by staff or a program: it goes on from where the friend's order is now, and is to be decided again if it looks odd."""
        try:
            referral = referrals.reopen(self.get_object(), timezone.now())
        except referrals.Decided as error:
            raise serializers.ValidationError(str(error)) from error
        return Response(ReferralSerializer(referral).data)

    def _decide(self, request, verb):
        referral = self.get_object()
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        try:
            referral = verb(referral, request.auth, serializer.validated_data["reason"], timezone.now())
        except referrals.Decided as error:
            raise serializers.ValidationError(str(error)) from error
        return Response(ReferralSerializer(referral).data)
