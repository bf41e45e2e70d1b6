from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ShippingConfig(AppConfig):
    name = "crm.shipping"
    verbose_name = _("Shipping")

    def ready(self):
        from crm.messaging import context, kinds
        from crm.orders.erasing import eraser
        from crm.orders.exporting import part
        from crm.portal import sections
        from crm.work import schedules

        from . import erasing, exporting, pages

        eraser(erasing.parcels, 30)
        told = ("shipping.Shipment", "shipping.ShipmentItem", "shipping.TrackingEvent")
        part("parcels", exporting.parcels, 30, *told)
        kinds.register(
            "shipped", template="shipping/shipped", purpose=kinds.Purpose.SERVICE, label=_("Your parcel is on its way")
        )
        context.provide("tracking", pages.mail_context)
        schedules.every(1, "read parcels of imported orders", "crm.shipping.parcels.read_history")
        schedules.every(60, "hold customers of late parcels", "crm.shipping.holding.refresh_all")
        sections.order_section("shipping/order_section.html", pages.order_section, 20)
