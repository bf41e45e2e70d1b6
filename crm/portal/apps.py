from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PortalConfig(AppConfig):
    name = "crm.portal"
    verbose_name = _("Portal")

    def ready(self):
        from crm.orders.erasing import eraser
        from crm.orders.exporting import left_out
        from crm.work import schedules

        from . import erasing, home, navigation, orders

        eraser(erasing.sign_in, 10)
        left_out(
            "A sign-in is of all shops together: when it was made or last used tells one shop's file of another shop.",
            "stores.User",
        )
        left_out("A code that was mailed, for a day.", "portal.SignInCode")
        left_out("A browser that is signed in, unreadable and until it signs out.", "sessions.Session")
        left_out("What staff did in the back office.", "admin.LogEntry")
        navigation.add(_("Home"), "portal-home", 0)
        navigation.add(_("Orders"), "portal-orders", 20)
        home.card("portal/newest_order.html", orders.newest, 10)
        schedules.every(24 * 60, "forget sign-in codes", "crm.portal.signin.forget")
