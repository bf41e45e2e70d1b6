"""What is sent, and what each kind of message is for. An app registers its own in `apps.ready()`."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db import models
from django.utils.translation import gettext_lazy as _


class Purpose(models.TextChoices):
    # About an order, a ticket, an account: sent whether or not somebody wants news.
    SERVICE = "service", _("Service")
    # Needs consent, and ends with it.
    MARKETING = "marketing", _("Marketing")
    # A question about what somebody bought: needs no consent, and everyone can end it.
    REVIEW = "review", _("Review requests")
    # News of one's own points, tiers and gifts: for members, and everyone can end it without leaving.
    LOYALTY = "loyalty", _("Points and rewards")
    # What a customer has the shop send to somebody else, who never asked for it and can end it for good.
    GIFT = "gift", _("Gifts from others")


# What the reader can end with one click.
STOPPABLE = frozenset({Purpose.MARKETING, Purpose.REVIEW, Purpose.LOYALTY, Purpose.GIFT})
# Cheerful mail, which somebody with an open problem is spared.
HELD = frozenset({Purpose.MARKETING, Purpose.LOYALTY})


@dataclass(frozen=True)
class Kind:
    name: str
    template: str
    purpose: Purpose
    label: str
    # Later than this it would be news no more, and is dropped.
    useful_for: timedelta | None
    # Order statuses in which it would be wrong.
    not_for_statuses: frozenset[str]
    # What it says is worth money to whoever reads it: owners alone find it in admin.
    is_secret: bool


KINDS: dict[str, Kind] = {}


def register(
    name: str,
    *,
    template: str,
    purpose: Purpose,
    label,
    useful_for: timedelta | None = timedelta(days=3),
    not_for_statuses: Iterable[str] = ("cancelled", "refunded", "failed"),
    is_secret: bool = False,
) -> None:
    """Name a kind of message: `template` is the path of `<template>.subject.txt`, `.txt` and `.html`.

    It is dropped when it could not be sent within `useful_for` of its due time (None: never), or when its order has been
    deleted or stands in one of `not_for_statuses` at the moment of sending. What `is_secret` mails say is shown to owners alone.
    """
    KINDS[name] = Kind(name, template, Purpose(purpose), label, useful_for, frozenset(not_for_statuses), is_secret)


def get(name: str) -> Kind:
    """Raises LookupError for a kind that no installed app has registered."""
    try:
        return KINDS[name]
    except KeyError:
        raise LookupError(f"No kind of message is named {name}: its app is not installed or renamed it.") from None


def choices() -> list[tuple[str, str]]:
    return sorted((kind.name, kind.label) for kind in KINDS.values())
