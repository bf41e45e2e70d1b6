"""Threads that ask a shop ahead of who needs the answers.

They only ask and decode: what is saved is saved by the thread that runs the sync, in the order of the questions. They live inside
the `with` of a run, since the queue's workers are forked.
"""

import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Generic, TypeVar

from django.utils.translation import gettext as _

from .client import Client
from .errors import RETRIED, WooCommerceError
from .pace import Pace

Q = TypeVar("Q")
A = TypeVar("A")
# Seconds that the end of a run waits for readers whose answers nobody wants any more.
FAREWELL = 2

# How many requests of this process are under way, by the shop's host: a reader that outlived its run counts in the next one.
_ASKING: Counter[str] = Counter()
_TURNS = threading.Condition()


class Ended(Exception):
    """The run is over; nobody waits for this answer."""


def _not_now(host: str, seconds: float) -> WooCommerceError:
    error = WooCommerceError(
        _("%(host)s asks to be left alone for %(seconds)d seconds (429). It will be tried again later.")
        % {"host": host, "seconds": min(seconds, 10**6)},
        permanent=False,
        status=429,
    )
    error.retry_after = seconds
    return error


class Readers:
    """`limit` at most ask at once, the run's own thread included, and as many as `Pace` finds good for the shop."""

    def __init__(self, client: Client, limit: int, clock: Callable[[], float] = time.monotonic):
        self.client, self.clock = client, clock
        self.pace = Pace(limit)
        self._turns = _TURNS
        self._ended = threading.Event()
        self._questions: queue.SimpleQueue[Callable[[Client], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        # How long a reader waited for its turn since its question began: that is no time of the shop's.
        self._waiting = threading.local()
        # A wait that ends with the run, unless somebody (a test) has another idea of waiting.
        self._sleep = self._ended.wait if client.sleep is time.sleep else client.sleep

    def __enter__(self) -> "Readers":
        self.client.turn = self.turn
        return self

    def __exit__(self, *exc) -> None:
        del self.client.turn
        self._ended.set()
        with self._turns:
            self._turns.notify_all()
        for _thread in self._threads:
            self._questions.put(None)
        give_up_at = time.monotonic() + FAREWELL
        for thread in self._threads:
            thread.join(max(give_up_at - time.monotonic(), 0))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until one more may ask, and let the pace know what came of it."""
        host = self.client.host
        came = self.clock()
        for attempt in range(1, 6):
            quiet = self.pace.quiet_until - self.clock()
            if quiet > self.client.patience:
                # Longer than a task may take: the run ends with the shop's reason, and the next one asks again.
                raise _not_now(self.client.host, quiet)
            if quiet > 0:
                self._sleep(quiet)
            with self._turns:
                self._turns.wait_for(lambda: self._ended.is_set() or _ASKING[host] < self.pace.readers)
                if self._ended.is_set():
                    raise Ended
                # Those that were before may have been asked to be quiet.
                if self.pace.quiet_until <= self.clock() or attempt == 5:
                    _ASKING[host] += 1
                    beside = _ASKING[host]
                    break
        began = self.clock()
        self._waiting.seconds = getattr(self._waiting, "seconds", 0.0) + began - came
        try:
            yield
        except WooCommerceError as error:
            if not error.permanent and (error.status is None or error.status in RETRIED):
                with self._turns:
                    quiet, has_limit = error.retry_after or 0, error.status == 429
                    self.pace.slowed(self.clock(), began, quiet, has_limit=has_limit)
            raise
        else:
            with self._turns:
                self.pace.answered(self.clock() - began, max(beside, _ASKING[host]))
        finally:
            with self._turns:
                _ASKING[host] -= 1
                self._turns.notify_all()

    def each(
        self, ask: Callable[[Client, Q], A], questions: Iterable[Q], until: float | None = None
    ) -> "Answers[Q, A]":
        """Ask all questions, some ahead; iterate over (question, answer) in the order of the questions.

        After `until` (of `time.monotonic`) nothing more is asked than the first.
        """
        return Answers(self, ask, questions, until)

    def submit(self, ask: Callable[[Client, Q], A], question: Q) -> Future[A]:
        answer: Future[A] = Future()

        def work(client: Client) -> None:
            if answer.set_running_or_notify_cancel():
                began, self._waiting.seconds = self.clock(), 0.0
                try:
                    answer.set_result(ask(client, question))
                except BaseException as error:
                    answer.set_exception(error)
                else:
                    self.pace.got(self.clock() - began - self._waiting.seconds)

        self._questions.put(work)
        if len(self._threads) < self.pace.ahead:
            thread = threading.Thread(target=self._read, name="reader", daemon=True)
            self._threads.append(thread)
            thread.start()
        return answer

    def waited(self) -> None:
        with self._turns:
            self.pace.waited()
            self._turns.notify_all()

    def _read(self) -> None:
        with self.client.another() as client:
            client.sleep = self._sleep
            while work := self._questions.get():
                work(client)


class Answers(Generic[Q, A]):
    """An iterator that keeps as many questions asked as the readers take. Leave it by `close`, also half way."""

    def __init__(
        self, readers: Readers, ask: Callable[[Client, Q], A], questions: Iterable[Q], until: float | None = None
    ):
        self.readers, self.ask, self.until = readers, ask, until
        self._left = iter(questions)
        self._asked: deque[tuple[Q, Future[A]]] = deque()
        self.is_cut_short = False
        # Since when the last answer is used.
        self._handed_out_at: float | None = None
        self._ask_ahead(is_first=True)

    def __iter__(self) -> "Answers[Q, A]":
        return self

    def __next__(self) -> tuple[Q, A]:
        if self._handed_out_at is not None:
            self.readers.pace.used(self.readers.clock() - self._handed_out_at)
        if not self._asked:
            self._ask_ahead()
        if not self._asked:
            raise StopIteration
        question, answer = self._asked.popleft()
        if not answer.done():
            self.readers.waited()
            self._ask_ahead()
        result = answer.result()
        self._ask_ahead()
        self._handed_out_at = self.readers.clock()
        return question, result

    def close(self) -> None:
        """Forget what was asked ahead."""
        while self._asked:
            self._asked.popleft()[1].cancel()

    def _ask_ahead(self, is_first: bool = False) -> None:
        while len(self._asked) < self.readers.pace.ahead:
            is_late = self.until is not None and time.monotonic() > self.until and not is_first
            is_first = False
            try:
                question = next(self._left)
            except StopIteration:
                return
            if is_late:
                self.is_cut_short, self._left = True, iter(())
                return
            self._asked.append((question, self.readers.submit(self.ask, question)))
