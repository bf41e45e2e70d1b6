"""What somebody chose for an item, in words."""

import html

from django.utils.html import strip_tags


def details(meta_data) -> list[tuple[str, str]]:
    """What the customer chose (size, colour, an engraving); never a plug-in's own notes, whose keys begin with `_`."""
    found = []
    for entry in meta_data if isinstance(meta_data, list) else []:
        if not isinstance(entry, dict) or str(entry.get("key", "_")).startswith("_"):
            continue
        value = entry.get("display_value", entry.get("value"))
        if isinstance(value, str | int | float) and str(value).strip():
            found.append((plain(entry.get("display_key") or entry["key"]), plain(value)))
    return found


def plain(text) -> str:
    """Text that a shop's plug-ins may have written as HTML."""
    return html.unescape(strip_tags(str(text or ""))).strip()
