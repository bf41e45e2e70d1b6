"""When two addresses lead to one shop, and how browsers name it."""

import contextlib
import re
from urllib.parse import urlsplit

from .models import Store


def site(url: str) -> str:
    """What makes two addresses one site: host and path, whatever stands before and after."""
    parts = urlsplit(url if "://" in url else f"https://{url}")
    host = re.sub(r":(80|443)$", "", parts.netloc.lower().rpartition("@")[2]).removeprefix("www.")
    return f"{host}{parts.path.rstrip('/')}"


def origin(url: str) -> str:
    """`https://shop.example`, as a browser says where a page is from."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    with contextlib.suppress(UnicodeError):
        host = host.encode("idna").decode()
    is_usual = port in (None, {"http": 80, "https": 443}.get(parts.scheme))
    return f"{parts.scheme}://{host}" + ("" if is_usual else f":{port}")


def store_at(url: str, *, besides: int | None = None) -> Store | None:
    """The store whose shop is at this address however it is written, other than the one with the primary key `besides`.

    A shop that two stores mirror would be written into by both, and its customers thanked twice.
    """
    others = Store.objects.exclude(pk=besides).order_by("pk")
    return next((store for store in others if site(store.url) == site(url)), None)
