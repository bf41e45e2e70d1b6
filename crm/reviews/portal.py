"""What the order page says about reviews."""

from . import invitations
from .models import Invitation


def order_section(request, order) -> dict | None:
    """A link to the review page, once the order is one that people are asked about."""
    invitation = Invitation.objects.filter(order=order).first()
    if invitation is None or not invitations.is_open(order):
        return None
    return {"url": invitations.path(invitation)}
