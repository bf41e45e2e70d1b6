"""How long a customer has waited and how long an answer took, in words."""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.utils.translation import gettext as _

from .models import Ticket


class Chip(NamedTuple):
    text: str
    tone: str  # good, warn, bad or plain: unfold's labels and the desk's style sheet know them


def chip(ticket: Ticket, at: datetime) -> Chip:
    """`3 min left`, `late 6 min`; without an answer owed: who is to move, or how soon the first answer came."""
    if ticket.answer_due_at:
        left = ticket.answer_due_at - at
        if left < timedelta(0):
            return Chip(_("late %(time)s") % {"time": span(-left)}, "bad")
        return Chip(_("%(time)s left") % {"time": span(left)}, "warn")
    if ticket.status == Ticket.Status.WAITING:
        return Chip(_("waiting for customer"), "plain")
    if ticket.first_response_took is not None:
        return Chip(_("answered in %(time)s") % {"time": span(ticket.first_response_took)}, "good")
    return Chip(ticket.get_status_display(), "plain")


def span(time: timedelta) -> str:
    """The two largest units at most: `45 s`, `3 min`, `2 h 5 min`, `4 d 3 h`."""
    seconds = max(int(time.total_seconds()), 0)
    days, hours, minutes = seconds // 86400, seconds % 86400 // 3600, seconds % 3600 // 60
    if days:
        parts = [_("%(n)d d") % {"n": days}, _("%(n)d h") % {"n": hours} if hours else ""]
    elif hours:
        parts = [_("%(n)d h") % {"n": hours}, _("%(n)d min") % {"n": minutes} if minutes else ""]
    elif minutes:
        parts = [_("%(n)d min") % {"n": minutes}]
    else:
        parts = [_("%(n)d s") % {"n": seconds}]
    return " ".join(filter(None, parts))
