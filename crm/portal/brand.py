"""A store's two colours, and those that follow from them so that everything stays readable."""

from crm.stores.colours import mix, readable
from crm.stores.models import Store, hex_colour

# Of portal.css: what text stands on, each time the one that leaves it less contrast.
GROUND, DARK_PAPER = "#f4f7f5", "#17201d"


def stylesheet(store: Store) -> str:
    """The custom properties that portal.css builds on."""
    for colour in (store.brand_color, store.brand_ink):
        hex_colour(colour)  # it becomes part of a style sheet
    return (
        f":root{{--brand:{store.brand_color};--brand-ink:{store.brand_ink};"
        f"--link:{readable(store.brand_color, GROUND)};--tint:{mix(store.brand_color, GROUND, 0.1)}}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{--link:{readable(store.brand_color, DARK_PAPER)};"
        f"--tint:{mix(store.brand_color, DARK_PAPER, 0.25)}}}}}\n"
    )
