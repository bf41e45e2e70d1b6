from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OrdersConfig(AppConfig):
    name = "crm.orders"
    verbose_name = _("Orders")

    def ready(self):
        from . import erasers
        from .erasing import eraser

        # Others find their rows by the customers' and orders', so these come last.
        eraser(erasers.events, 80)
        eraser(erasers.requests, 80)
        eraser(erasers.coupons, 90)
        eraser(erasers.product_reviews, 90, copies=True)
        eraser(erasers.orders, 95, copies=True)
        eraser(erasers.customers, 99, copies=True)
