"""Signed links for people without a log-in: `/t/<token>/`, `/r/<token>/`, `/u/<token>/`.

A token names its purpose, its store and one row, and ends. It opens nothing else, and nothing of another purpose.
"""

from datetime import timedelta

from django.conf import settings
from django.core import signing


class BadLink(Exception):
    """The link is forged, for another purpose, or too old: one answer for all three."""


def make(purpose: str, store_id: int, pk: int, **extra) -> str:
    """A token for one row (its primary key) of one store; `extra` must be JSON and is not secret."""
    return signing.dumps(
        [store_id, pk, extra] if extra else [store_id, pk], salt=f"postpurchase.link.{purpose}", compress=False
    )


def read(purpose: str, token: str, max_age: timedelta) -> tuple[int, int, dict]:
    """`(store_id, pk, extra)` of a token made by `make` for the same purpose at most `max_age` ago. Raises BadLink."""
    try:
        store_id, pk, *extra = signing.loads(token, salt=f"postpurchase.link.{purpose}", max_age=max_age)
        if not (type(store_id) is type(pk) is int):
            raise ValueError("A link names rows by number.")
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise BadLink from error
    return store_id, pk, extra[0] if extra else {}


def claimed_store(token: str) -> int | None:
    """The primary key of the store that a token names, unproven: good for choosing a public page, for nothing else."""
    try:
        store_id, *_rest = signing.JSONSerializer().loads(signing.b64_decode(token.partition(":")[0].encode()))
    except (ValueError, TypeError):
        return None
    return store_id if type(store_id) is int and 0 < store_id < 2**63 else None


def address(path: str) -> str:
    """The full address of a path, for mails and for programs elsewhere."""
    return f"{settings.SITE_URL}{path}"
