"""S7 and S8: webhooks in any order, and a shop that has stopped sending them."""

import random
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from unittest import mock

from django.core import mail
from django.db.models import F
from django.test.utils import override_settings
from django.utils import timezone
from django.utils.module_loading import import_string
from django_q.models import OrmQ, Schedule
from django_q.scheduler import scheduler

from crm.events.models import Event
from crm.stores.models import Membership, Store, User
from crm.woocommerce import tasks, webhook_care
from crm.woocommerce.models import Reread, WebhookDelivery
from crm.work import drain, schedules
from postpurchase.bench.figures import Figure
from postpurchase.demo import server
from postpurchase.demo.server import Demo
from postpurchase.demo.shop import Shop
from postpurchase.demo.webhooks import FAILURES

from . import mirror, shops
from .reading import Clock, differing, told
from .simulation import SETTINGS, Post

# --- S7 ---


def permutations(seed: int, orders: int) -> list[Figure]:
    """Each order's whole life, told in an order of its own, some of it twice; no poll and no comparison helps."""
    at = timezone.now()
    dice, clock = random.Random(seed), Clock(at.replace(microsecond=0))
    shop = server.year_shop(seed, now=clock, customers=10, orders=0)
    with server.running(shop) as demo, shops.no_waiting(), shops.in_haste():
        store = shops.connected(demo, "permutations")
        shops.read(store)
        heard: list[tuple[str, bytes]] = []
        shop.listeners.append(lambda topic, number: heard.append((topic, body(demo, topic, number))))
        for _ in range(orders):
            live(demo, dice, clock)
        bag = [delivery for delivery in heard if delivery[0].startswith("order.")]
        bag += dice.choices(bag, k=len(bag) // 5)
        dice.shuffle(bag)
        for part in parts(bag, dice):
            WebhookDelivery.objects.bulk_create(
                [
                    WebhookDelivery(store=store, topic=topic, body=content, digest=sha256(content).digest(), due_at=at)
                    for topic, content in part
                ],
                ignore_conflicts=True,
            )
            for model in (WebhookDelivery, Reread):
                # Always at one moment: the orders' notes are due half a minute after it, and no business of this scenario.
                drain.drain(model, at, seconds=600)
        # What a refund says of its own lines is read by the next poll.
        found = [text for text in mirror.order_differences(store, demo, set()) if "never read" not in text]
    wrong = {text.partition(":")[0] for text in found}
    return [
        Figure("S7: orders whose state depends on the order of their webhooks", len(wrong), "orders", 0, "lower",
               told(f"{orders:,} permutations, {len(bag):,} deliveries", found)),
    ]  # fmt: skip


def body(demo: Demo, topic: str, number: int) -> bytes:
    from postpurchase.demo.web import wordpress_json

    resource, _, event = topic.partition(".")
    return wordpress_json({"id": number} if event == "deleted" else demo.payload(resource, number))


def live(demo: Demo, dice: random.Random, clock: Clock) -> None:
    """One order from its purchase to wherever the dice take it; much of it within one second."""
    shop = demo.shop
    number = shop.place_order(email=f"guest{dice.randrange(50)}@post.example")["id"]
    for _ in range(dice.randint(1, 6)):
        clock.moment += timedelta(seconds=dice.choice((0, 0, 1, 30)))
        status = shop.order(number)["status"]
        if status == "trash":
            if dice.random() < 0.3:
                shop.delete(number)
                return
            shop.untrash(number)
        else:
            what = dice.random()
            if what < 0.1:
                shop.trash(number)
            elif what < 0.2 and status == "completed" and shop.refundable(shop.order(number)) > 1000:
                shop.refund(number, amount="10.00")
            elif what < 0.4:
                shop.update_order(number, customer_note=f"no. {dice.randrange(1000)}")
            else:
                shop.set_status(number, dice.choice(["processing", "on-hold", "completed", "cancelled", "pending"]))


def parts(bag: list, dice: random.Random) -> Iterator[list]:
    start = 0
    while start < len(bag):
        size = dice.randint(1, 600)
        yield bag[start : start + size]
        start += size


# --- S8 ---


class Unheard(Post):
    """Webhooks that reach us only while the endpoint is up."""

    is_up = True

    def _post(self, delivery, follow):
        return super()._post(delivery, follow) if self.is_up else 500


def switched_off(seed: int) -> list[Figure]:
    """Seven deliveries fail and the shop switches the webhook off, for good: our schedule must notice."""
    shop = server.year_shop(seed, customers=5, orders=10)
    with override_settings(**SETTINGS), server.running(shop) as demo, shops.no_waiting():
        demo.close()
        demo.deliveries = None
        mail.outbox = []
        store = shops.connected(demo, "switched-off")
        owner = User.objects.create_user(email=f"owner-{store.pk}@shop.example", is_staff=True)
        Membership.objects.create(user=owner, store=store, role=Membership.Role.OWNER)
        shops.read(store)
        post = Unheard(shop, demo.url, demo.payload)
        post.start()
        schedules.install()
        try:
            tasks.repair_webhooks(store.pk)
            # The shop calls, so that it is known to reach us.
            shop.place_order(email="asha@mail.example")
            leave(post)
            # Everything that comes round has just been done, so that nothing is noticed by chance.
            pass_a_minute(post)
            post.is_up = False
            for _ in range(FAILURES + 3):
                order = shop.place_order(email="asha@mail.example")
                leave(post)
            off = disabled(shop)
            post.is_up = True
            shop.pay(order["id"])
            noticed_after = None
            # The schedule looks three times, and must not tell of it three times.
            for minute in range(1, 47):
                pass_a_minute(post)
                if noticed_after is None and not disabled(shop):
                    noticed_after = minute
        finally:
            post.stop()
        wrong, gone = differing(store, demo)
        active = sum(row["status"] == "active" for row in shop.rows["webhooks"].values())
        news = told_to(store, owner)
    return [
        Figure("S8: webhooks that the shop had switched off", off, "", 1, "higher", f"after {FAILURES} failures"),
        Figure("S8: minutes until that is noticed", noticed_after or 999, "min", 15, "lower", "of 46 that the worker's scheduler was led through"),
        Figure("S8: webhooks that are on again", active, "", len(webhook_care.TOPICS), "higher"),
        Figure("S8: orders that were not told and not fetched", len(wrong + gone), "rows", 0, "lower", told("", wrong)),
        Figure("S8: times the merchant was told, besides once", abs(news - 1), "", 0, "lower", f"told {news} times"),
    ]  # fmt: skip


def disabled(shop: Shop) -> int:
    return sum(row["status"] == "disabled" for row in shop.rows["webhooks"].values())


def pass_a_minute(post: Post) -> None:
    """What the worker does in one minute by its schedules, and what the shop tells meanwhile."""
    Schedule.objects.update(next_run=F("next_run") - timedelta(minutes=1))
    # It would close the connection, which is not its own here.
    with mock.patch("django_q.scheduler.close_old_django_connections"):
        scheduler()
    while queued := OrmQ.objects.order_by("pk").first():
        task = queued.task
        import_string(task["func"])(*task["args"], **task["kwargs"])
        queued.delete()
    leave(post)
    shops.done_all()


def leave(post: Post) -> None:
    """Deliver all that waits."""
    dice = random.Random(1)
    while post.waiting:
        job = post.take(dice)
        if isinstance(job, tuple) and (delivery := post.prepare(*job)):
            post.send(delivery)


def told_to(store: Store, owner: User) -> int:
    """Mails about it that left for the owner; without any, what the log says that is to be told."""
    mails = [message for message in mail.outbox if owner.email in message.recipients()]
    return len(mails) or Event.objects.filter(store=store, type="webhooks.repaired").count()
