from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MessagingConfig(AppConfig):
    name = "crm.messaging"
    verbose_name = _("Messaging")

    def ready(self):
        from anymail.signals import tracking

        from crm.orders import panels
        from crm.orders.erasing import eraser

        from . import checks, erasing, holds, kinds, receivers  # noqa: F401

        eraser(erasing.messages, 20)
        eraser(erasing.addresses, 20)
        kinds.register(
            "thank-you",
            template="messaging/thank_you",
            purpose=kinds.Purpose.SERVICE,
            label=_("Thank you for the order"),
        )
        kinds.register(
            "shop-trouble",
            template="messaging/shop_trouble",
            purpose=kinds.Purpose.SERVICE,
            label=_("Trouble with the shop, to its owners"),
        )
        panels.panel("messaging/panel.html", holds.for_staff, 15)
        tracking.connect(receivers.keep_report, dispatch_uid="messaging reports")
