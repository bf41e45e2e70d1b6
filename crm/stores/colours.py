"""Colours as `#rrggbb`, and whether people can tell them apart (WCAG 2.2)."""

READABLE = 4.5  # contrast ratio of text at level AA


def contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio of two colours, 1 to 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def readable(colour: str, ground: str) -> str:
    """The colour, moved towards black or white until it can be read on the ground."""
    end = "#000000" if luminance(ground) > 0.18 else "#ffffff"
    steps = (mix(end, colour, share / 20) for share in range(21))
    return next(step for step in steps if contrast(step, ground) >= READABLE)


def mix(colour: str, into: str, share: float) -> str:
    """`into` with a share of the colour."""
    pairs = zip(_channels(colour), _channels(into), strict=True)
    return "#" + "".join(f"{round(a * share + b * (1 - share)):02x}" for a, b in pairs)


def luminance(colour: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in _channels(colour))]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _channels(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
