import threading
import time

import pytest

from crm.stores.models import Store
from crm.woocommerce.client import Client
from crm.woocommerce.errors import WooCommerceError
from crm.woocommerce.readers import Readers

from .server import Reply, serving


class Shop:
    """Answers after a while, and remembers how many asked at once and when."""

    def __init__(self, seconds=0.0, refuse=()):
        self.seconds, self.refuse = seconds, list(refuse)
        self.lock = threading.Lock()
        self.now = self.most = 0
        self.began = []

    def __call__(self, request):
        with self.lock:
            self.began.append(time.monotonic())
            self.now += 1
            self.most = max(self.most, self.now)
            reply = self.refuse.pop(0) if self.refuse else None
        time.sleep(self.seconds)
        with self.lock:
            self.now -= 1
        return reply or Reply([{"id": int(request["params"]["page"])}])


def client_of(server, **options):
    store = Store(url=server.url, consumer_key="ck", consumer_secret="cs", insecure=True, signing="basic")
    return Client(store, **options)


def read(client, number):
    return client.get("orders", page=number)[0]["id"]


@pytest.mark.parametrize("limit", [1, 2, 4])
def test_answers_come_in_the_order_of_the_questions_and_never_more_than_allowed_ask_at_once(limit):
    shop = Shop(seconds=0.01)
    with serving(shop) as server, client_of(server) as client, Readers(client, limit) as readers:
        answers = []
        for question, answer in readers.each(read, range(1, 41)):
            answers.append((question, answer))
            client.get("orders", page=1)  # the run's own question counts as well

    assert answers == [(number, number) for number in range(1, 41)]
    assert shop.most <= limit


def test_four_readers_ask_four_at_once():
    shop = Shop(seconds=0.05)
    with serving(shop) as server, client_of(server) as client, Readers(client, 4) as readers:
        readers.pace.readers = 4
        assert len(list(readers.each(read, range(1, 41)))) == 40

    assert shop.most == 4


def test_what_is_saved_slowly_is_not_read_far_ahead():
    shop = Shop()
    with serving(shop) as server, client_of(server) as client, Readers(client, 4) as readers:
        answers = readers.each(read, range(1, 1000))
        for _ in range(5):
            next(answers)
            time.sleep(0.02)
        answers.close()

    assert len(shop.began) <= 5 + 4


def test_a_shop_that_asks_to_be_left_alone_is_left_alone_by_all():
    shop = Shop(seconds=0.02)
    with serving(shop) as server, client_of(server) as client, Readers(client, 4) as readers:
        # As many as it may be: that it comes to so many by itself takes a machine without other work.
        readers.pace.readers = 4
        shop.refuse = [Reply("", 429, Retry_After="1")] * 4
        found = [(answer, readers.pace.readers) for _question, answer in readers.each(read, range(1, 20))]

    assert [answer for answer, _readers in found] == list(range(1, 20))
    assert max(asking for _answer, asking in found) < 4
    refused, later = shop.began[:4], shop.began[4:]
    assert later[0] - refused[0] >= 1.0


def test_a_shop_that_wants_more_quiet_than_a_run_has_time_ends_the_run():
    with serving([Reply("", 429, Retry_After="3600")]) as server, client_of(server) as client:
        began = time.monotonic()
        with Readers(client, 4), pytest.raises(WooCommerceError, match="429"):
            client.get("orders")
        with Readers(client, 4) as readers:
            readers.pace.slowed(time.monotonic(), 0, quiet=3600)
            with pytest.raises(WooCommerceError, match="left alone for 3"):
                list(readers.each(read, range(1, 5)))

    assert time.monotonic() - began < 5


def test_an_error_comes_when_it_is_its_turn():
    def answer(request):
        return Reply({"code": "x"}, 400) if request["params"]["page"] == "3" else Reply([{"id": 1}])

    with serving(answer) as server, client_of(server) as client, Readers(client, 4) as readers:
        answers = readers.each(read, range(1, 10))
        assert [next(answers)[0], next(answers)[0]] == [1, 2]
        with pytest.raises(WooCommerceError):
            next(answers)


def test_no_thread_outlives_the_run():
    def of_readers():
        return [thread for thread in threading.enumerate() if thread.name == "reader"]

    shop = Shop(seconds=0.05)
    with serving(shop) as server, client_of(server) as client:
        with pytest.raises(KeyError), Readers(client, 4) as readers:
            next(readers.each(read, range(1, 100)))
            assert of_readers()
            raise KeyError
        assert not of_readers()
        asked = len(shop.began)
        time.sleep(0.1)

    assert len(shop.began) == asked


def test_a_reader_that_waits_to_ask_again_goes_when_the_run_ends():
    with serving([Reply("", 503, Retry_After="30")]) as server, client_of(server, patience=600) as client:
        began = time.monotonic()
        with Readers(client, 2) as readers:
            readers.each(read, range(1, 3))
            while not server.requests:
                time.sleep(0.01)

    assert time.monotonic() - began < 5


def test_after_the_time_is_over_only_the_first_question_is_asked():
    shop = Shop()
    with serving(shop) as server, client_of(server) as client, Readers(client, 4) as readers:
        answers = readers.each(read, range(1, 10), until=time.monotonic() - 1)
        assert list(answers) == [(1, 1)]
        assert answers.is_cut_short


def test_who_outlives_a_run_counts_in_the_next_one(monkeypatch):
    monkeypatch.setattr("crm.woocommerce.readers.FAREWELL", 0.05)
    shop = Shop(seconds=0.4)
    with serving(shop) as server, client_of(server) as client:
        with Readers(client, 4) as readers:
            readers.pace.readers = 4
            answers = readers.each(read, range(1, 5))
            while len(shop.began) < 4:
                time.sleep(0.01)
        answers.close()
        with Readers(client, 4) as readers:
            readers.pace.readers = 4
            assert len(list(readers.each(read, range(1, 9)))) == 8

    assert shop.most == 4
