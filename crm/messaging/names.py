"""A person's name as a mail may say it. What the shop's forms let in is never trusted."""

import re
import unicodedata

# Joiners are part of spelling in the scripts of India; every other invisible character is left out.
_JOINERS = {"\u200c", "\u200d"}
_ADVERTISEMENT = re.compile(r"https?:|www\.|[/@<>{}]|\.\w{2,}\b|\d{4}", re.IGNORECASE)


def greeting_name(name: str | None, limit: int = 40) -> str:
    """The name on one line, or nothing when it is none: no letters, too long, an address or an advertisement."""
    kept = "".join(
        character if unicodedata.category(character)[0] != "C" or character in _JOINERS else " "
        for character in name or ""
    )
    kept = " ".join(kept.split())
    if len(kept) > limit or _ADVERTISEMENT.search(kept) or not any(character.isalpha() for character in kept):
        return ""
    return kept


def one_line(text: str, limit: int) -> str:
    """Text that fits into a header: no line breaks or control characters, at most `limit` characters."""
    text = "".join(" " if unicodedata.category(character) in ("Cc", "Zl", "Zp") else character for character in text)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
