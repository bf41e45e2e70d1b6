from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OrdersConfig(AppConfig):
    name = "crm.orders"
    verbose_name = _("Orders")

    def ready(self):
        from . import erasers, exporters
        from .erasing import eraser
        from .exporting import left_out, part

        # Others find their rows by the customers' and orders', so these come last.
        eraser(erasers.events, 80)
        eraser(erasers.requests, 80)
        eraser(erasers.coupons, 90)
        eraser(erasers.product_reviews, 90, copies=True)
        eraser(erasers.orders, 95, copies=True)
        eraser(erasers.customers, 99, copies=True)
        part("profile", exporters.profile, 10, "orders.Customer")
        part("orders", exporters.orders, 20, *(f"orders.{name}" for name in exporters.OF_ORDERS))
        part("reviews_in_the_shop", exporters.product_reviews, 50, "orders.ProductReview")
        part("coupons_for_you", exporters.coupons, 60, "orders.Coupon")
        part("events", exporters.events, 90, "events.Event")
        left_out(
            "What plug-ins keep beside a customer or an order is for programs: tokens of payments, marks of advertising.",
            "orders.Customer.meta_data",
            "orders.Order.meta_data",
        )
        left_out("Who is owed which news of an event that is told.", "events.Handling")
        left_out("That somebody was erased, and nobody's name.", "orders.Erasure")
        left_out("Answers to the merchant's programs, for a day.", "rest.IdempotentRequest")
