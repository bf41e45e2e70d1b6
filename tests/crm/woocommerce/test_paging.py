"""Lists that change while they are read: what is in them all the time must be seen, whatever else comes and goes."""

import math
import random
import threading

import pytest
from django.utils import timezone

from crm.woocommerce import paging
from crm.woocommerce.client import Client
from crm.woocommerce.models import SyncState
from crm.woocommerce.readers import Readers
from crm.woocommerce.saving import Saved
from crm.woocommerce.walking import OutOfTime, Walk
from crm.woocommerce.walks import through
from tests.factories import make_store

from .server import Reply, serving

pytestmark = pytest.mark.django_db


class List:
    """A shop's orders by number; `before(shop)` runs before each answer but the first."""

    knows_offsets = True
    size = 100
    size_said = 100
    has_headers = True
    # What it counts, whatever there is.
    total: int | None = None

    def __init__(self, numbers, before=lambda shop: None, **settings):
        self.numbers, self.before = list(numbers), before
        self.stayed = set(self.numbers)
        self.hidden = set()
        self.asked = 0
        self.lock = threading.Lock()
        self.__dict__ |= settings

    def remove(self, number):
        self.numbers.remove(number)
        self.stayed.discard(number)

    def __call__(self, request):
        with self.lock:
            if self.asked:
                self.before(self)
            self.asked += 1
            params = request["params"]
            start = (int(params["page"]) - 1) * self.size
            if self.knows_offsets and "offset" in params:
                start = int(params["offset"])
            size = min(self.size, int(params["per_page"]))
            numbers = (
                [n for n in self.numbers if n not in self.hidden][::-1] if params["order"] == "desc" else self.numbers
            )
            rows = numbers[start : start + size]
            total = len(self.numbers) if rows or not start else 0
            total = self.total if self.total is not None else total
            headers = {"X_WP_Total": total, "X_WP_TotalPages": math.ceil(total / self.size_said)}
            shown = [{"id": number} for number in rows if number not in self.hidden]
            return Reply(shown, **headers if self.has_headers else {})


def walk_through(shop, limit=4, seconds=None):
    """Which numbers are saved, in that order."""
    saved = []

    def save(store, rows, at):
        saved.extend(row["id"] for row in rows)
        return Saved()

    with serving(shop) as server:
        store = make_store(url=server.url, consumer_key="ck", consumer_secret="cs", insecure=True)
        state = SyncState.objects.create(store=store, resource="orders", started_at=timezone.now())
        while True:
            state.refresh_from_db()
            deadline = None if seconds is None else -1.0
            with Client(store) as client, Readers(client, limit) as readers:
                try:
                    through(Walk(store, readers, state, lambda state: None, deadline), "orders", save)
                except OutOfTime:
                    continue
                return saved


@pytest.mark.parametrize("count", [0, 1, 2, 3, 97, 99, 100, 101, 194, 197, 198, 200, 1003])
def test_a_quiet_list_is_read_once(count):
    shop = List(range(1, count + 1))

    saved = walk_through(shop)

    assert sorted(set(saved)) == shop.numbers
    # A last page that is full may be one of many that a shop doesn't count: one more look.
    is_full = count >= 100 and (count - 100) % 97 == 0
    assert shop.asked == max(1, math.ceil((count - paging.OVERLAP) / (100 - paging.OVERLAP))) + is_full


@pytest.mark.parametrize("limit", [1, 4])
@pytest.mark.parametrize("seed", range(12))
def test_whatever_comes_and_goes_what_stays_is_seen(seed, limit):
    chance = random.Random(seed)

    def live(shop):
        for _ in range(chance.choice([0, 0, 1, 2, 5])):
            shop.remove(chance.choice(shop.numbers))
            # One for one: the total stays as it was.
            shop.numbers.append(shop.numbers[-1] + 1)
        for _ in range(chance.choice([0, 0, 0, 3])):
            shop.remove(chance.choice(shop.numbers))

    shop = List(range(10, 8010, 10), before=live)

    saved = walk_through(shop, limit)

    assert shop.stayed <= set(saved)
    assert shop.asked < 40


def test_what_comes_back_into_the_middle_takes_nobody_out():
    """An insertion moves the others on: read in another order than asked, the page behind must not have been the older one."""
    chance = random.Random(5)

    def live(shop):
        number = chance.randrange(1, 8000)
        if number not in shop.numbers:
            shop.numbers = sorted([*shop.numbers, number])

    shop = List(range(10, 8010, 10), before=live)

    assert shop.stayed <= set(walk_through(shop))


@pytest.mark.parametrize(
    "kind",
    [
        {"size": 10, "size_said": 10},
        {"size": 10},
        {"has_headers": False},
        {"knows_offsets": False},
        {"knows_offsets": False, "size": 10, "size_said": 10},
        {"knows_offsets": False, "size": 20},
    ],
    ids=str,
)
@pytest.mark.parametrize("count", [0, 5, 100, 101, 437])
def test_every_kind_of_shop_is_read_to_its_end(kind, count):
    shop = List(range(1, count + 1), **kind)

    assert set(walk_through(shop)) == set(shop.numbers)


@pytest.mark.parametrize("hidden", [{5}, {100}, {98, 99, 100}, {97, 98, 99, 100, 101}, set(range(1, 101)), {437}])
@pytest.mark.parametrize("kind", [{}, {"knows_offsets": False}], ids=str)
def test_a_short_page_in_the_middle_is_no_end(kind, hidden):
    shop = List(range(1, 438), hidden=hidden, **kind)

    assert set(walk_through(shop)) == set(shop.numbers) - hidden


@pytest.mark.parametrize("total", [1, 10, 100, 250, 436, 438, 5_000, 999_999_999])
@pytest.mark.parametrize("kind", [{}, {"knows_offsets": False}], ids=str)
def test_a_count_that_is_wrong_for_ever_neither_cuts_the_list_short_nor_makes_it_endless(kind, total):
    shop = List(range(1, 438), total=total, **kind)

    assert set(walk_through(shop)) == set(shop.numbers) - shop.hidden
    assert shop.asked < 60


@pytest.mark.parametrize("kind", [{}, {"knows_offsets": False}, {"size": 10, "size_said": 10}], ids=str)
def test_page_by_page_in_runs_without_time_it_is_the_same(kind):
    shop = List(range(1, 438), **kind)

    assert set(walk_through(shop, seconds=0)) == set(shop.numbers)


def test_a_list_that_shrinks_below_where_the_walk_is():
    def shrink(shop):
        if shop.asked == 4:
            for number in range(1, 300):
                shop.remove(number)

    shop = List(range(1, 601), before=shrink)

    assert shop.stayed <= set(walk_through(shop, limit=1))
