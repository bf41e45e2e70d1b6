"""Whether what the shop made is what was asked for."""

import html
import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.translation import gettext as _

from ..push import Differs


def compare(pairs: Iterable[tuple[str, Any, Any]]) -> None:
    """Raises Differs for what is not the same among (name, asked, got)."""
    different = [(name, asked, got) for name, asked, got in pairs if asked != got]
    if different:
        found = "; ".join(
            _("%(name)s is %(got)s, not %(asked)s") % {"name": name, "got": _shown(got), "asked": _shown(asked)}
            for name, asked, got in different
        )
        raise Differs(_("The shop saved something else than was asked for: %(found)s.") % {"found": found})


def _shown(value):
    if value in (None, "", [], set()):
        return _("empty")
    if isinstance(value, list | set | frozenset):
        return ", ".join(map(str, sorted(value)))
    return str(value)


def amount(value) -> Decimal | None:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def words(text) -> str:
    """A text without the tags, entities and spaces that WordPress puts in or takes away."""
    return " ".join(html.unescape(re.sub(r"</?[a-zA-Z][^<>]*>", " ", str(text or ""))).split())


def meta_value(value: Any) -> Any:
    """A value of meta data as WordPress keeps it: scalars become text, lists and objects keep their shape."""
    if value is None or value is False:
        return ""
    if value is True:
        return "1"
    return value if isinstance(value, dict | list) else str(value)


def meta_of(answer: dict) -> dict[str, list]:
    """Values of meta data by key, of which there may be several."""
    found: dict[str, list] = {}
    for entry in answer.get("meta_data") or []:
        if isinstance(entry, dict):
            found.setdefault(str(entry.get("key")), []).append(meta_value(entry.get("value")))
    return found
