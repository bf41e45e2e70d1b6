from django.contrib import admin
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AllValuesCheckboxFilter, RangeDateTimeFilter
from unfold.decorators import display

from crm.stores.staff import ReadOnlyAdmin, StoreFilter

from ..models import ProductReview
from .parts import link_to

STATUS_COLOURS = {"approved": "success", "hold": "warning", "spam": "danger", "trash": "danger", "deleted": "danger"}


@admin.register(ProductReview)
class ProductReviewAdmin(ReadOnlyAdmin):
    """What is written in the shop about its products, whether customers came by our mails or not."""

    list_display = ["stars", "product", "text_shown", "reviewer_shown", "date_created_gmt", "status_shown", "store"]
    list_display_links = ["stars", "text_shown"]
    list_select_related = ["product", "store"]
    list_filter = [
        ("store", StoreFilter),
        ("status", AllValuesCheckboxFilter),
        ("rating", AllValuesCheckboxFilter),
        ("deleted_at", admin.EmptyFieldListFilter),
        ("date_created_gmt", RangeDateTimeFilter),
    ]
    list_filter_submit = True
    search_fields = ["reviewer", "reviewer_email", "product__name", "review"]
    search_help_text = _("Name, e-mail, product or words")
    ordering = ["-date_created_gmt", "-pk"]
    show_full_result_count = False
    list_per_page = 50
    fields = [
        "stars", "product_link", "words", "status", "reviewer", "reviewer_email", "verified", "customer_link",
        "date_created_gmt", "synced_at", "deleted_at", "woo_id", "store",
    ]  # fmt: skip
    readonly_fields = ["stars", "product_link", "words", "customer_link"]

    @display(description=_("Stars"), ordering="rating")
    def stars(self, review):
        if not review.rating:
            return "—"
        return format_html(
            '<span aria-label="{}">{}</span>', review.rating, "★" * review.rating + "☆" * (5 - review.rating)
        )

    @display(description=_("Review"))
    def text_shown(self, review):
        words = review.text
        return words[:120] + ("…" if len(words) > 120 else "") or "—"

    @display(description=_("Review"))
    def words(self, review):
        return review.text or "—"

    @display(description=_("Written by"), ordering="reviewer", header=True)
    def reviewer_shown(self, review):
        return [review.reviewer or "—", review.reviewer_email]

    @display(description=_("Status"), ordering="status", label=STATUS_COLOURS)
    def status_shown(self, review):
        return ("deleted", _("deleted")) if review.deleted_at else review.status

    @display(description=_("Product"))
    def product_link(self, review):
        return link_to(review.product)

    @display(description=_("Customer"))
    def customer_link(self, review):
        return link_to(review.customer)
