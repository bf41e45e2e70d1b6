"""Earning rules and campaigns for merchants' programs, and trials of them on past orders."""

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.response import Response

from crm.orders.models import Category, Product
from crm.rest.fields import OfStore
from crm.rest.idempotency import idempotent
from crm.rest.views import StoreScopedMixin
from crm.stores.models import ApiKey

from .. import explaining, trials
from ..models import Campaign, EarningRule, Trial


class OfKeysStore(serializers.ModelSerializer):
    """Writes a row of the key's store; the model's own checks say what is wrong."""

    def validate(self, values):
        row = self.instance or self.Meta.model(store=self.context["request"].auth.store)
        before = {name: getattr(row, name) for name in values}
        for name, value in values.items():
            setattr(row, name, value)
        try:
            row.full_clean()
        except ValidationError as error:
            raise serializers.ValidationError(serializers.as_serializer_error(error)) from error
        finally:
            for name, value in before.items():
                setattr(row, name, value)
        return values

    def create(self, values):
        return super().create(values | {"store": self.context["request"].auth.store})


class RuleSerializer(OfKeysStore):
    product = OfStore(queryset=Product.objects.all(), required=False, allow_null=True)
    category = OfStore(queryset=Category.objects.all(), required=False, allow_null=True)
    name = serializers.SerializerMethodField(help_text=_("What the rule is for"))

    class Meta:
        model = EarningRule
        fields = ["id", "name", "product", "category", "rate", "active", "created_at"]
        extra_kwargs = {"active": {"default": False, "help_text": _("False: a draft, which can be tried")}}
        validators: list = []

    def get_name(self, rule) -> str:
        return explaining.thing(rule)


class CampaignSerializer(OfKeysStore):
    class Meta:
        model = Campaign
        fields = [
            "id", "name", "multiplier", "bonus", "starts_at", "ends_at", "weekdays", "product_ids", "category_ids", "tiers",
            "minimum_spend", "active", "created_at",
        ]  # fmt: skip
        extra_kwargs = {"active": {"default": False}, "weekdays": {"help_text": _("0 is Monday; none: every day")}}
        validators: list = []

    def validate(self, values):
        store = self.context["request"].auth.store
        for name, model in (("product_ids", Product), ("category_ids", Category)):
            wanted = set(values.get(name, ()))
            if len(wanted) != model.objects.for_store(store).filter(pk__in=wanted).count():
                raise serializers.ValidationError({name: _("Not all of them are this store's.")})
        return super().validate(values)


class TrySerializer(serializers.Serializer):
    days = serializers.ChoiceField(Trial.Days.choices, default=Trial.Days.MONTH)


class TrialSerializer(serializers.ModelSerializer):
    class Meta:
        model = Trial
        fields = ["id", "of", "object_id", "name", "days", "state", "checked", "total", "result", "created_at"]
        extra_kwargs = {
            "result": {
                "help_text": _(
                    "Null until it is done: orders, affected, now, then, value_now, value_then, cost, biggest"
                )
            }
        }


class Tryable:
    """What is on decides how many points every order gives, and no limit of adjustments stands before it: to touch it the key needs credit:write too."""

    def _require(self, *is_on):
        if any(is_on):
            self.require_scope(ApiKey.Scope.CREDIT_WRITE)

    def perform_create(self, serializer):
        self._require(serializer.validated_data.get("active"))
        super().perform_create(serializer)

    def perform_update(self, serializer):
        self._require(serializer.instance.active, serializer.validated_data.get("active"))
        super().perform_update(serializer)

    def perform_destroy(self, instance):
        self._require(instance.active)
        super().perform_destroy(instance)

    @extend_schema(request=TrySerializer, responses={201: TrialSerializer})
    @action(detail=True, methods=["post"], url_path="try", serializer_class=TrySerializer)
    @idempotent
    def try_out(self, request, pk):
        """Work out the orders of the last weeks as if this were switched on. Posts nothing; ask `loyalty/trials/{id}/` for the result."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        trial = trials.ask(self.get_object(), days=serializer.validated_data["days"])
        return Response(TrialSerializer(trial).data, status.HTTP_201_CREATED)

    @idempotent
    def create(self, request, *args, **kwargs):
        return super().create(request, *args, **kwargs)


class RuleViewSet(Tryable, StoreScopedMixin, viewsets.ModelViewSet):
    """Other rates for products, variations and categories. A change counts from now on and never for what was earned.

    A key with loyalty:write drafts them and has drafts tried; to switch one on or off, to change or delete one that is on, it needs credit:write too.
    """

    scope = "loyalty"
    lookup_value_regex = r"\d{1,18}"
    http_method_names = ["get", "post", "patch", "delete", "head", "options"]
    queryset = EarningRule.objects.select_related("store", "product__parent", "category")
    serializer_class = RuleSerializer
    filterset_fields = ["active", "product", "category"]


class CampaignViewSet(Tryable, StoreScopedMixin, viewsets.ModelViewSet):
    """More points for a time, for some goods or the members of a tier.

    A key with loyalty:write drafts them and has drafts tried; to switch one on or off, to change or delete one that is on, it needs credit:write too.
    """

    scope = "loyalty"
    lookup_value_regex = r"\d{1,18}"
    http_method_names = ["get", "post", "patch", "delete", "head", "options"]
    queryset = Campaign.objects.select_related("store")
    serializer_class = CampaignSerializer
    filterset_fields = ["active"]


class TrialViewSet(StoreScopedMixin, viewsets.ReadOnlyModelViewSet):
    """What rules would have given on past orders."""

    scope = "loyalty"
    lookup_value_regex = r"\d{1,18}"
    queryset = Trial.objects.all()
    serializer_class = TrialSerializer
    filterset_fields = ["state"]
