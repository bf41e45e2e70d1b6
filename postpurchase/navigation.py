"""The admin's side bar: the rooms in the order in which a day needs them."""

from django.apps import apps
from django.contrib import admin
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

# Title, then model and icon (of Material Symbols, which unfold brings along).
GROUPS = [
    (_("Help desk"), [("support.Ticket", "forum")]),
    (
        _("Shop"),
        [
            ("orders.Order", "receipt_long"),
            ("orders.Customer", "group"),
            ("shipping.Shipment", "local_shipping"),
            ("orders.Refund", "undo"),
            ("orders.Product", "inventory_2"),
            ("orders.Category", "category"),
            ("orders.Coupon", "sell"),
            ("events.Event", "history"),
            ("orders.Erasure", "person_remove"),
        ],
    ),
    (
        _("Loyalty"),
        [
            ("loyalty.Account", "savings"),
            ("loyalty.CreditAccount", "account_balance_wallet"),
            ("loyalty.LedgerEntry", "list_alt"),
            ("loyalty.Adjustment", "how_to_reg"),
            ("loyalty.Reward", "featured_seasonal_and_gifts"),
            ("loyalty.Redemption", "confirmation_number"),
            ("loyalty.Member", "card_membership"),
            ("loyalty.Referral", "group_add"),
            ("loyalty.EarningRule", "rule"),
            ("loyalty.Campaign", "campaign"),
            ("loyalty.Occasion", "redeem"),
            ("loyalty.Trial", "science"),
            ("loyalty.RuleVersion", "history"),
            ("loyalty.ProgramLiability", "account_balance"),
            ("loyalty.BalanceImport", "upload_file"),
            ("loyalty.Program", "tune"),
            ("loyalty.MembershipTerms", "loyalty"),
            ("loyalty.ShopDisplay", "storefront"),
        ],
    ),
    (
        _("Messages"),
        [
            ("messaging.Message", "mail"),
            ("messaging.Consent", "verified_user"),
            ("messaging.Suppression", "block"),
            ("messaging.Hold", "pause_circle"),
            ("messaging.MailSettings", "tune"),
        ],
    ),
    (
        _("Reviews"),
        [
            ("reviews.Answer", "star"),
            ("orders.ProductReview", "reviews"),
            ("reviews.Invitation", "outgoing_mail"),
            ("reviews.ReviewSettings", "tune"),
        ],
    ),
    (
        _("Set-up"),
        [
            ("stores.Store", "storefront"),
            ("woocommerce.Connection", "cable"),
            ("stores.ApiKey", "key"),
            ("stores.User", "badge"),
            ("shipping.ShippingSettings", "tune"),
        ],
    ),
    (
        _("Jobs"),
        [
            ("work.Job", "work_history"),
            ("woocommerce.SyncState", "sync"),
            ("woocommerce.KeptAside", "report"),
            ("woocommerce.WebhookDelivery", "webhook"),
            ("woocommerce.Reread", "refresh"),
            ("woocommerce.Push", "upload"),
            ("events.Handling", "task_alt"),
        ],
    ),
]


def sidebar(request):
    """unfold's hook: groups of links to what this member of staff may see."""
    groups = [{"items": [{"title": _("Today"), "icon": "space_dashboard", "link": reverse("admin:index")}]}]
    for title, models in GROUPS:
        items = [item for label, icon in models if (item := link(request, label, icon))]
        if items:
            groups.append({"title": title, "separator": True, "items": items})
    return groups


def link(request, label, icon):
    page = admin.site._registry.get(model := apps.get_model(label))
    if page is None or not page.has_module_permission(request) or not page.has_view_permission(request):
        return None
    name = model._meta.verbose_name_plural
    return {
        "title": str(name)[:1].upper() + str(name)[1:],
        "icon": icon,
        "link": reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"),
    }
