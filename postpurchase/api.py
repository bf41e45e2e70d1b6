"""The REST API's router: each app's `api.py` has its viewsets; here they get their names."""

from django.http import JsonResponse
from django.urls import include, path, re_path
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.routers import SimpleRouter

from crm.events.api import EventViewSet
from crm.orders.api import (
    CouponViewSet,
    CustomerViewSet,
    OrderNoteViewSet,
    OrderViewSet,
    ProductReviewViewSet,
    ProductViewSet,
    RefundViewSet,
)
from crm.shipping.api import ShipmentViewSet
from crm.woocommerce.api import PushViewSet
from crm.woocommerce.sync_api import (
    ConnectionViewSet,
    KeptAsideViewSet,
    SyncRunViewSet,
    SyncView,
    WebhookDeliveryViewSet,
    WebhookRepairView,
)
from loyalty.api import (
    AccountViewSet,
    AdjustmentViewSet,
    CampaignViewSet,
    CreditAdjustmentViewSet,
    CreditCodeViewSet,
    CreditEntryViewSet,
    CreditViewSet,
    EntryViewSet,
    LiabilityView,
    LotViewSet,
    MemberViewSet,
    RedemptionViewSet,
    ReferralViewSet,
    RewardViewSet,
    RuleViewSet,
    TierViewSet,
    TrialViewSet,
)
from support.api import MessageViewSet, TicketViewSet

router = SimpleRouter()
router.register("customers", CustomerViewSet)
router.register("orders", OrderViewSet)
router.register("products", ProductViewSet)
router.register("refunds", RefundViewSet)
router.register("coupons", CouponViewSet)
router.register("order-notes", OrderNoteViewSet)
router.register("product-reviews", ProductReviewViewSet)
router.register("shipments", ShipmentViewSet)
router.register("events", EventViewSet)
router.register("pushes", PushViewSet)
router.register("connections", ConnectionViewSet)
router.register("sync/runs", SyncRunViewSet, "sync-run")
router.register("webhook-deliveries", WebhookDeliveryViewSet, "webhook-delivery")
router.register("kept-aside", KeptAsideViewSet, "kept-aside")
router.register("tickets", TicketViewSet)
router.register(r"tickets/(?P<ticket>\d{1,18})/messages", MessageViewSet)
router.register("loyalty/accounts", AccountViewSet, "loyalty-account")
router.register("loyalty/entries", EntryViewSet, "loyalty-entry")
router.register("loyalty/lots", LotViewSet, "loyalty-lot")
router.register("loyalty/credit", CreditViewSet, "loyalty-credit")
router.register("loyalty/credit-codes", CreditCodeViewSet, "loyalty-credit-code")
router.register("loyalty/credit-entries", CreditEntryViewSet, "loyalty-credit-entry")
router.register("loyalty/credit-adjustments", CreditAdjustmentViewSet, "loyalty-credit-adjustment")
router.register("loyalty/adjustments", AdjustmentViewSet, "loyalty-adjustment")
router.register("loyalty/members", MemberViewSet, "loyalty-member")
router.register("loyalty/rules", RuleViewSet, "loyalty-rule")
router.register("loyalty/campaigns", CampaignViewSet, "loyalty-campaign")
router.register("loyalty/trials", TrialViewSet, "loyalty-trial")
router.register("loyalty/tiers", TierViewSet, "loyalty-tier")
router.register("loyalty/referrals", ReferralViewSet, "loyalty-referral")
router.register("loyalty/rewards", RewardViewSet, "loyalty-reward")
router.register("loyalty/redemptions", RedemptionViewSet, "loyalty-redemption")


@csrf_exempt
def nothing_here(request):
    error = {
        "code": "not_found",
        "detail": "There is nothing at this address. /api/v1/docs/ says what there is.",
        "attr": None,
    }
    return JsonResponse({"type": "client_error", "errors": [error]}, status=404)


urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(authentication_classes=[], permission_classes=[]), name="api-schema"),
    path(
        "docs/",
        SpectacularSwaggerView.as_view(url_name="api-schema", authentication_classes=[], permission_classes=[]),
        name="api-docs",
    ),
    path("sync/", SyncView.as_view(), name="sync"),
    path("loyalty/liability/", LiabilityView.as_view(), name="loyalty-liability"),
    path("sync/webhooks/repair/", WebhookRepairView.as_view(), name="sync-webhooks-repair"),
    path("", include(router.urls)),
    # A program reads JSON, also of what is not there.
    re_path(r"^(?:.*/)?$", nothing_here, name="api-nothing"),
]
