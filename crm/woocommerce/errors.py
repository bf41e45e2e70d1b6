"""What can go wrong with a shop, in words that say where, what, and what to do."""

import html
import json
import re
import socket
import ssl
from datetime import datetime
from urllib.parse import urlsplit

import requests
from django.utils.translation import gettext as _

from crm.stores.models import Store


class WooCommerceError(Exception):
    """A shop did not do what it was asked; the text is for people.

    `permanent`: asking again won't help until somebody changes something. `status` and `code` are the HTTP status and WooCommerce's
    own error code, where there was an answer.
    """

    def __init__(self, message: str, *, permanent: bool, status: int | None = None, code: str = ""):
        super().__init__(message)
        self.permanent = permanent
        self.status = status
        self.code = code
        # Seconds that the shop asked to be left alone.
        self.retry_after: float | None = None
        # What the shop's clock said, where it refused.
        self.date: datetime | None = None
        # There was no connection that the request could have travelled on.
        self.never_arrived = False

    @property
    def is_of_shop(self) -> bool:
        """Whether anything else would fail alike: nobody answers, or it is the address, the keys, a firewall, another shop."""
        if self.status in (403, 404):
            # With a code of its own it is about one kind of object, or one object.
            return self.code in ("", "rest_no_route")
        return self.status is None or self.status in (401, 429) or 300 <= self.status < 400

    @property
    def may_pass(self) -> bool:
        """Whether a shop in disorder says this now and then to those whom it knows: that the keys are wrong, or that it lives elsewhere."""
        return self.status == 401 or (self.status is not None and 300 <= self.status < 400)


def named(store: Store, text: str) -> str:
    """The text with the store's name before it, for whoever looks after several."""
    return text if store.name in text else f"{store.name}: {text}"


class TooBig(WooCommerceError):
    """An answer was not read to its end, for its size."""


class WrongShop(WooCommerceError):
    """Another shop than the one that is mirrored answers."""

    def __init__(self, message: str):
        super().__init__(message, permanent=True)


RETRIED = {408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524}


def refused(where: str, status: int, body: bytes) -> WooCommerceError:
    """The error for an answer with a status of 400 or more."""
    code, said = _code_and_message(body)
    return WooCommerceError(
        f"{where}: {_explain(status, code, said, body)}", permanent=status not in RETRIED, status=status, code=code
    )


def _explain(status, code, said, body):
    lower = said.lower()
    if status == 401 and "secret is invalid" in lower:
        return _("the shop knows the consumer key, but not this consumer secret. Copy both keys again.")
    if status == 401 and "key is invalid" in lower:
        return _("the shop does not know this consumer key. Copy both keys again; they may have been revoked.")
    if status == 401 and "signature" in lower:
        return _(
            "the shop refuses the signature (“%(said)s”). Use the very address that WordPress calls its own (Settings → General), "
            "and copy the consumer secret again."
        ) % {"said": said}
    if status == 401 and "timestamp" in lower:
        return _(
            "the shop refuses the time of the request. Set the clocks of the shop's server and of this machine right."
        )
    if "does not have write permissions" in lower or "does not have read permissions" in lower:
        return _(
            "the keys may not do this (“%(said)s”). In WooCommerce → Settings → Advanced → REST API, give the key Read/Write."
        ) % {"said": said}
    if status == 401:
        return _(
            "the shop does not accept the keys (“%(said)s”). Check that the consumer key is right and not revoked, and that the server passes on "
            "the Authorization header."
        ) % {"said": said or "401"}
    if status == 403 and code.startswith("woocommerce_rest"):
        return _(
            "the user who owns the key lacks the right (“%(said)s”). Make the key for an administrator or a shop manager."
        ) % {"said": said}
    if status == 403:
        return _(
            "the shop's server forbids it (403), most likely a firewall or a security plug-in. Allow this machine's address and /wp-json/ there."
        )
    if status == 404 and (code == "rest_no_route" or not code):
        return _(
            "there is no WooCommerce REST API at this address (404). Check the address, that WooCommerce is active, and that in Settings → Permalinks "
            "any structure but “Plain” is chosen."
        )
    if status == 429:
        return _("the shop asks for fewer requests (429). It will be tried again later.")
    if status >= 500 and not code:
        return _("the shop's server is in trouble (%(status)s: %(said)s). It will be tried again later.") % {
            "status": status,
            "said": said or gist(body),
        }
    return f"{said or gist(body)} ({status}{' ' + code if code else ''})"


def _code_and_message(body):
    try:
        answer = json.loads(body)
    except ValueError:
        return "", ""
    if not isinstance(answer, dict):
        return "", ""
    message = html.unescape(re.sub(r"<[^>]*>", " ", str(answer.get("message") or "")))
    return str(answer.get("code") or ""), " ".join(message.split())[:300]


def no_json(where: str, status: int, content_type: str, body: bytes) -> WooCommerceError:
    """The error for a good status whose body can't be read: HTML, PHP warnings around JSON, or half an answer."""
    start = body[:2000].lstrip().lower()
    if not start:
        text = _("the answer is empty. The shop's PHP may have run out of memory; look into its error log.")
    elif start.startswith((b"{", b"[")) and re.search(rb"[}\]]\s*<|</?br", body[-4000:]):
        text = _(
            "something is written after the JSON (“%(gist)s”). A plug-in or PHP prints into the shop's answers: turn display_errors off."
        ) % {"gist": gist(body[-4000:])}
    elif start.startswith((b"{", b"[")):
        text = _("the JSON is broken or breaks off after %(size)d bytes. It will be tried again.") % {"size": len(body)}
    elif b"<html" not in start and b"<!doctype" not in start and (b"{" in body or b"[" in body):
        text = _(
            "something is written before the JSON (“%(gist)s”). PHP prints warnings into the shop's answers: turn display_errors off."
        ) % {"gist": gist(body)}
    else:
        text = _(
            "a web page came instead of JSON (“%(gist)s”). Is this WooCommerce? A log-in page, a maintenance mode, a cache or a firewall in front "
            "of /wp-json/ does this, too."
        ) % {"gist": gist(body) or content_type}
    return WooCommerceError(f"{where}: {text}", permanent=False, status=status)


def in_an_answer(where: str, data) -> WooCommerceError | None:
    """The error that some plug-ins and caches give with status 200; None for what is none."""
    if not isinstance(data, dict) or not {"code", "message", "data"} <= data.keys():
        return None
    return WooCommerceError(
        _(
            "%(where)s: an error came as if it were a good answer: “%(said)s” (%(code)s). The shop's error log tells more."
        )
        % {"where": where, "said": gist(str(data["message"]).encode()), "code": data["code"]},
        permanent=False,
        status=200,
        code=str(data["code"]),
    )


def moved(where: str, status: int, location: str) -> WooCommerceError:
    """A redirect is never followed: a POST would turn into a GET, and the keys would go elsewhere."""
    target = urlsplit(location)
    # Without the query, which may repeat what we signed.
    to = f"{target.scheme}://{target.netloc}{target.path}" if target.netloc else target.path
    base = to.split("/wp-json")[0] or "/"
    return WooCommerceError(
        _("%(where)s: the shop sends us on to %(to)s (%(status)d). Give the address it really answers at: %(base)s")
        % {"where": where, "to": to or "?", "status": status, "base": base},
        permanent=True,
        status=status,
    )


def unreachable(where: str, host: str, error: Exception) -> WooCommerceError:
    """The error for a request that got no (whole) answer."""
    reason = _root(error)
    permanent = False
    if "WRONG_VERSION_NUMBER" in repr(reason):
        permanent = True
        text = _(
            "%(host)s does not speak https there. Check the address and its port; a shop on plain http is written with http:// and needs --insecure."
        ) % {"host": host}
    elif isinstance(error, requests.exceptions.SSLError) or isinstance(reason, ssl.SSLError):
        permanent = isinstance(reason, ssl.SSLCertVerificationError)
        text = _("no secure connection to %(host)s: %(reason)s. Put the shop's certificate right.") % {
            "host": host,
            "reason": getattr(reason, "verify_message", "") or getattr(reason, "reason", None) or type(reason).__name__,
        }
    elif isinstance(error, requests.exceptions.Timeout):
        text = _("%(host)s did not answer in time. It will be tried again later.") % {"host": host}
    elif "getaddrinfo" in repr(error) or "NameResolution" in repr(error) or "gaierror" in repr(reason):
        text = _("no server is called %(host)s. Check the address.") % {"host": host}
    elif isinstance(reason, ConnectionRefusedError):
        text = _("%(host)s refuses the connection. Check the address and its port, and that the server runs.") % {
            "host": host
        }
    else:
        text = _("the connection to %(host)s broke off (%(reason)s). It will be tried again later.") % {
            "host": host,
            "reason": type(reason).__name__,
        }
    failure = WooCommerceError(f"{where}: {text}", permanent=permanent)
    failure.never_arrived = isinstance(error, requests.exceptions.ConnectTimeout) or isinstance(
        reason, ConnectionRefusedError | socket.gaierror | ssl.SSLCertVerificationError
    )
    return failure


def is_gone(code) -> bool:
    """Whether WooCommerce's error code means that there is no object of this number; the second is what it says of a category."""
    return str(code).endswith(("invalid_id", "rest_term_invalid"))


def _root(error):
    """The cause at the bottom of requests' and urllib3's wrappings; never their texts, which hold the signed address."""
    seen = set()
    while id(error) not in seen:
        seen.add(id(error))
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((arg for arg in error.args if isinstance(arg, BaseException)), None)
        error = inner or error.__cause__ or error.__context__ or error
    return error


def gist(body: bytes) -> str:
    """The first words of a body for people: without tags."""
    text = body[:4000].decode("utf-8", "replace")
    if title := re.search(r"<title[^>]*>(.*?)</title>", text, re.S | re.I):
        text = title[1]
    text = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", text, flags=re.S | re.I)
    return " ".join(html.unescape(text).replace("\x00", "").split())[:120]
