from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WooCommerceConfig(AppConfig):
    name = "crm.woocommerce"
    verbose_name = _("WooCommerce")

    def ready(self):
        from crm.orders.erasing import eraser
        from crm.orders.exporting import left_out
        from crm.work import schedules

        from . import erasing

        # The kinds of writes register themselves.
        from .pushes import coupons, meta, order_notes, order_status, product_reviews, refunds  # noqa: F401

        eraser(erasing.deliveries, 40, copies=True)
        left_out(
            "The shop's messages as they came: what they said stands with the orders.", "woocommerce.WebhookDelivery"
        )
        left_out("What of the shop could not be read, for staff to look at.", "woocommerce.KeptAside")
        left_out("What was written into the shop: it stands with the orders and codes.", "woocommerce.Push")
        eraser(erasing.kept_aside, 40, copies=True)
        eraser(erasing.pushes, 40, copies=True)
        schedules.every(5, "poll the shops", "crm.woocommerce.tasks.poll")
        schedules.every(15, "look after the webhooks", "crm.woocommerce.tasks.look_after_webhooks")
        # Each hour: it is night somewhere.
        schedules.every(60, "compare with the shops", "crm.woocommerce.tasks.compare")
        schedules.every(24 * 60, "forget old syncs", "crm.woocommerce.tasks.forget")
