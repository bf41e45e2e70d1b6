from datetime import timedelta

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ReviewsConfig(AppConfig):
    name = "crm.reviews"
    verbose_name = _("Reviews")

    def ready(self):
        from crm.messaging import kinds
        from crm.orders.erasing import eraser
        from crm.orders.exporting import part
        from crm.portal import sections
        from crm.woocommerce import push

        from . import erasing, exporting, invitations, portal, publishing

        eraser(erasing.answers, 30)
        part("reviews", exporting.answers, 51, "reviews.Invitation", "reviews.Answer")
        kinds.register(
            invitations.KIND,
            template="reviews/request",
            purpose=kinds.Purpose.REVIEW,
            label=_("Review request"),
            useful_for=timedelta(days=14),
        )
        push.on_confirmed(publishing.PUSH_KIND, publishing.posted)
        sections.order_section("reviews/order_section.html", portal.order_section, 60)
