from django.core.validators import MaxValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from .customers import Customer
from .mirrored import Mirrored
from .notes import plain_text
from .products import Product


class ProductReview(Mirrored):
    """What somebody wrote in the shop about a product, whether it came through us or not."""

    # Reviews have no date of change in the shop: the one that was read last is the newest.
    product = models.ForeignKey(Product, models.SET_NULL, null=True, related_name="reviews", verbose_name=_("product"))
    product_id_in_shop = models.BigIntegerField(default=0)
    # Whoever has the address it was written with; nobody has proven that it is theirs.
    customer = models.ForeignKey(
        Customer, models.SET_NULL, null=True, related_name="product_reviews", verbose_name=_("customer")
    )
    # WordPress's words: approved, hold, spam, trash.
    status = models.CharField(_("status"), max_length=30)
    reviewer = models.CharField(_("name"), max_length=250, blank=True)
    reviewer_email = models.CharField(_("e-mail"), max_length=320, blank=True)
    # HTML, as the shop sent it; shown as `text` only.
    review = models.TextField(_("review"), blank=True)
    # 0 where somebody wrote without giving stars.
    rating = models.PositiveSmallIntegerField(_("stars"), default=0, validators=[MaxValueValidator(5)])
    verified = models.BooleanField(_("bought it"), default=False)

    class Meta:
        verbose_name = _("review in the shop")
        verbose_name_plural = _("reviews in the shop")
        constraints = [
            models.UniqueConstraint(fields=["store", "woo_id"], name="product_review_once_per_store"),
            models.CheckConstraint(condition=models.Q(rating__lte=5), name="product_review_at_most_five_stars"),
        ]
        indexes = [
            models.Index(fields=["store", "-date_created_gmt", "-id"], name="product_review_newest"),
            models.Index(fields=["store", "reviewer_email"], name="product_review_by_email"),
        ]

    def __str__(self):
        return f"#{self.woo_id}"

    @property
    def text(self) -> str:
        """The review's words without its markup."""
        return plain_text(self.review)
