"""Rewards for merchants' programs: the catalogue, and taking one for a customer."""

import uuid

import django_filters as filters
from django.conf import settings
from django.db.models import Prefetch
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.response import Response

from crm.orders.models import Product
from crm.rest.fields import NamedOfStore
from crm.rest.idempotency import idempotent
from crm.rest.views import StoreScopedMixin
from crm.stores.models import ApiKey

from .. import coupon_limits, gifts, redeeming, redemptions, rests, rewards
from ..models import Account, Gift, Redemption, Reward, Tier
from .of_customers import ForCustomerSerializer, OfAccountFilter
from .rules import OfKeysStore


class ShownName(serializers.CharField):
    """Reads what customers read, and writes the shop's own words."""

    def get_attribute(self, reward):
        return str(reward)


class RewardWordsSerializer(serializers.Serializer):
    name = serializers.CharField(max_length=80, required=False, allow_blank=True)
    description = serializers.CharField(max_length=300, required=False, allow_blank=True)


class GoodsField(serializers.DictField):
    """Numbers in the shop by part; kept with their names."""

    child = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1), max_length=coupon_limits.MOST
    )

    def to_representation(self, goods):
        return coupon_limits.numbers(goods)


class RewardSerializer(OfKeysStore):
    name = ShownName(
        max_length=80, required=False, allow_blank=True, help_text=_("As customers read it. Write nothing for what it gives, in words.")
    )  # fmt: skip
    product = NamedOfStore(
        slug_field="woo_id", queryset=Product.objects.all(), required=False, allow_null=True, help_text=_("Its number in the shop")
    )  # fmt: skip
    version = serializers.SerializerMethodField(help_text=_("Changes with the price and the terms"))
    currency = serializers.CharField(source="store.currency", read_only=True)
    tier = NamedOfStore(
        slug_field="key", queryset=Tier.objects.all(), required=False, allow_null=True, help_text=_("Of this tier on; its key")
    )  # fmt: skip
    translations = serializers.DictField(
        child=RewardWordsSerializer(), required=False, help_text=_("`name` and `description` by language; else those of the reward hold")
    )  # fmt: skip

    goods = GoodsField(
        required=False, help_text=_("Numbers in the shop of `products` or `categories`, `excluded_products`, `excluded_categories`")
    )  # fmt: skip

    class Meta:
        model = Reward
        validators: list = []
        fields = [
            "id", "kind", "name", "description", "amount", "product", "currency", "points", "fewest", "most", "step", "minimum_order",
            "maximum_order", "excludes_sale", "goods", "individual_use", "valid_days", "stock", "per_customer", "per_year", "tier", "returns_expired", "returns_refunded",
            "available_from", "available_until", "active", "position", "translations", "version",
        ]  # fmt: skip

    def get_version(self, reward) -> str:
        return rewards.version(reward)

    def validate_translations(self, said):
        if unknown := said.keys() - dict(settings.LANGUAGES).keys():
            raise serializers.ValidationError(
                _("Not a language of ours: %(names)s.") % {"names": ", ".join(sorted(unknown))}
            )
        told = {language: {part: text for part, text in words.items() if text} for language, words in said.items()}
        return {language: words for language, words in told.items() if words}

    def validate_goods(self, said):
        if unknown := said.keys() - set(coupon_limits.PARTS):
            raise serializers.ValidationError(_("No such part: %(names)s.") % {"names": ", ".join(sorted(unknown))})
        store, chosen = self.context["request"].auth.store, {}
        for part, wanted in said.items():
            chosen[part] = list(coupon_limits.model_of(part).objects.for_store(store).filter(woo_id__in=wanted))
            if missing := set(wanted) - {thing.woo_id for thing in chosen[part]}:
                numbers = ", ".join(map(str, sorted(missing)))
                raise serializers.ValidationError({part: _("Not this store's: %(numbers)s.") % {"numbers": numbers}})
        return coupon_limits.described(chosen)

    def update(self, reward, values):
        for name, value in values.items():
            setattr(reward, name, value)
        # Nothing else: somebody may be taking one from the stock.
        reward.save(update_fields=[*values])
        return reward


def _reads_money(serializer) -> bool:
    """A gift card's code is money for whoever has it, which a key for points alone does not handle."""
    return serializer.context["view"].has_scope(ApiKey.Scope.CREDIT_READ)


def _code(serializer, redemption) -> str | None:
    if redemption.is_gift and not _reads_money(serializer):
        return None
    return None if redemption.state in (Redemption.State.PENDING, Redemption.State.FAILED) else redemption.code or None


class RestSerializer(serializers.ModelSerializer):
    """Another code of a gift card, for what an order left of it."""

    code = serializers.SerializerMethodField()
    amount = serializers.CharField(source="terms.amount", read_only=True)

    class Meta:
        model = Redemption
        fields = ["code", "amount", "state", "expires_at", "order", "error", "created_at"]

    def get_code(self, rest) -> str | None:
        return _code(self, rest)


class GiftSerializer(serializers.ModelSerializer):
    delivery = serializers.ChoiceField(Gift.Delivery.choices, read_only=True)
    spent = serializers.SerializerMethodField(help_text=_("What paid orders took off with its codes"))
    left = serializers.SerializerMethodField(help_text=_("What its codes can still take off"))
    rests = RestSerializer(
        source="redemption.rests", many=True, read_only=True,
        help_text=_("Its codes after the first one, each for what an order left; the oldest first"),
    )  # fmt: skip
    url = serializers.SerializerMethodField(
        help_text=_("A page that shows the code to whoever has the link; null for a key without credit:read")
    )

    class Meta:
        model = Gift
        fields = ["sender", "recipient", "message", "delivery", "url", "spent", "left", "rests"]

    def get_url(self, gift) -> str | None:
        return gifts.url(gift) if _reads_money(self) else None

    def get_spent(self, gift) -> str:
        return f"{rests.standing(gift.redemption).spent:f}"

    def get_left(self, gift) -> str:
        return f"{rests.standing(gift.redemption).left:f}"


class RedemptionSerializer(serializers.ModelSerializer):
    customer = serializers.IntegerField(source="account.customer_id", read_only=True)
    email = serializers.CharField(source="account.customer.email", read_only=True)
    points = serializers.IntegerField(read_only=True)
    gift = GiftSerializer(default=None, read_only=True, help_text=_("Of a gift card, whom it is for; else null"))
    code = serializers.SerializerMethodField(
        help_text=_(
            "Null until the shop has it, where none is needed, and of a gift card for a key without credit:read"
        )
    )

    class Meta:
        model = Redemption
        fields = [
            "id", "reward", "customer", "email", "state", "code", "points", "terms", "expires_at", "order", "gift", "error",
            "ended_at", "created_at",
        ]  # fmt: skip
        extra_kwargs = {
            "ended_at": {"help_text": _("When a gift card was ended, with all of its codes and for good")},
            "terms": {"help_text": _("The reward as it was when it was taken")},
            "order": {"help_text": _("The order it was used in")},
        }

    def get_code(self, redemption) -> str | None:
        return _code(self, redemption)


class WishSerializer(serializers.Serializer):
    recipient = serializers.EmailField(
        max_length=320,
        required=False,
        allow_blank=True,
        help_text=_("Who gets the mail; empty: the giver hands it over"),
    )
    message = serializers.CharField(max_length=300, required=False, allow_blank=True)


class RedeemSerializer(ForCustomerSerializer):
    reward = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    points = serializers.IntegerField(
        min_value=1, max_value=10**13, required=False, help_text=_("How many to spend, where the customer chooses")
    )
    version = serializers.CharField(
        max_length=16, required=False, help_text=_("Of the reward as the customer saw it; another one now is refused")
    )
    gift = WishSerializer(required=False, help_text=_("Of a gift card: whom it is for"))


class EndSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=300, help_text=_("Kept in the event log, as `gift_card.ended`"))


class RedemptionFilter(OfAccountFilter):
    reward = filters.NumberFilter("reward_id")
    kind = filters.ChoiceFilter(field_name="reward__kind", choices=Reward.Kind.choices)
    created_after = filters.IsoDateTimeFilter("created_at", "gte")
    created_before = filters.IsoDateTimeFilter("created_at", "lt")

    class Meta:
        model = Redemption
        fields = ["account", "customer", "customer_woo_id", "email", "reward", "kind", "state"]


class RewardViewSet(StoreScopedMixin, viewsets.ModelViewSet):
    """What points buy, with the rewards that are not offered at the moment.

    Whoever makes a reward or changes one decides what points are worth, so the key needs credit:write too. A reward that is not offered
    any more is switched off (`active`): what was taken of it goes on to name it. Who took it keeps it as it was.
    """

    scope = "loyalty"
    http_method_names = ["get", "post", "patch", "head", "options"]
    lookup_value_regex = r"\d{1,18}"
    queryset = Reward.objects.select_related("store", "tier", "product")
    serializer_class = RewardSerializer
    filterset_fields = ["active", "kind"]

    @idempotent
    def create(self, request, *args, **kwargs):
        self.require_scope(ApiKey.Scope.CREDIT_WRITE)
        return super().create(request, *args, **kwargs)

    def partial_update(self, request, *args, **kwargs):
        self.require_scope(ApiKey.Scope.CREDIT_WRITE)
        return super().partial_update(request, *args, **kwargs)


class CodeViewSet(StoreScopedMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    """Coupons of the shop that a customer has, whatever they were made of."""

    lookup_value_regex = r"\d{1,18}"

    @extend_schema(request=None)
    @action(detail=True, methods=["post"], url_path="hand-back")
    def hand_back(self, request, pk):
        """Have the shop delete the code unused. What it cost comes back once it has; until then the state is `returning`."""
        redemption = self.get_object()
        try:
            redemption = redemptions.hand_back(request.auth.store, redemption.pk, timezone.now())
        except redemptions.CannotHandBack as error:
            raise serializers.ValidationError({"state": [str(error)]}) from error
        return Response(self.get_serializer(redemption).data)


class RedemptionViewSet(CodeViewSet):
    """Rewards that customers took, and what became of their codes."""

    scope = "loyalty"
    queryset = (
        Redemption.objects.filter(account__unit=Account.Unit.POINTS, rest_of=None)
        .select_related("account__customer", "gift__mail", "order")
        .prefetch_related(Prefetch("rests", Redemption.objects.select_related("order").order_by("pk")), *rests.FETCH)
    )
    serializer_class = RedemptionSerializer
    filterset_class = RedemptionFilter

    @extend_schema(request=RedeemSerializer, responses={201: RedemptionSerializer})
    @idempotent
    def create(self, request):
        """Spend a customer's points for a reward. The code is there once the shop has it, and is mailed to the customer.

        A gift card is money for whoever has its code: for one the key needs credit:write too.
        """
        serializer = RedeemSerializer(data=request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        asked = serializer.validated_data
        cards = Reward.objects.for_store(request.auth.store).filter(kind=Reward.Kind.GIFT_CARD)
        if cards.filter(pk=asked["reward"]).exists():
            self.require_scope(ApiKey.Scope.CREDIT_WRITE)
        try:
            redemption = redeeming.redeem(
                request.auth.store, asked["customer"], asked["reward"], key=uuid.uuid4(), points=asked.get("points"),
                seen=asked.get("version", ""), gift=gifts.Wish(**asked.get("gift", {})),
            )  # fmt: skip
        except redeeming.CannotRedeem as error:
            raise serializers.ValidationError({"reward": [str(error)]}) from error
        return Response(self.get_serializer(redemption).data, status.HTTP_201_CREATED)

    @extend_schema(request=EndSerializer)
    @action(detail=True, methods=["post"])
    def end(self, request, pk):
        """Let no code of a gift card be good any more, say because it was stolen: the shop is asked to delete all of them, and none is made again.

        No points come back. Ending it again changes nothing. The key needs credit:write too.
        """
        self.require_scope(ApiKey.Scope.CREDIT_WRITE)
        redemption = self.get_object()
        serializer = EndSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        if not redemption.is_gift:
            raise serializers.ValidationError({"state": [_("This is no gift card.")]})
        try:
            reason = serializer.validated_data["reason"]
            rests.end(request.auth.store, redemption.pk, reason, request.auth, timezone.now())
        except rests.CannotEnd as error:
            raise serializers.ValidationError({"state": [str(error)]}) from error
        return Response(self.get_serializer(self.get_object()).data)
