"""Single values of WooCommerce's JSON: what is right is converted, what is odd is forgiven, what is wrong is named."""

import html
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

# Beyond any price in any currency; sums of many still fit where they are added up.
LARGEST = Decimal(10) ** 15
# What PHP leaves over of its calculations has some thirty; PostgreSQL keeps them all.
MOST_DECIMALS = 60
# WordPress counts from one, and beyond this JavaScript counts wrong: a larger one was made up.
LARGEST_ID = 2**53 - 1
PLAIN_AMOUNT = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,20})?")


class MappingError(Exception):
    """An object can't be mirrored: the text names the field and what stands in it."""

    def __init__(self, field: str, value: Any, wanted: str):
        super().__init__(f"{field} is {show(value)}: {wanted}")
        self.field = field


def show(value: Any) -> str:
    text = "missing" if value is None else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def text(value: Any) -> str:
    """Any scalar as text, without the HTML entities that WordPress puts into names."""
    if type(value) is str and "&" not in value:
        return value
    if value is None or isinstance(value, list | dict | bool):
        return ""
    value = value if isinstance(value, str) else str(value)
    return html.unescape(value) if "&" in value else value


def web_address(value: Any) -> str:
    """An address that may stand in a link: of the web, in one piece; else nothing. `javascript:` is an address, too."""
    address = text(value).strip()
    return address if address.startswith(("https://", "http://")) and not re.search(r"[\s<>\"]", address) else ""


def clipped(value: Any, length: int) -> str:
    """Text that is only shown, as much of it as there is room for."""
    return text(value)[:length]


def exact(payload: dict, field: str, length: int) -> str:
    """Text that means something: cutting it off would make it mean something else."""
    value = text(payload.get(field))
    if len(value) > length:
        raise MappingError(field, value, f"at most {length} characters were expected")
    return value


def number(payload: dict, field: str, default: int | None = None) -> int:
    """A number of an object in the shop: a whole one that is not negative. Empty counts as `default`."""
    value = payload.get(field)
    if type(value) is int and 0 < value <= LARGEST_ID:
        return value
    if value in (None, "", False) and default is not None:
        return default
    found = whole(value)
    if found is None:
        raise MappingError(field, value, "a whole number of at most 16 digits was expected")
    return found


def whole(value: Any) -> int | None:
    """A whole number that an object of a shop may have, also where it came as text; None for anything else."""
    # Of digits that `int` knows, and not so many that it refuses them.
    if isinstance(value, str) and len(value) < 40 and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST_ID:
        return None
    return value


def numbered(rows: Iterable[Any]) -> dict[int, dict]:
    """The objects among these by their numbers, which they have as numbers; without what is no object, or has none that can be."""
    found = {}
    for row in rows:
        if isinstance(row, dict) and (number := whole(row.get("id"))):
            found[number] = row if isinstance(row["id"], int) else row | {"id": number}
    return found


def own_number(payload: dict) -> int:
    """The number of the object itself."""
    if not isinstance(payload, dict):
        raise MappingError("object", payload, "an object was expected")
    if "id" not in payload and "code" in payload and "message" in payload:
        # What a webhook delivers of an object that was gone when the delivery was built.
        raise MappingError(
            "id", None, f"the shop sent an error instead of an object ({text(payload['message'])[:200]})"
        )
    value = number(payload, "id")
    if not value:
        raise MappingError("id", value, "a number above 0 was expected")
    return value


def count(value: Any, default: int | None = 0) -> int | None:
    """A count that is only shown: anything odd is the default."""
    try:
        whole = int(value)
    except (TypeError, ValueError, OverflowError):
        return default
    return whole if abs(whole) < 2**31 else default


def money(payload: dict, field: str, default: str | None = "0") -> str | None:
    """An amount, with the very digits that the shop wrote; what is empty is `default`."""
    value = payload.get(field)
    # Nearly all are like this, and there are dozens in an order.
    if type(value) is str and PLAIN_AMOUNT.fullmatch(value):
        return value
    if value in (None, "", False):
        return default
    written = value if isinstance(value, str) else repr(value)
    if PLAIN_AMOUNT.fullmatch(written):
        return written
    try:
        amount = Decimal(written.strip())
    except InvalidOperation:
        raise MappingError(field, value, "an amount was expected") from None
    if not amount.is_finite() or abs(amount) >= LARGEST:
        raise MappingError(field, value, "an amount was expected")
    if int(amount.as_tuple().exponent) < -MOST_DECIMALS:
        raise MappingError(field, value, f"an amount with at most {MOST_DECIMALS} decimals was expected")
    # As jsonb text goes to numeric, an exponent would stand in the way of telling digits apart.
    return f"{amount:f}"


def moment(payload: dict, field: str) -> str | None:
    """A `*_gmt` date as ISO text in UTC; None where the shop has none (null, empty, all zeros or what PHP makes of them)."""
    value = payload.get(field)
    if not value or (isinstance(value, str) and value.startswith(("0000-00-00", "-0001-11-30"))):
        return None
    try:
        when = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        raise MappingError(field, value, "a date was expected") from None
    if len(value) == 19 and value[7] == "-" and value[10] == "T":
        # As WooCommerce writes it.
        return f"{value}+00:00"
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).isoformat()


def when_of(text: str | None) -> datetime | None:
    """What `moment` gave, as a time."""
    return datetime.fromisoformat(text) if text else None


def email(value: Any) -> str:
    """An address for comparing: lower case, without spaces around it; empty if it is none."""
    address = text(value).strip().lower()
    return address if "@" in address and len(address) <= 320 else ""


def objects(value: Any) -> list[dict]:
    """The objects in a list; PHP also writes lists as `{"0": …, "2": …}`."""
    if isinstance(value, dict):
        value = list(value.values())
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def address(value: Any) -> dict[str, str]:
    return {key: text(part) for key, part in value.items()} if isinstance(value, dict) else {}


def meta(value: Any) -> list[dict]:
    """Meta data as a list of `{key, value}` (with WooCommerce's id where it has one), whatever shape it came in."""
    if isinstance(value, dict):
        return [{"key": str(key), "value": item} for key, item in value.items()]
    if not isinstance(value, list):
        return []
    return [
        {name: item[name] for name in ("id", "key", "value") if name in item}
        for item in value
        if isinstance(item, dict) and "key" in item
    ]


# Where WPML, Polylang, TranslatePress, Weglot, GTranslate and WordPress itself keep a person's or an order's language.
LANGUAGE_KEYS = (
    "wpml_language",
    "_wpml_language",
    "icl_admin_language",
    "_order_language",
    "lang",
    "pll_language",
    "trp_language",
    "_trp_language",
    "weglot_language",
    "gt_language",
    "language",
    "_language",
    "locale",
)


def language(entries: list[dict]) -> str:
    """The language named in meta data, as `hi` or `de-at`; empty if none."""
    found = {entry["key"]: entry.get("value") for entry in entries if entry["key"] in LANGUAGE_KEYS}
    if not found:
        return ""
    for key in LANGUAGE_KEYS:
        code = str(found.get(key, "")).strip().replace("_", "-").lower()
        if len(code) <= 10 and re.fullmatch(r"[a-z]{2,3}(-[a-z0-9]+)*", code):
            return code
    return ""
