from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps
from django.utils.translation import gettext_lazy as _


class StoresConfig(AppConfig):
    name = "crm.stores"
    verbose_name = _("Stores")
    default = True

    def ready(self):
        from allauth.account.signals import user_logged_in

        from .sessions import note_password

        user_logged_in.connect(note_password, dispatch_uid="password given")


class StaffAdminConfig(admin_apps.AdminConfig):
    default_site = "crm.stores.site.StaffSite"
    default = False
