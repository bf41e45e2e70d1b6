from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps
from django.utils.translation import gettext_lazy as _


class StoresConfig(AppConfig):
    name = "crm.stores"
    verbose_name = _("Stores")
    default = True


class StaffAdminConfig(admin_apps.AdminConfig):
    default_site = "crm.stores.site.StaffSite"
    default = False
