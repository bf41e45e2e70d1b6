"""A small shop, its days, its trouble and the product that mirrors it, in one process: one seed makes one run.

Nothing sleeps and nothing runs beside anything else: the dice say what comes next, a sale in the shop, a webhook that arrives (or an
older one), a sync, a drain, a process that dies with what it had claimed. The clock is moved on by hand. At the end the shop is left
alone, everything is brought to rest, and what is held must be what the shop has.
"""

import random
import re
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any
from unittest import mock

from django.core import mail
from django.test import Client as Browser
from django.test.utils import override_settings

from crm.messaging.models import Message
from crm.stores.models import Store
from crm.woocommerce import connect, push, sync, webhook_care
from crm.woocommerce.client import Client
from crm.woocommerce.errors import WooCommerceError
from crm.woocommerce.models import Push, Reread, SyncState
from crm.work import drain
from postpurchase.demo import faults, server
from postpurchase.demo.happenings import happen
from postpurchase.demo.server import Demo
from postpurchase.demo.webhooks import Deliveries, Delivery, Job

from . import mirror, promises, shops, witness

STEPS = 120
BEGINNING = datetime(2036, 6, 15, 10, 30, tzinfo=UTC)
# One reader, so that what is asked comes in one order; mail into memory, where each can be counted.
SETTINGS = {"EMAIL_BACKEND": "django.core.mail.backends.locmem.EmailBackend", "SYNC_READERS": 1, "ALLOWED_HOSTS": ["*"]}


class Killed(BaseException):
    """The process died here: nothing of the product's catches it."""


@dataclass
class Outcome:
    """What one run did, by name, and what was wrong at its end."""

    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


class Clock:
    """Stands until it is moved, and begins on a day that is always the same: a seed makes the same run whenever it is run.

    That day lies ahead, so that what the database stamps itself is due.
    """

    def __init__(self, off: timedelta):
        self.moment, self.off = BEGINNING, off

    def ours(self) -> datetime:
        return self.moment

    def shops(self) -> datetime:
        return self.moment + self.off


class Post(Deliveries):
    """The shop's webhooks, put by hand into the product's door instead of by a thread over the wire."""

    def start(self) -> None:
        self.shop.listeners.append(self.hear)

    def stop(self) -> None:
        self.shop.listeners.remove(self.hear)
        self.session.close()

    def take(self, dice: random.Random) -> Job:
        job = dice.choice(sorted(self.waiting, key=str))
        self.waiting.remove(job)
        return job

    def _post(self, delivery: Delivery, follow: bool) -> int:
        headers = {name: value for name, value in delivery.headers.items() if name.startswith("X-")}
        kind = delivery.headers["Content-Type"]
        path = re.sub(r"^\w+://[^/]+", "", delivery.hook["delivery_url"])
        return Browser().post(path, delivery.body, content_type=kind, headers=headers).status_code


class Simulation:
    """One run. `run` does all of it; what it finds wrong is in `outcome`."""

    def __init__(self, seed: int, demo: Demo, clock: Clock):
        self.demo, self.shop, self.clock = demo, demo.shop, clock
        self.dice = random.Random(repr((seed, "simulation")))
        self.outcome = Outcome(seed)
        self.counts = self.outcome.counts
        assert demo.trouble is not None
        self.trouble = demo.trouble
        self.post = Post(self.shop, demo.url, demo.payload)
        self.bag: list[Delivery] = []  # made and not arrived
        self.accepted: list[bytes] = []
        self.forged: list[bytes] = []
        self.witness = witness.Witness(demo)
        self.mails_before = len(getattr(mail, "outbox", []))

    def run(self, steps: int) -> Outcome:
        self.post.start()
        try:
            self.connect()
            self.trouble.is_quiet = False
            for _ in range(steps):
                self.step()
            self.come_to_rest()
            self.check()
        except Exception:
            self.outcome.problems.append(traceback.format_exc())
        finally:
            self.post.stop()
        self.counts += self.trouble.counts
        self.counts["requests"] += sum(self.trouble.asked.values())
        return self.outcome

    def connect(self) -> None:
        store = Store(slug=f"chaos-{self.outcome.seed}-{id(self)}", url=self.demo.url, insecure=True)
        store.consumer_key, store.consumer_secret = self.demo.key, self.demo.secret
        connect.keep(store, connect.check(store))
        self.since = self.clock.shops()
        self.store = store
        webhook_care.repair(store)

    def step(self) -> None:
        self.clock.moment += timedelta(seconds=self.dice.choice((0, 0, 0, 1, 5, 60)))
        names = list(THINGS)
        name = self.dice.choices(names, [THINGS[name][0] for name in names])[0]
        self.counts[name] += 1
        THINGS[name][1](self)

    # --- what may come next ---

    def something_happens(self) -> None:
        self.counts[f"shop: {happen(self.shop, self.dice)}"] += 1

    def webhook_leaves(self) -> None:
        """Its body is made now; on its way it may get lost, doubled, late, or have a forged one before it."""
        if not self.post.waiting:
            return
        job = self.post.take(self.dice)
        delivery = job if isinstance(job, Delivery) else self.post.prepare(*job)
        if delivery is None:
            return
        fate = self.trouble.fate()
        self.bag += [delivery] * (fate.copies if delivery.row_id else 1)
        if fate.is_forged and delivery.row_id:
            self.arrive(faults.forged(delivery))

    def webhook_arrives(self) -> None:
        if self.bag:
            self.arrive(self.bag.pop(self.dice.randrange(len(self.bag))))

    def arrive(self, delivery: Delivery) -> None:
        answered = self.post.send(delivery)
        self.counts[f"webhook answered {answered}"] += 1
        is_forged = delivery.row_id and not delivery.hook["id"]
        if is_forged:
            self.forged.append(delivery.body)
        elif delivery.row_id and isinstance(answered, int) and 200 <= answered < 300:
            self.accepted.append(delivery.body)

    def poll(self, mode: str = SyncState.Mode.CHANGES, dies: bool = False) -> None:
        left = [self.dice.randrange(1, 8) if dies else -1]

        def report(state) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Killed

        try:
            sync.run(self.store, mode=mode, client=self.client(), report=report)
        except WooCommerceError:
            self.counts["syncs broken off"] += 1
        except Killed:
            self.counts["syncs killed"] += 1

    def poll_dies(self) -> None:
        self.poll(dies=True)

    def compare(self) -> None:
        self.poll(SyncState.Mode.COMPARE)

    def work_is_done(self) -> None:
        drain.drain_all(at=self.clock.ours())

    def worker_dies(self) -> None:
        """It has claimed a batch and nobody hears of it again; its leases run out."""
        # Of the mails it would not be known whether they left: that is tried where processes are really killed.
        at = self.clock.ours()
        tables = [model for model in drain.tables() if model is not Message and model.objects.due(at).exists()]
        if tables:
            self.counts["rows lost with a worker"] += len(drain.claim(self.dice.choice(tables), at))

    def time_passes(self) -> None:
        self.clock.moment += timedelta(minutes=self.dice.choice((3, 12, 45)))

    def write_is_pushed(self) -> None:
        """A note or a part of the money back, which the shop would take twice, or a coupon, which it would not."""
        number = self.counts["a write is pushed"]
        orders = [row["id"] for row in self.shop.rows["orders"].values() if row["status"] in promises.PAID]
        if orders and number % 3 == 2:
            back = {"amount": "1.00", "reason": f"Promised, no. {number}", "api_refund": False, "api_restock": False}
            self.queue("refund", number, order=self.dice.choice(orders), **back)
        elif orders and number % 3:
            self.queue("order_note", number, order=self.dice.choice(orders), note=f"Packed by hand, no. {number}")
        else:
            self.queue("coupon", number, code=f"CHAOS-{number}", discount_type="percent", amount="10")

    def queue(self, kind: str, number: int, **payload) -> None:
        push.queue(self.store, kind, f"chaos:{number}", payload, at=self.clock.ours())

    def webhooks_are_looked_after(self) -> None:
        with suppress(WooCommerceError):
            webhook_care.repair(self.store, self.client())

    def client(self) -> Client:
        return Client(self.store, patience=3600)

    # --- the end ---

    def come_to_rest(self) -> None:
        """Let the shop be well, everything arrive that is on its way, and each round of the product's own clock come once."""
        self.trouble.is_quiet = True
        while self.bag:
            self.webhook_arrives()
        self.clock.moment += timedelta(hours=1)
        self.settle()
        self.poll()
        self.settle()
        self.compare()
        self.settle()

    def settle(self) -> None:
        """Drain as the hours pass, until nothing is left to be tried again; staff press “try again” on what was given up."""
        for _ in range(8):
            drain.drain_all(at=self.clock.ours())
            self.clock.moment += timedelta(hours=7)
            if not any(promises.work_left(self.clock.ours())):
                break
            for model in (Push, Reread):
                model.objects.filter(store=self.store).retry(self.clock.ours())

    def check(self) -> None:
        mails = [message.extra_headers["Message-ID"].strip("<>").partition("@")[0] for message in mail.outbox]
        hidden = {number for path, number in self.trouble.withheld if path.endswith("/notes")}
        found: Iterator[Any] = chain(
            promises.work_left(self.clock.ours()),
            mirror.differences(self.store, self.demo, since=self.since, hidden_notes=hidden, is_compared=True),
            promises.events(self.store, self.demo, self.since),
            witness.deletions(self.store, self.demo, self.witness),
            promises.points(self.store, self.demo, self.since),
            promises.mails(self.store, mails[self.mails_before :]),
            promises.pushes(self.store, self.demo, self.witness),
            promises.inbox(self.store, self.accepted, self.forged),
        )
        self.outcome.problems += found
        self.counts["orders"] += len(self.shop.rows["orders"])
        self.counts["mails"] += len(mails) - self.mails_before


THINGS: dict[str, tuple[int, Callable[[Simulation], None]]] = {
    "something happens": (50, Simulation.something_happens),
    "a webhook leaves": (45, Simulation.webhook_leaves),
    "a webhook arrives": (40, Simulation.webhook_arrives),
    "work is done": (8, Simulation.work_is_done),
    "the shop is polled": (4, Simulation.poll),
    "a poll is killed": (3, Simulation.poll_dies),
    "the shop is compared": (1, Simulation.compare),
    "a worker dies": (4, Simulation.worker_dies),
    "time passes": (4, Simulation.time_passes),
    "a write is pushed": (4, Simulation.write_is_pushed),
    "webhooks are looked after": (1, Simulation.webhooks_are_looked_after),
}


@contextmanager
def opened(seed: int) -> Iterator[Simulation]:
    """The world of one seed, open but not yet begun."""
    dice = random.Random(repr((seed, "world")))
    clock = Clock(faults.clock_error(seed))
    zone, currency = dice.choice(
        [("Asia/Kolkata", "INR"), ("Europe/Berlin", "EUR"), ("Pacific/Auckland", "USD"), ("UTC", "INR")]
    )
    shop = server.year_shop(
        seed, now=clock.shops, customers=dice.randint(3, 10), orders=dice.randint(0, 30), zone=zone, currency=currency
    )
    shop.names_refunds = dice.random() > 0.2
    trouble = faults.Trouble(seed, share=dice.choice((0.0, 0.1, 0.2, 0.4)), busy=0.1, slow=0.0)
    trouble.is_quiet = True
    patience = mock.patch.dict(Client.__init__.__kwdefaults__, sleep=lambda seconds: None)
    time = mock.patch("django.utils.timezone.now", clock.ours)
    with override_settings(**SETTINGS), patience, time, server.running(shop, trouble=trouble) as demo:
        demo.close()  # its own thread for webhooks: here they go by hand
        demo.deliveries = None
        mail.outbox = getattr(mail, "outbox", [])
        yield Simulation(seed, shops.on_its_own(demo), clock)


def run(seed: int, steps: int = STEPS) -> Outcome:
    """Run one seed in the present database, which nothing else may use meanwhile."""
    with opened(seed) as simulation:
        return simulation.run(steps)
