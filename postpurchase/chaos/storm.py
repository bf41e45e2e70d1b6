"""S1 and P2: webhooks through the real web and worker, while these are killed, or PostgreSQL is."""

import http.client
import random
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import chain

from django.db import DatabaseError, connection
from django.db.models import F
from django.utils import timezone

from crm.stores.models import Store
from crm.woocommerce import push
from crm.woocommerce.models import Push, Reread, WebhookDelivery
from crm.work import drain
from crm.work.models import DueWork
from crm.work.wake import wake
from postpurchase.bench.figures import Figure
from postpurchase.demo import server
from postpurchase.demo.faults import forged
from postpurchase.demo.server import Demo
from postpurchase.demo.webhooks import Delivery, sign
from postpurchase.serve import port_is_free

from . import hearing, mirror, promises, shops, witness
from .machine import Machine, Service, wait_until
from .reading import Clock, told

SECRET = "chaos & <special> é"
State = DueWork.State
# Seconds. Where the answer to a claim was cut off, its process lives and knows of nothing: nobody may take those rows before the longest lease is over.
LEASES_END = 16 * 60


class Mailbox:
    """A mail server that takes everything and remembers the Message-ID of each."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    async def handle_DATA(self, _server, _session, envelope) -> str:
        found = re.search(r"Message-ID: <([^@]+)@", envelope.content.decode(errors="replace"))
        self.ids.append(found[1] if found else "")
        return "250 OK"

    @contextmanager
    def open(self) -> Iterator[str]:
        from aiosmtpd.controller import Controller

        controller = Controller(self, hostname="127.0.0.1", port=free_port())
        controller.start()
        try:
            yield f"smtp://127.0.0.1:{controller.port}"
        finally:
            controller.stop()


def free_port() -> int:
    return next(port for port in iter(lambda: random.randrange(8100, 30_000), None) if port_is_free(port))


@dataclass
class Answers:
    """What the web answered to a bag of deliveries."""

    counts: Counter[str] = field(default_factory=Counter)
    accepted: list[bytes] = field(default_factory=list)
    forged: list[bytes] = field(default_factory=list)
    is_forgery_taken: int = 0


class Sender:
    """Four shops' worth of deliveries, `rate` a second together, each sent once whatever becomes of it, as WooCommerce does."""

    THREADS = 4

    def __init__(self, port: int, store: Store, source: str, bag: list[tuple[str, bytes, bool]], rate: float):
        self.port, self.path, self.source = port, f"/webhooks/woocommerce/{store.public_id}/", source
        self.bag, self.pause = deque(bag), self.THREADS / rate
        self.answers, self.lock = Answers(), threading.Lock()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(self.THREADS)]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def join(self) -> Answers:
        for thread in self.threads:
            thread.join()
        return self.answers

    def _run(self) -> None:
        while True:
            began = time.monotonic()
            try:
                topic, body, is_forged = self.bag.popleft()
            except IndexError:
                return
            status = self.post(topic, body, is_forged)
            with self.lock:
                self.answers.counts[status] += 1
                if is_forged:
                    self.answers.forged.append(body)
                    self.answers.is_forgery_taken += status.startswith("2")
                elif status.startswith("2"):
                    self.answers.accepted.append(body)
            time.sleep(max(self.pause - (time.monotonic() - began), 0))

    def post(self, topic: str, body: bytes, is_forged: bool = False) -> str:
        """The status of the answer, or what went wrong."""
        headers = {
            "Content-Type": "application/json",
            "Connection": "close",
            "X-WC-Webhook-Source": f"{self.source}/",
            "X-WC-Webhook-Topic": topic,
            "X-WC-Webhook-Signature": sign(body, "another secret" if is_forged else SECRET),
            "X-WC-Webhook-ID": "1",
            # The same for all of one second, as in a real shop.
            "X-WC-Webhook-Delivery-ID": f"{int(time.time()):x}",
        }
        wire = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            wire.request("POST", self.path, body, headers)
            return str(wire.getresponse().status)
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        finally:
            wire.close()


def get(port: int, path: str) -> str:
    wire = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    try:
        wire.request("GET", path)
        return str(wire.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        wire.close()


@dataclass
class World:
    """A shop, its store, the product's web and worker (once `start` was called), and a mail server."""

    machine: Machine
    demo: Demo
    store: Store
    since: datetime
    clock: Clock
    port: int
    web: Service
    worker: Service
    mailbox: Mailbox
    written: int = 0

    def __post_init__(self) -> None:
        self.witness = witness.Witness(self.demo)

    def start(self) -> None:
        """Begin to serve and to work. What the clock of the shop rushes through is past by then: no answer comes half an hour after it was made."""
        self.web.start()
        self.worker.start()
        if wait_until(self.is_well, 60) is None:
            raise RuntimeError((self.machine.folder / "web.log").read_text()[-2000:])

    def is_well(self) -> bool:
        return get(self.port, "/healthz") == "200"

    def rest(self, seconds: float) -> float | None:
        """Wait until no work is due or held; how long that took, None if it was not enough."""
        return wait_until(lambda: not safely(self.is_busy, True), seconds, 0.5)

    def let_an_hour_pass(self) -> None:
        """For writes whose answer was lost: so long the shop may still be at work on them, and they wait."""
        waiting = Push.objects.filter(store=self.store, state=State.DUE)
        waiting.exclude(sent_at=None).update(sent_at=F("sent_at") - timedelta(hours=1))
        waiting.update(due_at=timezone.now())
        wake(Push)

    def is_busy(self) -> bool:
        at = timezone.now()
        # What was just changed is read once more a moment later, when nothing is due yet.
        return Reread.objects.filter(state=State.DUE, attempts=0).exists() or any(
            model.objects.filter(state=State.RUNNING).exists() or model.objects.due(at).exists()
            for model in drain.tables()
        )

    def write(self, dice: random.Random) -> None:
        """Owe the shop a note and a part of the money back, which it would take twice, and a coupon, which it would not."""
        orders = [row["id"] for row in self.demo.shop.rows["orders"].values() if row["status"] in promises.PAID]
        number = self.written = self.written + 1
        note = {"order": dice.choice(orders), "note": f"Packed by hand, no. {number}"}
        coupon = {"code": f"CHAOS-{number}", "discount_type": "percent", "amount": "10"}
        back = {"order": dice.choice(orders), "amount": "1.00", "reason": f"Promised, no. {number}"}
        back |= {"api_refund": False, "api_restock": False}
        for kind, payload in (("order_note", note), ("coupon", coupon), ("refund", back)):
            push.queue(self.store, kind, f"chaos:{kind}:{number}", payload)

    def wrong(self, answers: Answers) -> list[str]:
        """All that does not hold when everything is at rest."""
        found: Iterator[str] = chain(
            promises.work_left(timezone.now()),
            mirror.differences(self.store, self.demo, since=self.since),
            promises.events(self.store, self.demo, self.since),
            witness.deletions(self.store, self.demo, self.witness),
            promises.points(self.store, self.demo, self.since),
            promises.mails(self.store, self.mailbox.ids),
            promises.pushes(self.store, self.demo, self.witness),
            promises.inbox(self.store, answers.accepted, answers.forged),
        )
        return list(found)


def safely(ask: Callable, otherwise):
    """What the database says, or `otherwise` while it is away."""
    try:
        return ask()
    except DatabaseError:
        connection.close()
        return otherwise


@contextmanager
def opened(machine: Machine, seed: int) -> Iterator[World]:
    mailbox, clock, port = Mailbox(), Clock(timezone.now().replace(microsecond=0)), free_port()
    shop = server.year_shop(seed, now=clock, customers=20, orders=0)
    with server.running(shop) as demo, mailbox.open() as machine.mail_url:
        # What it tells comes from the bag alone.
        demo.close()
        demo.deliveries = None
        store = shops.connected(demo, "storm")
        store.webhook_secret = SECRET
        store.save(update_fields=["webhook_secret"])
        shops.read(store)
        world = World(machine, demo, store, clock(), clock, port, machine.web(port), machine.worker(), mailbox)
        machine.collect_static()
        try:
            yield world
        finally:
            world.web.kill()
            world.worker.kill()


def deliveries(world: World, dice: random.Random, orders: int, posts: int) -> tuple[list[tuple[str, bytes, bool]], int]:
    """The whole life of so many orders, told: 5 % lost, 30 % twice, 2 % forged, all in a random order; and how many were lost."""
    heard: list[tuple[str, bytes]] = []
    listener = lambda topic, number: heard.append((topic, hearing.body(world.demo, topic, number)))  # noqa: E731
    world.demo.shop.listeners.append(listener)
    for _ in range(orders):
        hearing.live(world.demo, dice, world.clock)
    world.demo.shop.listeners.remove(listener)
    told_of = [(topic, body, False) for topic, body in heard if topic.startswith("order.")]
    dice.shuffle(told_of)
    # Enough for the number that was asked for, with the doubled and the forged ones.
    told_of = told_of[: int(posts / 1.1)]
    kept = [delivery for delivery in told_of if dice.random() >= 0.05]
    bag = kept + [delivery for delivery in kept if dice.random() < 0.30]
    for topic, body, _ in dice.sample(kept, posts // 50):
        bag.append((topic, forged(Delivery({}, 1, {}, body)).body, True))
    dice.shuffle(bag)
    del bag[posts:]
    sent = {id(body) for _topic, body, _forged in bag}
    return bag, sum(id(body) not in sent for _topic, body, _forged in told_of)


# --- S1 ---


def killed(machine: Machine, seed: int, posts: int, orders: int, kills: int) -> list[Figure]:
    """Web and worker are killed so many times each while the webhooks come in; then one reconciliation, by the command."""
    dice = random.Random(seed)
    with opened(machine, seed) as world:
        bag, lost = deliveries(world, dice, orders, posts)
        world.start()
        # Spread over the kills, however long the killed take to come back.
        sender = Sender(world.port, world.store, world.demo.url, bag, rate=len(bag) / (kills * 4))
        sender.start()
        began, recoveries = time.monotonic(), []
        for number in range(kills):
            world.write(dice)
            time.sleep(dice.uniform(0.2, 1.5))
            recoveries.append(kill(world.web, whole=number % 4 == 3, dice=dice, is_back=world.is_well))
            time.sleep(dice.uniform(0.2, 1.0))
            kill(world.worker, whole=number % 3 == 2, dice=dice, is_back=world.worker.is_alive)
        answers = sender.join()
        seconds = time.monotonic() - began
        resting = world.rest(240)
        status = machine.reconcile(world.store.slug)
        world.rest(LEASES_END)
        world.let_an_hour_pass()
        world.rest(240)
        wrong = world.wrong(answers)
        unknown = world.store.messages.filter(outcome="unknown").count()
    counts = ", ".join(f"{name} {count:,}" for name, count in sorted(answers.counts.items()))
    done = f"{len(bag):,} webhooks over {orders:,} orders in {seconds:.0f} s, {lost} more were lost on the way; answers: {counts}"
    return [
        Figure("S1: promises broken after one reconciliation", len(wrong) + abs(status), "", 0, "lower", told(done, wrong)),
        Figure("S1: webhooks sent", len(bag), "", posts, "higher"),
        Figure("S1: kills of the web and of the worker, each", kills, "", None, "higher",
               f"the web was back after {max(recoveries):.1f} s at most"),
        Figure("S1: webhooks answered 2xx", len(answers.accepted), "", None, "higher"),
        Figure("S1: forged webhooks accepted", answers.is_forgery_taken, "", 0, "lower", f"of {len(answers.forged)}"),
        Figure("S1: seconds until all was at rest", 999 if resting is None else resting, "s", 240, "lower", "after the last webhook"),
        Figure("S1: mails of which nobody knows whether they left", unknown, "", kills, "lower", f"of {len(world.mailbox.ids):,} that did"),
    ]  # fmt: skip


def kill(service: Service, *, whole: bool, dice: random.Random, is_back: Callable[[], bool]) -> float:
    """SIGKILL, for one process of it or for all; returns the seconds until it is back."""
    began = time.monotonic()
    if whole or not service.is_alive():
        service.start()
    else:
        service.kill_one(dice)
    if not service.is_alive():
        service.start()
    wait_until(is_back, 60)
    return time.monotonic() - began


# --- P2 ---


def outages(machine: Machine, seed: int, rounds: int, every: float = 5.0) -> list[Figure]:
    """Under load, by turns, PostgreSQL is restarted at once and all connections are cut; what was answered, and how soon all worked again."""
    dice = random.Random(seed)
    with opened(machine, seed) as world:
        bag, _lost = deliveries(world, dice, orders=rounds * 30, posts=rounds * 150)
        world.start()
        sender = Sender(world.port, world.store, world.demo.url, bag, rate=len(bag) / (rounds * every))
        pages: Counter[str] = Counter()

        def visit() -> None:
            for path in (f"/s/{world.store.slug}/", "/api/v1/orders/", "/accounts/login/"):
                pages[get(world.port, path)] += 1

        sender.start()
        recoveries = []
        with shops.meanwhile(visit, 0.1):
            for number in range(rounds):
                world.write(dice)
                time.sleep(every)
                if number % 2:
                    cut_connections()
                else:
                    machine.kill_postgres(machine.IMMEDIATE)
                    machine.restart_postgres()
                recoveries.append(recovered(world, sender, number))
            answers = sender.join()
        world.rest(120)
        status = machine.reconcile(world.store.slug)
        world.rest(LEASES_END)
        world.let_an_hour_pass()
        world.rest(240)
        wrong = world.wrong(answers)
        odd = {
            code: count
            for code, count in (pages + answers.counts).items()
            if code[:1] not in "23" and code not in ("401", "503")
        }
    said = f"pages: {shown(pages)}; webhooks: {shown(answers.counts)}"
    return [
        Figure("P2: seconds until a webhook is taken and applied again", max(recoveries), "s", 10, "lower",
               f"{rounds} outages, {', '.join(f'{seconds:.1f}' for seconds in recoveries)}"),
        Figure("P2: answers that are neither right nor 503", sum(odd.values()), "", 0, "lower", f"{shown(Counter(odd))} {said}".strip()),
        Figure("P2: promises broken", len(wrong) + abs(status), "", 0, "lower", told("after one reconciliation", wrong)),
    ]  # fmt: skip


def shown(counts: Counter) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def cut_connections() -> None:
    """As a network does that forgets them; our own is among them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
    connection.close()


def recovered(world: World, sender: Sender, number: int) -> float:
    """Seconds until a webhook that is sent now, as often as needed, is taken and applied; 999 if a minute was not enough."""
    began, body = time.monotonic(), b'{"id":%d,"status":"checkout-draft","number":"%d"}' % (10**12 + number, number)
    digest = sha256(body).digest()

    def is_applied() -> bool:
        rows = WebhookDelivery.objects.filter(store=world.store, digest=digest, state=State.DONE)
        return safely(rows.exists, False)

    def is_taken() -> bool:
        return sender.post("order.updated", body).startswith("2")

    if wait_until(is_taken, 60) is None or wait_until(is_applied, 60) is None:
        return 999
    return time.monotonic() - began
