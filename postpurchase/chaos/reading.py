"""S3, S5 and S6: shops that change while they are read, hold poison, and whose clocks are wrong."""

import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from unittest import mock
from zoneinfo import ZoneInfo

from django.utils import timezone

from crm.orders.models import Order
from crm.stores.models import Store
from crm.woocommerce.models import KeptAside, SyncState
from postpurchase.bench.figures import Figure
from postpurchase.demo import happenings, server
from postpurchase.demo.server import Demo
from postpurchase.demo.web import Request, Response

from . import mirror, shops

GREATEST = 2**63 - 1
GONE = "gone from the shop and still held"
# What a poll can find. A deletion for good and one of a refund leave no date behind: those are a comparison's.
PLAIN_LIFE = (happenings.buy, happenings.buy, happenings.pay, happenings.complete, happenings.edit, happenings.cancel)
DELETING_LIFE = (*PLAIN_LIFE, happenings.delete)


def differing(store: Store, demo: Demo, **options) -> tuple[list[str], list[str]]:
    """What is missing or stale, and what is held though it is gone."""
    found = list(mirror.differences(store, demo, **options))
    return [text for text in found if GONE not in text], [text for text in found if GONE in text]


# --- S3 ---


def drift(seed: int, pages: int, per_page: int = 10, latency: float = 0.05) -> list[Figure]:
    """Twenty changes a second while so many pages are read."""
    dice = random.Random(seed)
    shop = server.year_shop(seed, customers=20, orders=pages * per_page)
    with server.running(shop) as demo, shops.small_pages(per_page):
        store = shops.connected(demo, "drift")
        counter = shops.Counter(demo, latency)
        began = time.monotonic()
        with shops.meanwhile(lambda: dice.choice(DELETING_LIFE)(shop, dice), 0.05) as changes:
            shops.read(store)
        seconds, counter.seconds = time.monotonic() - began, 0.0
        # The cursor leaves its own second out, and a change may fall into just that.
        cursor = SyncState.objects.get(store=store, resource="orders").cursor
        assert cursor is not None
        on_the_edge = next(row["id"] for row in shop.rows["orders"].values() if row["status"] == "completed")
        shop.set_status(on_the_edge, "cancelled", at=cursor)
        shops.read(store)
        wrong, gone = differing(store, demo)
        shops.read(store, shops.COMPARE)
        left = sum(differing(store, demo), [])
    detail = f"{changes[0]} changes in {seconds:.0f} s over {pages} pages, {counter.total} requests"
    return [
        Figure("S3: missing or stale after one more poll", len(wrong), "rows", 0, "lower", told(detail, wrong)),
        Figure(
            "S3: wrong after a comparison", len(left), "rows", 0, "lower", told(f"{len(gone)} had been deleted", left)
        ),
        # Twenty are begun each second; of few pages, the first and the last second are much.
        Figure("S3: changes a second", changes[0] / seconds, "per s", 15 if pages >= 500 else None, "higher"),
    ]


def told(detail: str, wrong: list[str]) -> str:
    return f"{detail}: {'; '.join(wrong[:3])}" if wrong else detail


# --- S5 ---


def poison(seed: int, orders: int, per_page: int) -> list[Figure]:
    """One order on each page that can't be, each page another; later the shop puts them right."""
    dice = random.Random(seed)
    shop = server.year_shop(seed, customers=orders // 10, orders=orders)
    with server.running(shop) as demo, shops.small_pages(per_page):
        store = shops.connected(demo, "poison")
        listed = sorted(
            row["id"] for row in shop.rows["orders"].values() if row["status"] not in (*mirror.NO_ORDERS, "trash")
        )
        poisoned = {
            dice.choice(listed[start : start + per_page]): number
            for number, start in enumerate(range(0, len(listed), per_page))
        }
        names = list(POISONS)

        def spoil(request: Request, response: Response) -> Response | None:
            if request.method != "GET" or not request.path.endswith("/orders") or response.body[:1] != b"[":
                return None
            rows = json.loads(response.body)
            for row in rows:
                if row["id"] in poisoned:
                    row.update(POISONS[names[poisoned[row["id"]] % len(names)]](row))
            return replace(response, body=json.dumps(rows).encode())

        demo.faults.append(spoil)
        shops.read(store)
        wrong, _ghosts = differing(store, demo, besides=poisoned)
        wrong = [text for text in wrong if text.startswith("order")]
        kept = {row.woo_id: row.error for row in KeptAside.objects.for_store(store).unresolved()}
        forgiven = set(Order.objects.filter(store=store, woo_id__in=poisoned).values_list("woo_id", flat=True))
        aside = {names[number % len(names)] for woo_id, number in poisoned.items() if woo_id not in forgiven}
        silent = [
            woo_id for woo_id, number in poisoned.items()
            if woo_id not in forgiven and not kept.get(str(woo_id)) and names[number % len(names)] != "the greatest number"
        ]  # fmt: skip
        demo.faults.clear()
        for woo_id in poisoned:
            shop.update_order(woo_id)
        shops.read(store)
        shops.read(store, shops.COMPARE)
        left = sum(differing(store, demo), [])
        # Of that number there never was an order that could be put right.
        waiting = KeptAside.objects.for_store(store).unresolved().exclude(woo_id=str(GREATEST)).count()
    healthy = len(listed) - len(poisoned)
    return [
        Figure("S5: healthy orders that a poisonous one kept out", len(wrong), "rows", 0, "lower",
               told(f"{healthy} healthy, {len(poisoned)} poisonous on as many pages", wrong)),
        Figure("S5: poison that is neither held nor kept aside with a reason", len(silent), "rows", 0, "lower",
               f"{len(forgiven)} forgiven; kept aside: {', '.join(sorted(aside))}"),
        Figure("S5: wrong or aside after the shop put it right", len(left) + waiting, "rows", 0, "lower", told("", left)),
    ]  # fmt: skip


def with_lines(row: dict, **changed) -> dict:
    return {"line_items": [line | changed for line in row["line_items"]]}


POISONS = {
    "a name of 1 MB": lambda row: with_lines(row, name="x" * (1 << 20)),
    "half a surrogate": lambda row: {"customer_note": "\ud800", "currency": "I\ud800"},
    "NUL": lambda row: {"customer_note": "a\x00b", "number": "1\x00"},
    "total NaN": lambda row: {"total": "NaN"},
    "date of zeros": lambda row: {"date_modified_gmt": "0000-00-00T00:00:00", "date_created_gmt": "0000-00-00T00:00:00"},
    "a date that is none": lambda row: {"date_created_gmt": "yesterday"},
    "no currency": lambda row: {"currency": ""},
    "5,000 lines": lambda row: {"line_items": [line | {"id": line["id"] * 10_000 + n} for line in row["line_items"][:1] for n in range(5000)]},
    "negative quantity": lambda row: with_lines(row, quantity=-3),
    "unknown status": lambda row: {"status": "waiting-for-godot"},
    "no status": lambda row: {"status": None},
    "the greatest number": lambda row: {"id": GREATEST},
    "a number too great": lambda row: {"total": "9" * 40},
    "a list for an address": lambda row: {"billing": [1, 2], "meta_data": {"a": {"b": 1}}},
}  # fmt: skip


# --- S6 ---


class Clock:
    """A shop's clock, which stands until it is moved."""

    def __init__(self, moment: datetime):
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment


def clocks(seed: int, rounds: int) -> list[Figure]:
    """Clocks that are wrong, and one that is put right in the middle; summer time ends; the far side of the world."""
    now = timezone.now().replace(microsecond=0)
    berlin = datetime(2026, 10, 25, 0, 20, tzinfo=UTC)  # in forty minutes it is two o'clock once more
    cases: list[tuple[str, datetime, str, timedelta]] = [
        *((f"{hours:+d} h", now + timedelta(hours=hours), "Asia/Kolkata", timedelta()) for hours in (1, -1, 3, -3)),
        ("UTC+13", now, "Pacific/Tongatapu", timedelta()),
        ("summer time ends", berlin, "Europe/Berlin", timedelta()),
        ("set back by an hour", now + timedelta(hours=1), "Asia/Kolkata", timedelta(hours=-1)),
        ("set on by an hour", now - timedelta(hours=1), "Asia/Kolkata", timedelta(hours=1)),
    ]
    # The date of the answers alone, as of a proxy whose clock is wrong.
    dates = {f"date {hours:+d} h": timedelta(hours=hours) for hours in (5, -5)}
    cases += [(name, now, "Asia/Kolkata", timedelta()) for name in dates]
    missing, left, told_in_all = [], [], Counter[str]()
    for name, moment, zone, correction in cases:
        # Dice by the name of the case: by its hour, a run would be another one at each hour of the day.
        ahead = dates.get(name, timedelta())
        for late, after in one_clock(random.Random(repr((seed, name))), seed, moment, zone, correction, rounds, ahead):
            missing += [f"{name}: {text}" for text in late]
            left += [f"{name}: {text}" for text in after]
            told_in_all["polls"] += 1
    detail = f"{len(cases)} clocks ({', '.join(case[0] for case in cases)}), {told_in_all['polls']} polls"
    return [
        Figure("S6: missing after the next poll", len(missing), "rows", 0, "lower", told(detail, missing)),
        Figure("S6: wrong after a comparison", len(left), "rows", 0, "lower", told("", left)),
    ]


def one_clock(
    dice: random.Random,
    seed: int,
    moment: datetime,
    zone: str,
    correction: timedelta,
    rounds: int,
    ahead: timedelta = timedelta(),
) -> Iterator[tuple[list[str], list[str]]]:
    clock = Clock(moment)
    assert ZoneInfo(zone)
    shop = server.year_shop(seed, now=clock, customers=5, orders=10, zone=zone)
    # Where the date is wrong, the shop's own clock is ours: by that it takes what is signed.
    ours = mock.patch("django.utils.timezone.now", clock) if ahead else nullcontext()
    with server.running(shop, date_ahead=ahead) as demo, shops.no_waiting(), ours:
        store = shops.connected(shops.on_its_own(demo), "clock")
        shops.read(store)
        for number in range(rounds):
            if number == rounds // 2:
                clock.moment += correction
            for _ in range(6):
                dice.choice(PLAIN_LIFE)(shop, dice)
                clock.moment += timedelta(seconds=dice.choice((0, 0, 1, 40)))
            shops.read(store)
            if correction < timedelta():
                # That its clock was set back is seen by one poll, and made good by the next.
                shops.read(store)
            late = [text for text in differing(store, demo)[0] if text.startswith("order")]
            is_last = number == rounds - 1
            if is_last:
                shops.read(store, shops.COMPARE)
            # Of a clock that was set back: what changed since bears an older date than what is held, and no poll can tell.
            missing = [text for text in late if correction >= timedelta() or "missing" in text]
            yield missing, sum(differing(store, demo), []) if is_last else []
            clock.moment += timedelta(minutes=20)
