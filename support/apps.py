from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SupportConfig(AppConfig):
    name = "support"
    verbose_name = _("Support")

    def ready(self):
        from crm.messaging import kinds
        from crm.orders.erasing import eraser
        from crm.orders.exporting import part
        from crm.portal import home, navigation

        from . import erasing, exporting
        from .views import open_tickets

        eraser(erasing.tickets, 30)
        part("questions", exporting.tickets, 45, "support.Ticket", "support.Message")
        # An answer is worth reading however late, and whatever became of the order.
        always = {"purpose": kinds.Purpose.SERVICE, "useful_for": None, "not_for_statuses": ()}
        kinds.register("ticket-opened", template="support/mail/opened", label=_("Question received"), **always)
        kinds.register("ticket-reply", template="support/mail/reply", label=_("Answer to a question"), **always)
        navigation.add(_("Help"), "portal-tickets", 40)
        home.card("support/home_card.html", open_tickets, 40)
