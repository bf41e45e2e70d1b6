"""The look of the shop's own pages: one frame, money and small parts, everything escaped."""

from html import escape, unescape

from .pricing import cents
from .render import SYMBOLS
from .shop import Shop


def esc(text) -> str:
    return escape(str(text), quote=True)


def amount(shop: Shop, price: str) -> str:
    symbol = SYMBOLS.get(shop.currency, (shop.currency,))[0]
    return f"{symbol}&#8239;{cents(price) / 100:,.2f}"


def frame(shop: Shop, title: str, main: str, links: dict[str, str], told: str = "", good: bool = True) -> str:
    first, _, rest = shop.name.partition(" ")
    places = {"Shop": "/", "Control room": "/control/", **links}
    nav = "".join(f'<a href="{esc(url)}">{esc(name)}</a>' for name, url in places.items())
    note = f'<p class="told{"" if good else " no"}" role="status">{esc(told)}</p>' if told else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{esc(title)} · {esc(shop.name)}</title><link rel="stylesheet" href="/shop.css">'
        '<link rel="icon" href="/wp-content/uploads/tea-01.svg"></head><body>'
        f'<header class="top"><div><a class="name" href="/">{esc(first)} <span>{esc(rest)}</span></a>'
        f'<nav aria-label="Main">{nav}</nav></div></header><main>{note}{main}</main>'
        "<footer>A pretend shop: nothing here is for sale, and no money moves.</footer></body></html>"
    )


def field(label: str, name: str, value: str = "", kind: str = "text", more: str = "") -> str:
    return f'<label>{esc(label)}<input type="{kind}" name="{name}" value="{esc(value)}" {more}></label>'


def choice(label: str, name: str, options: list[tuple], chosen="") -> str:
    rows = "".join(
        f'<option value="{esc(value)}"{" selected" if str(value) == str(chosen) else ""}>{esc(text)}</option>'
        for value, text in options
    )
    return f'<label>{esc(label)}<select name="{name}">{rows}</select></label>'


def form(action: str, inside: str, button: str, quiet: bool = False) -> str:
    look = ' class="quiet"' if quiet else ""
    return f'<form method="post" action="{esc(action)}">{inside}<button{look}>{esc(button)}</button></form>'


def folded(summary: str, inside: str) -> str:
    return f"<details><summary>{esc(summary)}</summary>{inside}</details>"


def plain(name: str) -> str:
    """A term's name as a person reads it: WooCommerce keeps it with HTML entities."""
    return unescape(name)
