from decimal import Decimal

from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


def _amount(name, help_text):
    return models.DecimalField(
        name,
        max_digits=14,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.0001"))],
        help_text=help_text,
    )


class Limited(models.Model):
    """For which orders and goods a code is good: whatever the shop's coupons know of that."""

    minimum_order = _amount(
        _("smallest order"), _("The code works for orders of at least so much. Empty: for any order.")
    )
    maximum_order = _amount(
        _("largest order"), _("The code works for orders of at most so much. Empty: for any order.")
    )
    excludes_sale = models.BooleanField(
        _("not for goods on sale"),
        default=False,
        help_text=_("Percent off leaves goods on sale out; of other codes the shop refuses orders with such goods."),
    )
    # `{part: [{"id": its number in the shop, "name"}]}`, as `coupon_limits` writes it; without what is empty.
    goods = models.JSONField(_("goods"), default=dict, blank=True, editable=False)

    class Meta:
        abstract = True

    @property
    def limits(self) -> dict:
        """What of this is set beside the smallest order, for the terms."""
        found = {
            "maximum_order": self.maximum_order and f"{Decimal(self.maximum_order).normalize():f}",
            "excludes_sale": self.excludes_sale,
            "goods": self.goods,
        }
        return {name: value for name, value in found.items() if value}
