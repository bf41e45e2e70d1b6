"""The points ledger under fire: many who spend at once, answers that get lost, transfers both ways, an expiry that is killed."""

import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db import OperationalError, close_old_connections, connection, connections
from django.utils import timezone

from crm.orders.models import Customer
from crm.stores.models import Store
from loyalty import accounts, ledger, proof
from loyalty.ledger import InsufficientPoints, Kind, Posting
from loyalty.models import Account, LedgerEntry, Lot
from postpurchase.bench.figures import Figure

from .machine import url_of_this_database

POINTS, PRICE = 1000, 100
LOST = 0.2  # answers
_EXPIRE = """
from django.utils import timezone
from crm.stores.models import Store
from loyalty import ledger, lots
lots.BATCH = {1}
ledger.expire(Store.objects.get(pk={0}), timezone.now())
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
    """L5: an expiry that is three days late is killed so often, then it runs with a clock that was set back, and twice more.

    Returns how many lots did not expire exactly once, or expired though it was not their day, and how many kills hit.
    """
    dice, now = random.Random(seed), timezone.now()
    ours = people(f"l5-{seed}", 500)
    store, step = Store.objects.get(pk=ours[0].store_id), 5000
    for start in range(0, lots, step):
        gifts = [
            Posting(
                ours[n % len(ours)].pk, Kind.EARN, 5, f"gift:{n}", expires_at=now - timedelta(days=n % 4, minutes=1)
            )
            for n in range(start, min(start + step, lots))
        ]
        ledger.post_many(gifts, announce=False)
    tomorrow = now + timedelta(days=1)
    for account in ours:
        ledger.earn(account, 5, "not yet", expires_at=tomorrow)
    environment = os.environ | {"DATABASE_URL": url_of_this_database(), "SECRET_KEY": settings.SECRET_KEY}
    # In so many steps that there is something to kill.
    script = _EXPIRE.format(store.pk, max(lots // (kills * 20), 10))
    command = [sys.executable, "manage.py", "shell", "-v", "0", "-c", script]
    done = LedgerEntry.objects.for_store(store).filter(kind=Kind.EXPIRE)
    hits = 0
    for _kill in range(kills):
        process = subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment)
        before = done.count()
        # From the moment it has begun to work.
        while process.poll() is None and done.count() == before:
            time.sleep(0.01)
        time.sleep(dice.random() * 0.1)
        hits += process.poll() is None
        process.kill()
        process.wait()
    for at in (now - timedelta(days=2), now, now):
        ledger.expire(store, at)
    due = Lot.objects.for_store(store).filter(expires_at__lte=now)
    once = due.filter(allocations__entry__kind=Kind.EXPIRE, allocations__points=5, is_open=False)
    wrong = lots - once.distinct().count() + abs(done.count() - lots)
    return wrong + len(ours) - Lot.objects.for_store(store).filter(expires_at=tomorrow, is_open=True).count(), hits


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
    told = f"{lots:,} lots, {hits} of {kills} kills hit, late, twice, and with the clock set back"
    return [Figure("L5: lots that did not expire exactly once", odd, "lots", 0, "lower", told), books()]


def transfers(seed: int, count: int, connections_: int = 8) -> list[Figure]:
    deadlocks = transfer_both_ways(seed, connections_, count)
    told = f"{count:,} transfers both ways, {connections_} connections"
    return [Figure("L6: deadlocks", deadlocks, "", 0, "lower", told), books()]
