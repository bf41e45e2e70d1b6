"""L2 and L7: what orders go through is told in any order and often, while the programme's rate keeps changing."""

import random
import time
from collections import deque
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from math import ceil

from django.db.models import F, Sum
from django.test.utils import override_settings
from django.utils import timezone

from crm.events.models import Event, Handling
from crm.stores.models import Store
from crm.woocommerce import connect, sync
from crm.woocommerce.models import Reread, WebhookDelivery
from crm.work import drain
from loyalty import earning, receivers
from loyalty.models import LedgerEntry, Program, RuleVersion
from loyalty.rules import LinePoints, Rule, reckon
from postpurchase.bench.figures import Figure
from postpurchase.demo import server
from postpurchase.demo.server import Demo
from postpurchase.demo.shop import Shop
from postpurchase.demo.web import wordpress_json

from . import shops
from .ledger import books
from .simulation import SETTINGS

RATES = 5  # that orders are placed by
FEW = 100
# Points for each paisa: whatever is refunded, nothing has to be rounded.
UNIT = 100
VOID = ("cancelled", "refunded", "failed", "trash")
Told = list[tuple[str, bytes]]


def lives(seed: int, orders: int) -> list[Figure]:
    dice = random.Random(seed)
    shop = server.year_shop(seed, customers=10, orders=0)
    with override_settings(**SETTINGS), server.running(shop) as demo, shops.no_waiting(), shops.in_haste():
        store = connected(demo, f"lives-{seed}")
        heard: Told = []
        shop.listeners.append(lambda topic, number: heard.append((topic, body(demo, topic, number))))
        rates: dict[int, int] = {}
        for turn in range(1, RATES + 1):
            promise(store, turn * UNIT)
            rates |= dict.fromkeys(live_together(shop, dice, ceil(orders / RATES)), turn * UNIT)
        bag = [told for told in heard if told[0].startswith("order.")]
        bag += dice.choices(bag, k=len(bag) // 3)
        dice.shuffle(bag)
        for place, part in enumerate(parts(bag, dice), 1):
            # Nothing was bought while this was promised.
            change(store, UNIT * 1000 + place)
            hear(store, part)
        # What a refund says of its own lines is only read, never told.
        sync.run(store)
        work_off()
        wrong = list(differing(store, shop, rates))
        odd = list(unexplained(store, rates))
        again = replayed(store)
        retold(store, bag)
        late = list(differing(store, shop, rates))
    told = f"{len(rates):,} orders, {len(bag):,} webhooks; {'; '.join(wrong[:3])}"
    return [
        Figure("L2: orders with other points than their last state is worth", len(wrong), "orders", 0, "lower", told),
        Figure("L2: entries that a replay of all events adds", again, "entries", 0, "lower"),
        Figure("L2: orders with other points after all webhooks came again", len(late), "orders", 0, "lower", "; ".join(late[:3])),
        Figure("L7: entries that do not follow from the rule they name", len(odd), "entries", 0, "lower", "; ".join(odd[:3])),
        books(),
    ]  # fmt: skip


def connected(demo: Demo, slug: str) -> Store:
    store = Store(slug=slug, url=demo.url, insecure=True)
    store.consumer_key, store.consumer_secret = demo.key, demo.secret
    connect.keep(store, connect.check(store))
    sync.run(store)
    work_off()
    return store


def body(demo: Demo, topic: str, number: int) -> bytes:
    resource, _, event = topic.partition(".")
    return wordpress_json({"id": number} if event == "deleted" else demo.payload(resource, number))


def change(store: Store, rate: int) -> None:
    program = Program.objects.get(store=store)
    program.rate = Decimal(rate)
    program.save(update_fields=["rate"])


def promise(store: Store, rate: int) -> None:
    """Change the rate, and wait for the next second."""
    change(store, rate)
    next_second()


def next_second() -> None:
    """Shops know no smaller time."""
    time.sleep(1.01 - time.time() % 1)


def live_together(shop: Shop, dice: random.Random, orders: int) -> list[int]:
    """The numbers of so many orders, each of which took one step and waited for the others. Some live their lives in one second.

    Where two changes fell into one second the shop is asked. Few orders all change so; of many, where asking each time would take as
    long as all else, every tenth.
    """
    lives, numbers = [live(shop, dice) for _ in range(orders)], []
    for life in lives:
        numbers.append(next(life))
        if dice.random() < 0.1:
            deque(life, maxlen=0)
    while lives:
        if orders > FEW:
            next_second()
        lives = [life for life in lives if next(life, None)]
    return numbers


def live(shop: Shop, dice: random.Random) -> Iterator[int]:
    """One order of three lines, from the checkout to wherever the dice take it; its number after each step."""
    goods = [row["id"] for row in shop.rows["products"].values() if row["type"] == "simple" and row["price"]]
    chosen = [(product, dice.randint(1, 3)) for product in dice.sample(goods, 3)]
    order = shop.place_order(email=f"guest{dice.randrange(200)}@post.example", lines=chosen)
    number = order["id"]
    yield number
    if dice.random() < 0.05:
        return
    shop.pay(number)
    yield number
    if dice.random() < 0.6:
        shop.complete(number)
        yield number
    for line in dice.sample(order["line_items"], dice.choice((0, 0, 1, 2))):
        shop.refund(number, lines={line["id"]: dice.randint(1, line["quantity"])})
        yield number
    end = dice.random()
    if end < 0.1:
        shop.cancel(number)
    elif end < 0.2 and shop.refundable(order):
        shop.refund(number)
    elif end < 0.3:
        shop.trash(number)
        yield number
        if dice.random() < 0.5:
            shop.untrash(number)


def parts(bag: Told, dice: random.Random) -> Iterator[Told]:
    start = 0
    while start < len(bag):
        size = dice.randint(1, 1000)
        yield bag[start : start + size]
        start += size


def hear(store: Store, told: Told) -> None:
    rows = [
        WebhookDelivery(store=store, topic=topic, body=content, digest=sha256(content).digest())
        for topic, content in told
    ]
    WebhookDelivery.objects.bulk_create(rows, ignore_conflicts=True)
    work_off()


def work_off() -> None:
    """Everything but the mails."""
    at = timezone.now() + timedelta(hours=1)
    while sum(drain.drain(model, at, seconds=600) for model in (WebhookDelivery, Reread, Handling)):
        pass


def of_orders(store: Store):
    return LedgerEntry.objects.for_store(store).filter(order__isnull=False, kind__in=["earn", "reverse"])


def worth(shop: Shop, row: dict, rate: int) -> int:
    """What an order should have by the shop's own figures: its goods, less those that came back."""
    if row["status"] in VOID or not row["date_paid_gmt"] or not shop.refundable(row):
        return 0
    refunds = [shop.rows["refunds"][refund["id"]] for refund in row["refunds"]]
    lines = row["line_items"] + [line for refund in refunds for line in refund["line_items"]]
    return int(sum(Decimal(line["total"]) for line in lines) * rate)


def differing(store: Store, shop: Shop, rates: dict[int, int]) -> Iterator[str]:
    sums = of_orders(store).order_by().values_list("order__woo_id").annotate(points=Sum(F("points") + F("pending")))
    held = dict(sums)
    for number, rate in rates.items():
        wanted = worth(shop, shop.rows["orders"][number], rate)
        if held.get(number, 0) != wanted:
            yield f"order {number}: {held.get(number, 0)} points, {wanted} are right"


def unexplained(store: Store, rates: dict[int, int]) -> Iterator[str]:
    """Entries that name another rule than that of their order's day, or whose points anyone who reckons by it finds to be others."""
    versions = {version.pk: version.content for version in RuleVersion.objects.filter(store=store)}
    for entry in of_orders(store).select_related("order"):
        rule = Rule.load(entry.rule)
        lines = reckon(rule, [LinePoints.load(line) for line in entry.rule["lines"]])
        promised = Decimal(versions[rule.version]["rate"]) if rule.version in versions else None
        if not rule.rate == promised == rates[entry.order.woo_id]:
            yield f"entry {entry.pk}: by rate {rule.rate}, version {rule.version} says {promised}"
        if sum(line.points for line in lines) - entry.rule["before"] != entry.meant:
            yield f"entry {entry.pk}: its rule does not make its {entry.meant} points"


def replayed(store: Store) -> int:
    """All events are handled once more; returns how many entries that adds."""
    before = of_orders(store).count()
    receivers.settle_points(list(Event.objects.filter(store=store, type__startswith="order.")))
    earning.settle(store, set(of_orders(store).values_list("order", flat=True)))
    return of_orders(store).count() - before


def retold(store: Store, bag: Told) -> None:
    """All webhooks come again, long after. Of two within one second it is not known which is the later; the next poll sets that right."""
    WebhookDelivery.objects.filter(store=store).delete()
    hear(store, bag)
    sync.run(store)
    work_off()
