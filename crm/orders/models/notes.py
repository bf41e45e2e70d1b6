import html
import re

from django.db import models
from django.utils.html import strip_tags
from django.utils.translation import gettext_lazy as _

from .mirrored import MirroredQuerySet
from .orders import Order


class OrderNoteQuerySet(MirroredQuerySet):
    def for_customers(self):
        """What the shop has mailed to the customer. Every customer's door reads notes through this and nothing else."""
        return self.filter(customer_note=True)


class OrderNote(models.Model):
    """What the shop, its staff or a plug-in wrote beside an order."""

    store = models.ForeignKey("stores.Store", models.CASCADE, related_name="+", verbose_name=_("store"))
    order = models.ForeignKey(Order, models.CASCADE, related_name="notes", verbose_name=_("order"))
    woo_id = models.BigIntegerField(_("number in the shop"))
    author = models.CharField(_("author"), max_length=250, blank=True)
    # HTML, as the shop sent it; shown as `text` only.
    note = models.TextField(_("note"))
    customer_note = models.BooleanField(_("for the customer"), default=False)
    date_created_gmt = models.DateTimeField(_("written"), null=True)

    objects = OrderNoteQuerySet.as_manager()

    class Meta:
        verbose_name = _("order note")
        verbose_name_plural = _("order notes")
        constraints = [models.UniqueConstraint(fields=["store", "woo_id"], name="order_note_once_per_store")]

    def __str__(self):
        return self.text[:60]

    @property
    def text(self) -> str:
        """The note's words without its markup."""
        return plain_text(self.note)


def plain_text(markup: str) -> str:
    """The words of a shop's HTML, a line for each of its lines and paragraphs; nothing in them is markup any more."""
    broken = re.sub(r"(?i)<br\s*/?>|</p>|</li>|</div>", "\n", markup)
    lines = (" ".join(line.split()) for line in html.unescape(strip_tags(broken)).splitlines())
    return "\n".join(line for line in lines if line)
