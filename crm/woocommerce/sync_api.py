"""The state of the mirror for merchants' programs: the same that the sync page shows, and the same that its buttons do."""

import django_filters as filters
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.response import Response
from rest_framework.views import APIView

from crm.orders.models import Order
from crm.rest.idempotency import idempotent
from crm.rest.keys import HasScope
from crm.rest.views import StoreScopedReadOnlyViewSet

from . import connect, deliveries, overview, sync, tasks
from .models import (
    Connection,
    ConnectionCheck,
    Drift,
    Incident,
    KeptAside,
    OrderDay,
    ShopWebhook,
    SyncRun,
    SyncState,
    WebhookDelivery,
)


class RunSerializer(serializers.ModelSerializer):
    class Meta:
        model = SyncRun
        fields = [
            "id", "mode", "outcome", "asked_at", "started_at", "seen_at", "finished_at", "seconds", "requests", "pages",
            "read", "written", "kept_aside", "healed", "orders", "order_seconds", "orders_per_second", "error",
        ]  # fmt: skip
        extra_kwargs = {
            "order_seconds": {"help_text": _("Of `seconds`, those spent on orders")},
            "seconds": {"help_text": _("At work, without pauses")},
            "healed": {"help_text": _("Of `written`, what a comparison put right")},
        }


class StateSerializer(serializers.ModelSerializer):
    class Meta:
        model = SyncState
        fields = [
            "resource", "mode", "cursor", "started_at", "finished_at", "page", "total", "read", "written", "kept_aside",
            "error",
        ]  # fmt: skip
        extra_kwargs = {"cursor": {"help_text": _("Every change up to then is held, by the shop's clock")}}


class DriftSerializer(serializers.ModelSerializer):
    class Meta:
        model = Drift
        fields = [
            "day", "resource", "started_at", "in_shop", "in_mirror", "shop_total", "mirror_total", "missing", "stale",
            "trashed", "gone", "healed", "amount",
        ]  # fmt: skip


class OrderDaySerializer(serializers.ModelSerializer):
    class Meta:
        model = OrderDay
        fields = ["day", "compared_at", "in_shop", "in_mirror", "shop_total", "mirror_total"]


class WebhookSerializer(serializers.ModelSerializer):
    last_delivery_at = serializers.DateTimeField(allow_null=True)

    class Meta:
        model = ShopWebhook
        fields = ["topic", "woo_id", "status", "checked_at", "last_delivery_at", "repaired_at", "problem"]


class IncidentSerializer(serializers.ModelSerializer):
    class Meta:
        model = Incident
        fields = ["kind", "message", "opened_at", "last_seen_at", "told_at"]


class LastDeliverySerializer(serializers.ModelSerializer):
    class Meta:
        model = WebhookDelivery
        fields = ["id", "topic", "created_at"]


class NewestOrderSerializer(serializers.ModelSerializer):
    class Meta:
        model = Order
        fields = ["id", "woo_id", "number", "date_created_gmt"]


class SyncSerializer(serializers.Serializer):
    url = serializers.URLField(source="store.url", help_text=_("The shop's address"))
    timezone = serializers.CharField(source="store.timezone", help_text=_("The days of `drift` are its days"))
    halted = serializers.CharField(
        source="store.halted", help_text=_("Why nothing is read from the shop; empty if all is well")
    )
    lag_seconds = serializers.SerializerMethodField(
        help_text=_("At most so far behind: what the shop had longer ago is held")
    )
    looked_at = serializers.DateTimeField(allow_null=True, help_text=_("When the shop was last looked through"))
    webhooks_arrive = serializers.BooleanField(
        source="hears", help_text=_("If not, the shop is asked for what changed every five minutes")
    )
    can_be_called = serializers.BooleanField(
        help_text=_(
            "If not, no webhook can arrive: SITE_URL is no public address, or has a port that WordPress refuses"
        )
    )
    last_delivery = LastDeliverySerializer(allow_null=True, help_text=_("The last word from the shop by itself"))
    newest_order = NewestOrderSerializer(allow_null=True)
    states = StateSerializer(many=True)
    last_run = RunSerializer(allow_null=True, help_text=_("The last one that came to its end, be it a poll"))
    running = RunSerializer(allow_null=True)
    waiting = RunSerializer(many=True)
    runs = RunSerializer(many=True, help_text=_("The last ones, without polls that found nothing"))
    incidents = IncidentSerializer(many=True)
    webhooks = WebhookSerializer(many=True)
    drift = DriftSerializer(source="drifts", many=True, help_text=_("Of 30 days"))
    order_days = OrderDaySerializer(
        many=True,
        help_text=_(
            "Days whose orders differed in a comparison of the last 30 days, as it was before that was put right"
        ),
    )
    kept_aside = serializers.IntegerField(source="kept_aside_count")
    parked_deliveries = serializers.IntegerField()

    def get_lag_seconds(self, found) -> int | None:
        return None if found.lag is None else round(found.lag.total_seconds())


class SyncView(APIView):
    """How up to date the mirror is, and what is wrong between it and the shop."""

    scope = "sync"
    permission_classes = [HasScope]

    @extend_schema(responses=SyncSerializer)
    def get(self, request):
        return Response(SyncSerializer(overview.look(request.auth.store, timezone.now())).data)


class WebhookRepairView(APIView):
    """Look after the shop's webhooks now instead of within a quarter of an hour; how they are shows in `webhooks` soon after."""

    scope = "sync"
    permission_classes = [HasScope]

    @extend_schema(request=None, responses={202: None})
    def post(self, request):
        tasks.enqueue_repair(request.auth.store_id)
        return Response(status=status.HTTP_202_ACCEPTED)


class NewRunSerializer(serializers.Serializer):
    mode = serializers.ChoiceField(
        SyncState.Mode.choices,
        default=SyncState.Mode.CHANGES,
        help_text=_("What changed, a comparison of numbers and dates, or everything again"),
    )


class SyncRunFilter(filters.FilterSet):
    mode = filters.BaseInFilter(help_text=_("One mode, or several with commas between"))
    outcome = filters.BaseInFilter(help_text=_("One outcome, or several with commas between"))

    class Meta:
        model = SyncRun
        fields = ["mode", "outcome"]


class SyncRunViewSet(StoreScopedReadOnlyViewSet):
    """Syncs, newest first."""

    scope = "sync"
    queryset = SyncRun.objects.all()
    serializer_class = RunSerializer
    filterset_class = SyncRunFilter

    def _as_json(self, queryset):
        return super()._as_json(queryset.with_speed())

    @extend_schema(request=NewRunSerializer, responses={202: RunSerializer})
    @idempotent
    def create(self, request):
        """Ask for a sync. Answers the run, which a worker takes on; one that waits already is answered again."""
        asked = NewRunSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        run = tasks.ask_for_sync(request.auth.store, asked.validated_data["mode"])
        return Response(RunSerializer(run).data, status.HTTP_202_ACCEPTED)


class DeliverySerializer(serializers.ModelSerializer):
    class Meta:
        model = WebhookDelivery
        fields = [
            "id", "topic", "state", "attempts", "error", "source", "webhook_id", "delivery_id", "created_at", "settled_at",
        ]  # fmt: skip


class ReplaySerializer(serializers.Serializer):
    queued = serializers.BooleanField(help_text=_("False: the same waits to be applied already"))


class DeliveryFilter(filters.FilterSet):
    state = filters.BaseInFilter(help_text=_("One state, or several with commas between"))
    topic = filters.BaseInFilter(help_text=_("One topic, or several with commas between"))
    created_after = filters.IsoDateTimeFilter("created_at", "gte")
    created_before = filters.IsoDateTimeFilter("created_at", "lt")

    class Meta:
        model = WebhookDelivery
        fields = ["state", "topic"]


class WebhookDeliveryViewSet(StoreScopedReadOnlyViewSet):
    """What the shop's webhooks brought, newest first, as long as it is kept."""

    scope = "sync"
    queryset = WebhookDelivery.objects.all()
    serializer_class = DeliverySerializer
    filterset_class = DeliveryFilter

    @extend_schema(request=None, responses={202: ReplaySerializer})
    @action(detail=True, methods=["post"])
    @idempotent
    def replay(self, request, pk):
        """Have it applied once more. What is older than the mirror changes nothing."""
        rows = self.get_queryset().filter(pk=self.get_object().pk)
        count = deliveries.replay(rows, timezone.now())
        return Response({"queued": bool(count)}, status.HTTP_202_ACCEPTED)


class KeptAsideSerializer(serializers.ModelSerializer):
    class Meta:
        model = KeptAside
        fields = ["id", "resource", "woo_id", "error", "created_at", "tried_at", "resolved_at"]


class WholeKeptAsideSerializer(KeptAsideSerializer):
    class Meta(KeptAsideSerializer.Meta):
        fields = [*KeptAsideSerializer.Meta.fields, "payload"]
        extra_kwargs = {"payload": {"help_text": _("As the shop sent it: JSON in a string, or what was meant as such")}}


class KeptAsideFilter(filters.FilterSet):
    resource = filters.BaseInFilter(help_text=_("One kind, or several with commas between"))
    resolved = filters.BooleanFilter("resolved_at", "isnull", exclude=True)

    class Meta:
        model = KeptAside
        fields = ["resource"]


class SeesWhole(HasScope):
    """The whole of an object is as good as the order, the customer or the coupon itself."""

    def has_permission(self, request, view):
        if not super().has_permission(request, view):
            return False
        if view.action == "retrieve" and "orders:read" not in request.auth.scopes:
            self.message = _("This key does not have the scope %(scope)s.") % {"scope": "orders:read"}
            return False
        return True


class KeptAsideViewSet(StoreScopedReadOnlyViewSet):
    """What the shop gave and the mirror could not take, with the reason; newest first. One alone shows the whole object, and needs `orders:read`, too."""

    scope = "sync"
    permission_classes = [SeesWhole]
    queryset = KeptAside.objects.all()
    filterset_class = KeptAsideFilter

    def get_serializer_class(self):
        return WholeKeptAsideSerializer if self.action == "retrieve" else KeptAsideSerializer

    @extend_schema(request=None, responses=KeptAsideSerializer)
    @action(detail=True, methods=["post"])
    def retry(self, request, pk):
        """Try once more; `resolved_at` says whether it is mirrored now, `error` why not."""
        kept = self.get_object()
        waiting = KeptAside.objects.for_store(request.auth.store).unresolved().filter(pk=kept.pk)
        sync.retry_kept_aside(request.auth.store, timezone.now(), waiting)
        kept.refresh_from_db()
        return Response(KeptAsideSerializer(kept).data)

    @extend_schema(request=None, responses=KeptAsideSerializer)
    @action(detail=True, methods=["post"])
    def dismiss(self, request, pk):
        """There is nothing to do: `resolved_at` is set, and the object comes back once the shop sends it changed."""
        kept = self.get_object()
        KeptAside.objects.for_store(request.auth.store).filter(pk=kept.pk).dismiss(timezone.now())
        kept.refresh_from_db()
        return Response(KeptAsideSerializer(kept).data)


class CheckSerializer(serializers.ModelSerializer):
    class Meta:
        model = ConnectionCheck
        fields = ["asked_at", "checked_at", "is_ok", "message"]
        extra_kwargs = {
            "is_ok": {"help_text": _("Whether the shop can be reached and the keys may read and write")},
            "checked_at": {"help_text": _("Before `asked_at` as long as the check goes on")},
        }


class ConnectionSerializer(serializers.ModelSerializer):
    check = CheckSerializer(source="connection_check", allow_null=True, help_text=_("The last one"))

    class Meta:
        model = Connection
        fields = ["id", "name", "url", "timezone", "currency", "wc_version", "connected_at", "halted", "check"]
        extra_kwargs = {"halted": {"help_text": _("Why nothing is read from the shop; empty if all is well")}}


class ConnectionViewSet(viewsets.ReadOnlyModelViewSet):
    """The way to the shop: one for each key, since a key is of one store."""

    scope = "sync"
    permission_classes = [HasScope]
    lookup_value_regex = r"\d{1,18}"
    queryset = Connection.objects.select_related("connection_check")
    serializer_class = ConnectionSerializer

    def get_queryset(self):
        queryset = super().get_queryset()
        # The schema is drawn without a request.
        return queryset.filter(pk=self.request.auth.store_id) if self.request.auth else queryset.none()

    @extend_schema(request=None, responses={202: ConnectionSerializer})
    @action(detail=True, methods=["post"])
    def check(self, request, pk):
        """Look whether the shop can be reached, is the right one, and what the keys may. A worker does it; `check` tells soon after."""
        connection = self.get_object()
        connect.ask_for_check(connection, timezone.now())
        tasks.enqueue_check(connection.pk)
        return Response(self.get_serializer(self.get_object()).data, status.HTTP_202_ACCEPTED)
