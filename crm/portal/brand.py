"""A store's two colours, and those that follow from them so that everything stays readable."""

from django.utils.html import format_html

from crm.stores.colours import mix, readable
from crm.stores.models import Store, hex_colour

# Of portal.css: what text stands on, each time the one that leaves it less contrast.
GROUND, DARK_PAPER = "#f4f7f5", "#17201d"


def stylesheet(store: Store) -> str:
    """The custom properties that portal.css builds on."""
    _checked(store)
    return (
        f":root{{--brand:{store.brand_color};--brand-ink:{store.brand_ink};"
        f"--link:{readable(store.brand_color, GROUND)};--tint:{mix(store.brand_color, GROUND, 0.1)}}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{--link:{readable(store.brand_color, DARK_PAPER)};"
        f"--tint:{mix(store.brand_color, DARK_PAPER, 0.25)}}}}}\n"
    )


def icon(store: Store) -> str:
    """The picture of a browser's tab, an SVG: the first letter of the name in the store's colours."""
    _checked(store)
    letter = next((c for c in store.name if c.isalnum()), "")
    return format_html(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="{}"/>'
        '<text x="16" y="23" text-anchor="middle" font-family="system-ui,sans-serif" font-size="20" font-weight="700" fill="{}">{}</text></svg>',
        store.brand_color,
        store.brand_ink,
        letter.upper(),
    )


def _checked(store: Store) -> None:
    for colour in (store.brand_color, store.brand_ink):
        hex_colour(colour)  # it becomes part of a style sheet or a picture
