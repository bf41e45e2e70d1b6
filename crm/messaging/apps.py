from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MessagingConfig(AppConfig):
    name = "crm.messaging"
    verbose_name = _("Messaging")

    def ready(self):
        from anymail.signals import tracking

        from crm.orders import panels
        from crm.orders.erasing import eraser
        from crm.orders.exporting import left_out, part

        from . import checks, erasing, exporting, holds, kinds, receivers  # noqa: F401

        eraser(erasing.messages, 20)
        eraser(erasing.addresses, 20)
        part("mails_to_you", exporting.messages, 40, "messaging.Message")
        part("what_you_agreed_to", exporting.consents, 41, "messaging.Consent")
        part("addresses_that_get_no_mail", exporting.stopped, 42, "messaging.Suppression")
        part("open_problems", exporting.problems, 43, "messaging.Hold")
        left_out("What became of a mail stands with the mail.", "messaging.DeliveryReport")
        left_out("Copies of mails, where none is really sent.", "messaging.MailboxMessage")
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
