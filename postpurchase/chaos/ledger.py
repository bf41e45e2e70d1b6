"""The points ledger under fire: many who spend at once, answers that get lost, transfers both ways, a nightly pass that is killed."""

import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import OperationalError, close_old_connections, connection, connections
from django.utils import timezone

from crm.messaging.models import Message
from crm.orders.models import Customer
from crm.stores.models import Store
from crm.work.batches import batched
from loyalty import accounts, ledger, proof
from loyalty import expiry as expiry_pass
from loyalty.days import end_of
from loyalty.ledger import InsufficientPoints, Kind, Posting
from loyalty.models import Account, LedgerEntry, Lot, Program
from postpurchase.bench.figures import Figure

from .machine import url_of_this_database

POINTS, PRICE = 1000, 100
LOST = 0.2  # answers
# In so many steps that there is something to kill.
_NIGHT = """
from datetime import datetime
from crm.stores.models import Store
from loyalty import expiry, lots
expiry.BATCH, lots.BATCH = 50, {2}
expiry.run(Store.objects.get(pk={0}), datetime.fromisoformat("{1}"))
"""


def people(slug: str, count: int) -> list[Account]:
    store = Store.objects.create(slug=slug, name=slug, url=f"https://{slug}.example")
    customers = Customer.objects.bulk_create(
        Customer(store=store, woo_id=n, email=f"{n}@{slug}.example") for n in range(1, count + 1)
    )
    accounts.open_accounts(store, [customer.pk for customer in customers])
    return list(Account.objects.for_store(store).order_by("pk"))


def at_once(count: int, function: Callable[[int], None], give_up: Callable[[], object] = int) -> list[BaseException]:
    """Run it so many times in threads, each on a connection of its own; returns what was raised, the first first.

    `give_up` is called by a thread that raised, so that nobody waits for it.
    """
    raised: list[BaseException] = []

    def run(number):
        try:
            function(number)
        except BaseException as error:
            raised.append(error)
            give_up()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def lose_the_answer() -> None:
    """What is asked next reaches the database, which does and commits it; but the connection is gone before the answer is read."""
    connection.ensure_connection()
    with socket.socket(fileno=os.dup(connection.connection.fileno())) as wire:
        wire.shutdown(socket.SHUT_RD)


def redeem(account: Account, key: str, is_lost: bool) -> None:
    """As a careful caller does: whoever hears no answer asks again with the same cause."""
    if is_lost:
        lose_the_answer()
        try:
            ledger.redeem(account, PRICE, key)
        except OperationalError:
            connection.close()
        else:
            raise AssertionError("an answer came over a connection that was cut")
    ledger.redeem(account, PRICE, key)


def spend_at_once(seed: int, rounds: int, threads: int) -> tuple[int, int]:
    """L1: all redeem 100 of 1,000 points until they are refused; a fifth of the answers is lost and asked for again.

    Returns the rounds that did not end in exactly ten redemptions and a balance of 0, and how many answers were lost.
    """
    ours = people(f"l1-{seed}", rounds)
    ledger.post_many([Posting(account.pk, Kind.EARN, POINTS, "gift") for account in ours], announce=False)
    gate, lost = threading.Barrier(threads), [0] * threads

    def spend(number):
        dice = random.Random(seed * 1000 + number)
        for account in ours:
            gate.wait()
            for turn in range(POINTS // PRICE + 1):
                is_lost = dice.random() < LOST
                lost[number] += is_lost
                try:
                    redeem(account, f"coupon:{number}:{turn}", is_lost)
                except InsufficientPoints:
                    break

    if raised := at_once(threads, spend, gate.abort):
        raise raised[0]
    wrong = 0
    for account in Account.objects.filter(pk__in=[account.pk for account in ours]):
        redeemed = account.entries.filter(kind=Kind.REDEEM)
        wrong += account.balance != 0 or redeemed.count() != POINTS // PRICE
    return wrong, sum(lost)


def transfer_both_ways(seed: int, connections_: int, transfers: int) -> int:
    """L6: so many transfers between random accounts, both sides in one batch and in any order; returns how many deadlocks there were."""
    ours = people(f"l6-{seed}", 20)
    ledger.post_many([Posting(account.pk, Kind.EARN, 10**6, "gift") for account in ours], announce=False)
    deadlocks = [0] * connections_

    def transfer(number):
        dice = random.Random(seed * 1000 + number)
        for turn in range(transfers // connections_):
            giver, taker = dice.sample(ours, 2)
            cause = f"transfer:{number}:{turn}"
            postings = [Posting(giver.pk, Kind.ADJUST, -1, cause), Posting(taker.pk, Kind.ADJUST, 1, cause)]
            try:
                ledger.post_many(postings, announce=False)
            except OperationalError:
                deadlocks[number] += 1
                close_old_connections()

    if raised := at_once(connections_, transfer):
        raise raised[0]
    total = sum(Account.objects.filter(pk__in=[account.pk for account in ours]).values_list("balance", flat=True))
    return sum(deadlocks) + (total != 20 * 10**6)


def expire_under_fire(seed: int, lots: int, kills: int) -> tuple[int, int]:
    """L5: the nightly pass is killed so often while it warns and while it takes, the last night comes three days late; then it runs with a
    clock that was set back, and twice more.

    Returns how many lots did not expire exactly once, or expired though it was not their day, and mails too few or too many; and how many
    kills hit.
    """
    dice = random.Random(seed)
    ours = people(f"l5-{seed}", 500)
    store = Store.objects.get(pk=ours[0].store_id)
    Program.objects.create(store=store, active=True, rate=1, expiry=Program.Expiry.LOT, expiry_months=12)
    first = (timezone.now() + timedelta(days=40)).date()
    owners = [ours[n % len(ours)].pk for n in range(lots)]
    days = [end_of(store, first + timedelta(days=n // len(ours) % 4)) for n in range(lots)]
    gifts = [
        Posting(owner, Kind.EARN, 5, f"gift:{n}", expires_at=day)
        for n, (owner, day) in enumerate(zip(owners, days, strict=True))
    ]
    for some in batched(gifts, 5000):
        ledger.post_many(some, announce=False)
    another = end_of(store, first + timedelta(days=30))
    for account in ours:
        ledger.earn(account, 5, "not yet", expires_at=another)
    nights = [end_of(store, first + timedelta(days=days_)) for days_ in (-31, -5, 6)]
    hits = 0
    for number, night in enumerate(nights):
        for _kill in range(kills // len(nights) + (number < kills % len(nights))):
            hits += killed(store, night, max(lots // (kills * 20), 10), dice.random() * 0.1)
        expiry_pass.run(store, night)
    for at in (nights[-1] - timedelta(days=9), nights[-1], nights[-1]):
        expiry_pass.run(store, at)
    due = Lot.objects.for_store(store).filter(expires_at__lt=nights[-1])
    once = due.filter(allocations__entry__kind=Kind.EXPIRE, allocations__points=5, is_open=False)
    expired = LedgerEntry.objects.for_store(store).filter(kind=Kind.EXPIRE).count()
    left = Lot.objects.for_store(store).filter(expires_at=another, is_open=True).count()
    # Thirty days before; seven days before, with what is left; and who has nothing else, of that.
    mails = Message.objects.filter(store=store, kind=expiry_pass.MAIL).count()
    mails_wanted = min(lots, len(ours)) + len(ours)
    return lots - once.distinct().count() + abs(expired - lots) + len(ours) - left + abs(mails - mails_wanted), hits


def killed(store: Store, night: datetime, batch: int, patience: float) -> bool:
    """Start a nightly pass and kill it soon after it has begun to work; whether that hit it."""

    def done() -> int:
        expired = LedgerEntry.objects.for_store(store).filter(kind=Kind.EXPIRE)
        return expired.count() + Message.objects.filter(store=store, kind=expiry_pass.MAIL).count()

    environment = os.environ | {"DATABASE_URL": url_of_this_database(), "SECRET_KEY": settings.SECRET_KEY}
    script = _NIGHT.format(store.pk, night.isoformat(), batch)
    process = subprocess.Popen(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", script], cwd=settings.BASE_DIR, env=environment
    )
    before = done()
    while process.poll() is None and done() == before:
        time.sleep(0.01)
    time.sleep(patience)
    is_hit = process.poll() is None
    process.kill()
    process.wait()
    return is_hit


# --- as figures ---


def books() -> Figure:
    found = list(proof.differences())
    return Figure("L4: differences in the books", len(found), "", 0, "lower", "; ".join(found[:3]))


def spending(seed: int, rounds: int, threads: int) -> list[Figure]:
    # Answers get lost here and nobody pulls the plug: to wait for the disk at each commit would only make the rounds longer.
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    wrong, lost = spend_at_once(seed, rounds, threads)
    told = f"{rounds:,} rounds, {threads} threads, {lost:,} answers lost"
    promise = "L1: rounds without exactly ten redemptions and a balance of 0"
    return [Figure(promise, wrong, "rounds", 0, "lower", told), books()]


def expiry(seed: int, lots: int, kills: int) -> list[Figure]:
    odd, hits = expire_under_fire(seed, lots, kills)
    told = f"{lots:,} lots, {hits} of {kills} kills hit the nightly pass, late, twice, and with the clock set back"
    return [
        Figure(
            "L5: lots that did not expire exactly once, and mails too few or too many", odd, "lots", 0, "lower", told
        ),
        books(),
    ]


def transfers(seed: int, count: int, connections_: int = 8) -> list[Figure]:
    deadlocks = transfer_both_ways(seed, connections_, count)
    told = f"{count:,} transfers both ways, {connections_} connections"
    return [Figure("L6: deadlocks", deadlocks, "", 0, "lower", told), books()]
