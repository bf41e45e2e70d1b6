from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PortalConfig(AppConfig):
    name = "crm.portal"
    verbose_name = _("Portal")

    def ready(self):
        from crm.orders.erasing import eraser
        from crm.work import schedules

        from . import erasing, home, navigation, orders

        eraser(erasing.sign_in, 10)
        navigation.add(_("Home"), "portal-home", 0)
        navigation.add(_("Orders"), "portal-orders", 20)
        home.card("portal/newest_order.html", orders.newest, 10)
        schedules.every(24 * 60, "forget sign-in codes", "crm.portal.signin.forget")
