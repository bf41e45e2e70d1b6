"""What is written into the shop, for merchants' programs: to see how it went, and to have more written."""

import uuid

import django_filters as filters
import orjson
from django.db.models import Case, CharField, DateTimeField, F, Func, Q, Value, When
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiResponse, PolymorphicProxySerializer, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.response import Response

from crm.orders.models import GIFT_CARD, Order
from crm.rest.idempotency import idempotent
from crm.rest.views import StoreScopedReadOnlyViewSet
from crm.work.wake import wake

from . import push
from .models import Push

# Reasons of programs stand apart from those of our own rooms.
OUTSIDE = "api:"


class PushSerializer(serializers.ModelSerializer):
    error = serializers.CharField(source="problem", help_text=_("Why it was refused, given up, or did not work so far"))
    next_try_at = serializers.DateTimeField(allow_null=True, help_text=_("Empty once it is settled"))

    class Meta:
        model = Push
        fields = [
            "id", "kind", "key", "outcome", "payload", "answer", "woo_id", "order", "customer", "error", "attempts",
            "sent_at", "next_try_at", "settled_at", "created_at",
        ]  # fmt: skip


@extend_schema_field(
    PolymorphicProxySerializer(
        "PushPayload", lambda: [kind.payload for kind in push.KINDS.values()], resource_type_field_name=None
    )
)
class PayloadField(serializers.DictField):
    """What to write, as its kind takes it. Orders, customers and products go by their numbers in the shop."""


class NewPushSerializer(serializers.Serializer):
    kind = serializers.ChoiceField([])
    payload = PayloadField()
    key = serializers.CharField(
        max_length=100,
        required=False,
        help_text=_("Names the reason: one reason is written once. Shown with `api:` before it."),
    )

    def get_fields(self):
        fields = super().get_fields()
        fields["kind"] = serializers.ChoiceField(list(push.KINDS))
        return fields

    def validate(self, values):
        number = values["payload"].get("order")
        store = self.context["request"].auth.store
        if isinstance(number, int) and not Order.objects.for_store(store).filter(woo_id=number).exists():
            raise serializers.ValidationError({"payload": {"order": [_("There is no order of this number.")]}})
        return values


class PushFilter(filters.FilterSet):
    kind = filters.BaseInFilter(help_text=_("One kind, or several with commas between"))
    outcome = filters.BaseInFilter(help_text=_("One outcome, or several with commas between"))
    order = filters.NumberFilter("order_id")
    customer = filters.NumberFilter("customer_id")
    created_after = filters.IsoDateTimeFilter("created_at", "gte")
    created_before = filters.IsoDateTimeFilter("created_at", "lt")

    class Meta:
        model = Push
        fields = ["kind", "outcome", "key", "order", "customer"]


class PushViewSet(StoreScopedReadOnlyViewSet):
    """Writes into the shop, newest first.

    `queued` and `sent` are under way; `confirmed` is in the shop as it was asked for; `refused` (the text says why) and
    `given_up` (the shop could not be reached for a day) wait for somebody to have them tried again or withdrawn.
    """

    scope = "pushes"
    # The rest of an error says where in the program it happened.
    queryset = Push.objects.annotate(
        problem=Func(F("error"), Value("\n"), Value(1), function="split_part", output_field=CharField()),
        next_try_at=Case(
            When(Q(state__in=["due", "running"]), then=F("due_at")), default=None, output_field=DateTimeField()
        ),
    )
    serializer_class = PushSerializer
    filterset_class = PushFilter

    def get_queryset(self):
        rows = super().get_queryset()
        if self.has_scope("credit:read"):
            return rows
        # The code of a gift card is money.
        return rows.exclude(kind="coupon", payload__description__startswith=GIFT_CARD)

    @extend_schema(
        request=NewPushSerializer,
        responses={
            200: OpenApiResponse(PushSerializer, _("This key's write, which was asked for before")),
            201: PushSerializer,
        },
    )
    @idempotent
    def create(self, request, *args, **kwargs):
        """Have something written into the shop. The answer comes at once; `outcome` tells later how it went."""
        serializer = NewPushSerializer(data=request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        asked, store, at = serializer.validated_data, request.auth.store, timezone.now()
        key = f"{OUTSIDE}{asked.get('key') or uuid.uuid4()}"
        held = Push.objects.for_store(store).filter(kind=asked["kind"], key=key).first()
        try:
            if held and push.KINDS[held.kind].payload.cleaned(store, asked["payload"], at) != held.payload:
                raise serializers.ValidationError({"key": [_("This key was used for another write.")]})
            row = held or push.queue(store, asked["kind"], key, asked["payload"], at=at)
        except push.BadPayload as error:
            raise serializers.ValidationError({"payload": error.errors}) from error
        return self._answer(row, status.HTTP_200_OK if held else status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=PushSerializer)
    @action(detail=True, methods=["post"])
    def retry(self, request, pk):
        """Try one again that was refused or given up. What it may have made in the shop is looked for first."""
        row = self.get_object()
        if not Push.objects.filter(pk=row.pk).retry():
            raise serializers.ValidationError(_("Only what was refused or given up is tried again."))
        wake(Push)
        return self._answer(row)

    @extend_schema(request=None, responses=PushSerializer)
    @action(detail=True, methods=["post"])
    def withdraw(self, request, pk):
        """Have it written no more. Too late for what is in the shop, or may be."""
        row = self.get_object()
        try:
            is_done = push.withdraw(row, timezone.now())
        except push.StillOwed as error:
            raise serializers.ValidationError(str(error)) from error
        if not is_done:
            raise serializers.ValidationError(_("It is too late for that."))
        return self._answer(row)

    def _answer(self, row, code=status.HTTP_200_OK):
        found = self._as_json(self.get_queryset().filter(pk=row.pk)).get()
        return Response(orjson.Fragment(found["json"]), code)
