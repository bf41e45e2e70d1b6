from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WooCommerceConfig(AppConfig):
    name = "crm.woocommerce"
    verbose_name = _("WooCommerce")

    def ready(self):
        from . import product_reviews  # noqa: F401 (a kind of push)
