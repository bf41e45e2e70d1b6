"""The way to a shop's REST API: the `woocommerce` package with a session, patience, pages and clear errors."""

import base64
import copy
import email.utils
import hashlib
import hmac
import json
import logging
import os
import random
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlencode, urlsplit

import orjson
import requests
import woocommerce
from django.utils import timezone
from django.utils.translation import gettext as _
from requests.adapters import HTTPAdapter

from crm.stores.models import Store

from . import errors
from .errors import TooBig, WooCommerceError
from .network import PublicAdapter
from .values import numbered

logger = logging.getLogger(__name__)

PER_PAGE = 100
TIMEOUT = 30
# For one whole answer: a server that drips a byte now and then keeps within the time-out of a read.
LONGEST_ANSWER = 40
BIGGEST_ANSWER = 64 * 1024 * 1024
ATTEMPTS = 5
# How often a refusal is doubted that comes in the midst of good answers.
DOUBTS = 2
LONGEST_WAIT = 60
# A quarter of an hour is what WooCommerce allows; a request and its answer are minutes apart at most.
CLOCKS_APART = timedelta(minutes=10)
# No attempt begins later than this after the first: a task that asks a shop which hangs has to end by itself, with the
# reason noted, before the queue kills it.
PATIENCE = 40

try:
    USER_AGENT = f"Postpurchase/{version('postpurchase')}"
except PackageNotFoundError:
    USER_AGENT = "Postpurchase/0.1.0"


def endpoint_of(resource: str) -> str:
    """Where the objects of a kind are found below `wc/v3/`."""
    return f"products/{resource}" if resource in ("categories", "reviews") else resource


def signed(method: str, url: str, params: dict[str, Any], key: str, secret: str, at: datetime) -> str:
    """The address with its parameters, signed by OAuth 1.0a as WooCommerce has it, at this time of the shop's.

    The package's own signing repeats its nonces, which a shop refuses, leaves slashes unquoted, which WooCommerce does not, and takes a sixth of
    the time of a poll that finds nothing.
    """
    params = params | {
        "oauth_consumer_key": key,
        "oauth_timestamp": int(at.timestamp()),
        "oauth_nonce": secrets.token_hex(16),
        "oauth_signature_method": "HMAC-SHA256",
    }
    # As PHP's rawurlencode of what rawurldecode makes of it.
    pairs = sorted((quote(name, safe=""), quote(unquote(str(value)), safe="")) for name, value in params.items())
    listed = "&".join(f"{name}={value}" for name, value in pairs)
    text = f"{method}&{quote(url, safe='')}&{quote(listed, safe='')}"
    digest = hmac.digest(f"{secret}&".encode(), text.encode(), hashlib.sha256)
    return f"{url}?{urlencode(params | {'oauth_signature': base64.b64encode(digest)})}"


class Answer(NamedTuple):
    data: Any
    headers: Any

    @property
    def date(self) -> datetime | None:
        """The shop's own clock."""
        return _moment(self.headers.get("Date", ""))


@dataclass(frozen=True)
class Page:
    rows: list[dict]
    number: int
    total: int | None
    """How many objects the shop counts, where it says so."""
    pages: int | None
    date: datetime | None
    is_last: bool
    # Objects of the list before this page.
    offset: int = 0
    # The rows as the mirror takes them, where a reader has seen to that.
    prepared: list | None = None

    @cached_property
    def numbered(self) -> dict[int, dict]:
        """The objects by their numbers, without what is none."""
        return numbered(self.rows)


class Client(woocommerce.API):
    """Asks one shop. Every failure is a WooCommerceError; GET is tried again, and nothing else is.

    `get`, `post`, `put` and `delete` take an endpoint below `/wp-json/wc/v3/` and return the decoded JSON.
    """

    def __init__(self, store: Store, *, signing: str | None = None, patience: float = PATIENCE, sleep=time.sleep):
        url = store.url.rstrip("/")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or re.search(r"\s", url):
            raise WooCommerceError(_("%(url)s is no web address of a shop.") % {"url": url}, permanent=True)
        if parts.scheme == "http" and not store.insecure:
            raise WooCommerceError(
                _("%(url)s is not encrypted. Use https, or allow plain http for this shop (--insecure).")
                % {"url": url},
                permanent=True,
            )
        super().__init__(
            url, store.consumer_key, store.consumer_secret, timeout=TIMEOUT, user_agent=USER_AGENT, version="wc/v3"
        )
        self.host = parts.netloc
        # Over plain http the secret itself must not travel, whatever the store says.
        self.signing = Store.Signing.OAUTH if parts.scheme == "http" else (signing or store.signing)
        self.is_insecure = store.insecure
        self.session = self._new_session()
        # How all addresses begin, as they go over the wire.
        self._start = ""
        self.patience, self.sleep = patience, sleep
        # Asked so far, those that were asked again included.
        self.requests = 0
        # Whether the shop has let itself be read, by these keys and at this address.
        self.has_read = False
        self.halted = store.halted
        # How far the shop's clock is ahead of ours, once it has refused a time that was not its own.
        self.ahead = timedelta()
        # Whose questions these are, those of twins for other threads as well.
        self.origin = self

    # Where several ask at once: what to wait for before each attempt.
    turn: Callable[[], AbstractContextManager] = nullcontext

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        # No proxies and no .netrc: both could take the keys elsewhere.
        session.trust_env = False
        session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        adapter = HTTPAdapter() if self.is_insecure else PublicAdapter()
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        return session

    def another(self) -> "Client":
        """The same way to the same shop for another thread: a session is one thread's own."""
        twin = copy.copy(self)
        twin.session = self._new_session()
        return twin

    def __repr__(self):
        return f"<Client {self.url}>"

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.session.close()

    @contextmanager
    def asking_all_the_same(self) -> Iterator[None]:
        """For the questions that find out whether a store that was halted may go on."""
        halted, self.halted = self.halted, ""
        try:
            yield
        finally:
            self.halted = halted

    def get(self, endpoint: str, **params) -> Any:
        return self.ask("GET", endpoint, params=params).data

    def post(self, endpoint: str, data: dict, **params) -> Any:
        return self.ask("POST", endpoint, data, params).data

    def put(self, endpoint: str, data: dict, **params) -> Any:
        return self.ask("PUT", endpoint, data, params).data

    def delete(self, endpoint: str, **params) -> Any:
        return self.ask("DELETE", endpoint, params=params).data

    def index(self) -> Any:
        """What WordPress says of itself to anybody: name, time zone, what is installed. Asked without the keys."""
        where = f"GET {self.host}/wp-json/"
        params = {"_fields": "name,description,url,home,gmt_offset,timezone_string,namespaces"}
        return self._patiently(
            "GET", where, lambda: self._send("GET", f"{self.url}/wp-json/?{urlencode(params)}", where)
        ).data

    def page(self, endpoint: str, number: int = 1, **params) -> Page:
        """One page of a list."""
        params = {"per_page": PER_PAGE, **params, "page": number}
        answer = self.ask("GET", endpoint, params=params)
        if not isinstance(answer.data, list):
            raise WooCommerceError(
                _("GET %(host)s %(endpoint)s: a list was expected, but %(kind)s came.")
                % {"host": self.host, "endpoint": endpoint, "kind": type(answer.data).__name__},
                permanent=False,
            )
        total, pages = _count(answer.headers, "X-WP-Total"), _count(answer.headers, "X-WP-TotalPages")
        if pages:
            is_last = number >= pages
        elif 'rel="next"' in answer.headers.get("Link", ""):
            is_last = False
        else:
            # Past the end both counts are 0. Where a proxy drops the headers, only an empty page is the end:
            # a short one is not, since the shop leaves out what the key may not see.
            is_last = not answer.data
        return Page(answer.data, number, total, pages, answer.date, is_last)

    def pages(self, endpoint: str, **params) -> Iterator[Page]:
        """All pages of a list, by ascending id unless told otherwise."""
        params = {"orderby": "id", "order": "asc"} | params
        number = 1
        while True:
            page = self.page(endpoint, number, **params)
            yield page
            if page.is_last:
                return
            number += 1

    def ask(self, method: str, endpoint: str, data: dict | None = None, params: dict | None = None) -> Answer:
        if self.halted:
            # It may be right again before long: whoever has something for the shop keeps it.
            raise WooCommerceError(self.halted, permanent=False)
        where = f"{method} {self.host} {endpoint}"
        return self._patiently(method, where, lambda: self._API__request(method, endpoint, data, params))

    def _patiently(self, method, where, send) -> Answer:
        give_up_at = time.monotonic() + self.patience
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self.turn():
                    return send()
            except WooCommerceError as error:
                wait = _wait(attempt, error.retry_after)
                is_last = attempt == ATTEMPTS or time.monotonic() + wait > give_up_at
                # What was good a moment ago and is refused may be the mood of a firewall or a cache; twice in a row, it is meant.
                is_meant = error.permanent and not (error.may_pass and self.origin.has_read and attempt <= DOUBTS)
                if method != "GET" or is_meant or is_last:
                    raise
                logger.warning("%s Once more in %.1f s.", error, wait)
            self.sleep(wait)
        raise AssertionError("unreachable")

    # The one place all verbs of the package pass through.
    def _API__request(self, method, endpoint, data, params=None, **kwargs) -> Answer:
        where = f"{method} {self.host} {endpoint}"
        url = self._API__get_url(endpoint)
        params = {key: value for key, value in (params or {}).items() if value is not None}
        if self.signing == Store.Signing.OAUTH:
            answer = self._send_signed(method, url, params, where, data)
        else:
            keys = self.consumer_key, self.consumer_secret
            answer = self._send(method, f"{url}?{urlencode(params)}" if params else url, where, data, keys)
        self.origin.has_read |= method == "GET"
        return answer

    def _send_signed(self, method, url, params, where, data) -> Answer:
        """WooCommerce refuses what is not signed within a quarter of an hour of its own clock; then it is signed by that, and nothing was done before."""

        def send(at: datetime) -> Answer:
            return self._send(
                method, signed(method, url, params, self.consumer_key, self.consumer_secret, at), where, data
            )

        at = timezone.now() + self.origin.ahead
        try:
            return send(at)
        except WooCommerceError as error:
            # Not by its text, which is in the shop's language.
            if error.status != 401 or error.date is None or abs(error.date - at) < CLOCKS_APART:
                raise
            ahead = error.date - timezone.now()
        try:
            answer = send(timezone.now() + ahead)
        except WooCommerceError as error:
            # Only what the shop says of the question itself shows that it took the time; it may not have been that, or a proxy has dated the answer.
            if error.status in (400, 404):
                self.origin.ahead = ahead
            raise
        self.origin.ahead = ahead
        return answer

    def _send(self, method, url, where, data=None, auth=None) -> Answer:
        self.origin.requests += 1
        try:
            request = self._prepared(method, url, data, auth)
            with self.session.send(
                request, timeout=self.timeout, allow_redirects=False, stream=True, proxies={}
            ) as response:
                content = _read(response, where)
        except requests.RequestException as error:
            # `from None`: the text of requests' errors holds the signed address.
            raise errors.unreachable(where, self.host, error) from None
        if 300 <= response.status_code < 400:
            raise errors.moved(where, response.status_code, response.headers.get("Location", ""))
        if response.status_code >= 400:
            refusal = errors.refused(where, response.status_code, content)
            refusal.retry_after = _retry_after(response.headers)
            refusal.date = _moment(response.headers.get("Date", ""))
            raise refusal
        data = _decode(content, response, where)
        if method == "GET" and (in_it := errors.in_an_answer(where, data)):
            raise in_it
        return Answer(data, response.headers)

    def _prepared(self, method, url, data, auth) -> requests.PreparedRequest:
        """What `Session.request` makes, but for the address: looking it over takes as long as sending it, and they all begin alike."""
        if not self._start:
            address = requests.PreparedRequest()
            address.prepare_url(f"{self.url}/", None)
            self._start = address.url or ""
        request = requests.PreparedRequest()
        request.prepare_method(method)
        request.url = self._start + url.removeprefix(f"{self.url}/")
        request.prepare_headers(
            {
                "User-Agent": self.user_agent,
                "Accept": "application/json",
                "Accept-Encoding": requests.utils.DEFAULT_ACCEPT_ENCODING,
            }
        )
        request.prepare_cookies(self.session.cookies if len(self.session.cookies) else {})
        body = None
        if data is not None:
            body = json.dumps(data, ensure_ascii=False).encode("utf-8", "replace")
            request.headers["Content-Type"] = "application/json;charset=utf-8"
        request.prepare_body(body, None)
        request.prepare_auth(auth, request.url)
        return request


def _read(response, where) -> bytes:
    deadline = time.monotonic() + LONGEST_ANSWER
    chunks, size = [], 0
    for chunk in response.iter_content(64 * 1024):
        chunks.append(chunk)
        size += len(chunk)
        if size > BIGGEST_ANSWER:
            raise TooBig(
                _(
                    "%(where)s: the answer is bigger than %(size)d MiB. Look in the shop which of these objects has so much in its meta data, and which plug-in "
                    "writes it."
                )
                % {"where": where, "size": BIGGEST_ANSWER >> 20},
                permanent=True,
                status=response.status_code,
            )
        if time.monotonic() > deadline:
            raise requests.exceptions.ReadTimeout()
    return b"".join(chunks)


def _decode(content, response, where):
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        pass
    try:
        # Slower and laxer: NaN, numbers of any length and half surrogates, which the mapping deals with one by one.
        return json.loads(content)
    except (ValueError, RecursionError):
        raise errors.no_json(where, response.status_code, response.headers.get("Content-Type", ""), content) from None


def _count(headers, name) -> int | None:
    value = headers.get(name, "")
    # What a column can hold; nobody has more.
    return int(value) if value.isdecimal() and len(value) < 10 else None


def _moment(text: str) -> datetime | None:
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # No clock shows such a year, and what is reckoned from it would leave the calendar.
    return moment.replace(tzinfo=moment.tzinfo or UTC) if 1970 <= moment.year < 9000 else None


def _retry_after(headers) -> float | None:
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    if not (until := _moment(value)):
        return None
    # Said by the shop's clock, which may be hours from ours.
    return (until - (_moment(headers.get("Date", "")) or timezone.now())).total_seconds()


def _wait(attempt, asked: float | None) -> float:
    """Seconds until the next attempt: doubling, spread, and as long as the shop asks for within reason."""
    wait = min(0.5 * 2 ** (attempt - 1), 30) * random.uniform(0.5, 1.5)
    return min(max(wait, asked or 0), LONGEST_WAIT)
