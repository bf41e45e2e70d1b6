from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WooCommerceConfig(AppConfig):
    name = "crm.woocommerce"
    verbose_name = _("WooCommerce")
