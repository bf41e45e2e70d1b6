from datetime import timedelta

from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.portal.models import LettingIn


class JoinLink(LettingIn):
    """A link that is to be mailed to somebody who wants to join. It is made when it is sent and stands in no table."""

    used_at = models.DateTimeField(_("used"), null=True, editable=False)

    # Counted once from the asking, for the mail, and once from the sending, for whoever reads it.
    LIFETIME = timedelta(minutes=30)
    # A double click sends two requests, and the browser keeps the cookies of the second answer alone: that one signs in, too.
    AGAIN = timedelta(minutes=1)

    class Meta(LettingIn.Meta):
        verbose_name = _("link to join")
        verbose_name_plural = _("links to join")

    def was_just_used(self, at):
        return self.used_at is not None and at - self.used_at < self.AGAIN

    def send(self, at):
        from .. import join_links

        join_links.send(self, at)
