"""A shop in trouble, as real ones are: answers that break, webhooks that get lost, changes between two pages.

One seed scripts all of it. What becomes of a request is decided by the seed, the request (method, path, page) and how often it was
asked before; what becomes of a delivery by the seed and its running number. So a run that went wrong can be repeated.
"""

import email.utils
import random
import threading
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import NamedTuple
from urllib.parse import urlsplit

import orjson

from .happenings import happen
from .params import collect
from .shop import Shop
from .state import utc_now
from .web import Request, Response, wordpress_json
from .webhooks import Deliveries, Delivery, Job

BOMB = 1 << 30  # bytes of a gzip bomb when it is unpacked
WARNING = (
    b"<br />\n<b>Warning</b>:  Undefined array key &quot;rate&quot; in "
    b"<b>/srv/www/wp-content/plugins/tax/tax.php</b> on line <b>212</b><br />\n"
)
CRITICAL = "<p>There has been a critical error on this website.</p>"
TOTALS = ("X-WP-Total", "X-WP-TotalPages")
JSON = ("Content-Type", "application/json; charset=UTF-8")
HTML = ("Content-Type", "text/html; charset=UTF-8")


def html(status: int, title: str, *headers: tuple[str, str]) -> Response:
    page = f"<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center></body></html>"
    return Response(status, page.encode(), [HTML, *headers])


def error(status: int, code: str, message: str, *headers: tuple[str, str]) -> Response:
    body = {"code": code, "message": message, "data": {"status": status if status >= 400 else 500}}
    return Response(status, wordpress_json(body), [JSON, *headers])


def other_headers(response: Response, changed: dict[str, str | None]) -> Response:
    """With these headers changed, or left out where the value is None."""
    kept = [pair for pair in response.headers if pair[0] not in changed]
    return replace(response, headers=kept + [(name, value) for name, value in changed.items() if value is not None])


@cache
def bomb() -> bytes:
    packer, piece = zlib.compressobj(9, wbits=31), bytes(1 << 20)
    return b"".join(packer.compress(piece) for _ in range(BOMB // len(piece))) + packer.flush()


class Fate(NamedTuple):
    """What becomes of one delivery of a webhook."""

    copies: int = 1
    late: tuple[float, ...] = (0.0,)  # seconds each copy is held up on its way
    is_forged: bool = False  # one with a wrong signature goes ahead of it


class Trouble:
    """The script of one run.

    `share` is the chance that an answer breaks, `kinds` are the ways in which (names from REFUSALS and SPOILERS). `elsewhere` is
    where redirects lead. `busy` is the chance that something happens in the shop before it answers. `hang` is how many seconds an
    answer that never comes keeps its reader waiting, `slow` how many a slow one takes. `in_turn` deals the kinds one after the other, so that each
    comes (with several readers, not at the same request in each run). While it `is_quiet` all goes well.
    """

    def __init__(
        self,
        seed: int,
        *,
        share: float = 0.2,
        kinds: Iterable[str] | None = None,
        elsewhere: str = "http://127.0.0.1:9",
        busy: float = 0.0,
        hang: float = 0.0,
        slow: float = 0.1,
        in_turn: bool = False,
    ):
        self.seed, self.share, self.kinds = seed, share, list(kinds or STANDARD)
        self.elsewhere, self.busy = elsewhere.rstrip("/"), busy
        self.hang, self.slow = hang, slow
        self.turns = deque(self.kinds) if in_turn else None
        self.shop: Shop | None = None  # set by the demo that it troubles
        self.is_quiet = False
        self.asked: Counter[tuple] = Counter()
        self.delivered = 0
        self.chosen: dict[int, str] = {}  # by the request's identity, from its beginning to its answer
        self.counts: Counter[str] = Counter()  # what was done, by name
        self.withheld: set[tuple[str, int]] = set()  # (path, number) of what a short page left out
        self.waits_asked = 0.0  # seconds, by Retry-After
        self.lock = threading.Lock()

    def dice(self, *about) -> random.Random:
        return random.Random(repr((self.seed, *about)))

    # --- answers ---

    def refuse(self, request: Request) -> Response | None:
        """What is answered without the shop hearing of the request."""
        if self.is_quiet or not request.path.startswith("/wp-json"):
            return None
        about = (request.method, request.path, collect(request.pairs).get("page", ""))
        with self.lock:
            self.asked[about] += 1
            dice = self.dice(*about, self.asked[about])
            if self.shop is not None and dice.random() < self.busy:
                happen(self.shop, dice)
                self.counts["happened while paging"] += 1
            if dice.random() >= self.share:
                return None
            kind = dice.choice(self.kinds) if self.turns is None else self.turns[0]
            if self.turns is not None:
                self.turns.rotate(-1)
        if refusal := REFUSALS.get(kind):
            self.counts[kind] += 1
            return refusal(self, request, dice)
        self.chosen[id(request)] = kind
        return None

    def spoil(self, request: Request, response: Response) -> Response | None:
        """What becomes of an answer that the shop has given: whatever was asked for is done."""
        kind = self.chosen.pop(id(request), None)
        if kind is None:
            return None
        spoiled = SPOILERS[kind](self, request, response, self.dice(request.path, kind, self.counts[kind]))
        if spoiled is not None:
            self.counts[kind] += 1
        elif self.turns is not None:
            # That answer could not be broken in this way: the next one may.
            with self.lock:
                self.turns.remove(kind)
                self.turns.appendleft(kind)
        return spoiled

    def asks_to_wait(self, seconds: int, *, as_date: bool) -> tuple[str, str]:
        self.waits_asked += seconds
        if not as_date:
            return "Retry-After", str(seconds)
        # By the clock that dates the answer as well.
        now = self.shop.now() if self.shop else utc_now()
        return "Retry-After", email.utils.format_datetime(now + timedelta(seconds=seconds), usegmt=True)

    # --- webhooks ---

    def fate(self) -> Fate:
        """Of the next delivery: 5 % are lost, 30 % come twice, a third are late, and 2 % have a forged one before them."""
        with self.lock:
            self.delivered += 1
            dice = self.dice("delivery", self.delivered)
            if self.is_quiet:
                return Fate()
            is_lost, is_doubled, is_late, is_forged = (dice.random() < p for p in (0.05, 0.30, 0.33, 0.02))
            copies = 0 if is_lost else 2 if is_doubled else 1
            late = tuple(dice.choice((0.2, 1.0, 4.0)) if is_late else 0.0 for _copy in range(copies))
            for name, happened in (
                ("webhooks lost", is_lost),
                ("webhooks doubled", copies == 2),
                ("webhooks late", any(late)),
                ("webhooks forged", is_forged),
            ):
                self.counts[name] += happened
            return Fate(copies, late, is_forged)


class FaultyDeliveries(Deliveries):
    """Loses, doubles, delays, reorders and forges as its script says."""

    def __init__(self, trouble: Trouble, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.trouble = trouble

    def work(self, job: Job) -> None:
        if isinstance(job, Delivery):
            self.send(job)
            return
        delivery = self.prepare(*job)
        if delivery is None:
            return
        if not delivery.row_id:
            self.send(delivery)
            return
        fate = self.trouble.fate()
        if fate.is_forged:
            self.send(forged(delivery))
        for late in fate.late:
            # Another object each time: the same would wait once only.
            self.put(replace(delivery), late)


def forged(delivery: Delivery) -> Delivery:
    """The same news about another amount, signed by somebody who has not the secret."""
    body = delivery.body.replace(b'"total":"', b'"total":"9', 1)
    # A refusal must not count against the webhook: nobody but the forger sees it.
    return replace(delivery, hook=delivery.hook | {"id": 0}, body=body + b" ")


# --- ways to break ---


def refuse_busy(trouble: Trouble, request: Request, dice: random.Random) -> Response:
    wait = trouble.asks_to_wait(dice.choice((1, 2)), as_date=False)
    return error(429, "rest_too_many_requests", "Too many requests.", wait)


def refuse_busy_until(trouble: Trouble, request: Request, dice: random.Random) -> Response:
    return html(429, "429 Too Many Requests", trouble.asks_to_wait(dice.choice((1, 2)), as_date=True))


def refuse_maintenance(trouble: Trouble, request: Request, dice: random.Random) -> Response:
    return html(503, "Briefly unavailable for scheduled maintenance", trouble.asks_to_wait(1, as_date=False))


def refuse_moved(trouble: Trouble, request: Request, dice: random.Random) -> Response:
    target = f"{trouble.elsewhere}{request.path}?{request.query_string}"
    return Response(301, b"", [("Location", target), HTML])


def break_critical(trouble, request, response, dice):
    return error(500, "internal_server_error", CRITICAL)


def break_lost(trouble, request, response, dice):
    return replace(response, pause=trouble.hang, cut=-1)


def break_reset(trouble, request, response, dice):
    return replace(response, cut=dice.randrange(len(response.body) + 1))


def break_slow(trouble, request, response, dice):
    return replace(response, drip=trouble.slow)


def break_truncated(trouble, request, response, dice):
    return replace(response, body=response.body[: dice.randrange(1, max(len(response.body), 2))])


def break_charset(trouble, request, response, dice):
    """Letters as they are, in UTF-8, and a header that says otherwise."""
    changed = other_headers(response, {"Content-Type": "application/json; charset=ISO-8859-1"})
    return replace(changed, body=orjson.dumps(orjson.loads(response.body)))


def break_total_low(trouble, request, response, dice):
    """A count from a cache that does not know of the last page yet; the link to the next page is right."""
    pages = next((int(value) for name, value in response.headers if name == "X-WP-TotalPages"), 0)
    if pages < 2:
        return None
    return other_headers(response, {"X-WP-TotalPages": str(pages - 1)})


def break_total_high(trouble, request, response, dice):
    pages = next((int(value) for name, value in response.headers if name == "X-WP-TotalPages"), 0)
    return other_headers(response, {"X-WP-TotalPages": str(pages + 1)}) if pages else None


def break_short(trouble, request, response, dice):
    """A page without what a plug-in's filter has taken out: the counts still speak of it."""
    rows = orjson.loads(response.body) if response.body[:1] == b"[" else []
    if len(rows) < 2:
        return None
    left_out = {place for place in range(len(rows)) if dice.random() < 0.3} or {0}
    trouble.withheld |= {(urlsplit(request.path).path, rows[place]["id"]) for place in left_out}
    kept = [row for place, row in enumerate(rows) if place not in left_out]
    return replace(response, body=wordpress_json(kept))


Refuser = Callable[[Trouble, Request, random.Random], Response]
Spoiler = Callable[[Trouble, Request, Response, random.Random], Response | None]

REFUSALS: dict[str, Refuser] = {
    "429, seconds": refuse_busy,
    "429, date": refuse_busy_until,
    "502, HTML": lambda *_: html(502, "502 Bad Gateway"),
    "503, maintenance": refuse_maintenance,
    "401": lambda *_: error(401, "woocommerce_rest_cannot_view", "Sorry, you cannot list resources."),
    "redirect elsewhere": refuse_moved,
}
SPOILERS: dict[str, Spoiler] = {
    "500": break_critical,
    "no answer after the work": break_lost,
    "slow bytes": break_slow,
    "reset in the body": break_reset,
    "truncated JSON": break_truncated,
    "PHP warning": lambda t, q, response, d: replace(response, body=WARNING + response.body),
    "BOM": lambda t, q, response, d: replace(response, body=b"\xef\xbb\xbf" + response.body),
    "200 with an error": lambda *_: error(200, "internal_server_error", CRITICAL),
    "empty body": lambda t, q, response, d: replace(response, body=b""),
    "wrong charset": break_charset,
    "no totals": lambda t, q, response, d: other_headers(response, dict.fromkeys(TOTALS)),
    "totals of 0": lambda t, q, response, d: other_headers(response, {**dict.fromkeys(TOTALS, "0"), "Link": None}),
    "total too low": break_total_low,
    "total too high": break_total_high,
    "short page": break_short,
    "gzip bomb": lambda t, q, response, d: other_headers(replace(response, body=bomb()), {"Content-Encoding": "gzip"}),
}
# Making and sending a bomb takes seconds, so it is only there when asked for.
STANDARD = [name for name in [*REFUSALS, *SPOILERS] if name != "gzip bomb"]
CLOCKS = (0, 0, 1, -1, 3, -3)


def clock_error(seed: int) -> timedelta:
    """How far the shop's clock is off, by the seed."""
    return timedelta(hours=random.Random(repr((seed, "clock"))).choice(CLOCKS))
