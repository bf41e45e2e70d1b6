"""The entries of the portal's menu. An app adds its own in `apps.ready()`."""

from collections.abc import Callable
from typing import NamedTuple

from django.urls import reverse

ENTRIES: list["Entry"] = []


class Entry(NamedTuple):
    order: int
    label: str
    url_name: str
    public: bool
    is_for: Callable | None


def add(label, url_name: str, order: int, public: bool = False, is_for: Callable | None = None) -> None:
    """Add a page whose address takes the store's slug alone; `public`: also for people who are not signed in.

    `is_for(request)` says whether somebody who is signed in has anything there. It may cost one query.
    """
    ENTRIES.append(Entry(order, label, url_name, public, is_for))
    ENTRIES.sort(key=lambda entry: entry.order)


def entries(request) -> list[dict]:
    """What the menu shows on this page: `{label, url, current}`, `current` if the page is that one or below it."""
    if not request.email and not any(entry.public for entry in ENTRIES):
        return []
    home = reverse("portal-home", args=[request.store.slug])
    shown = []
    for entry in ENTRIES:
        if entry.public or request.email and (entry.is_for is None or entry.is_for(request)):
            url = reverse(entry.url_name, args=[request.store.slug])
            current = request.path == url if url == home else request.path.startswith(url)
            shown.append({"label": entry.label, "url": url, "current": current})
    return shown
