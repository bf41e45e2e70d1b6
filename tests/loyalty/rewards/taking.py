"""Taking rewards, and reading what became of it."""

import re
import threading
import uuid

from django.db import connections

from crm.woocommerce.models import Push
from loyalty import redeeming
from loyalty.models import Account, Redemption


def redeem(account, reward, **fields):
    return redeeming.redeem(account.store, account.customer, reward.pk, **{"key": uuid.uuid4()} | fields)


def balance(account):
    return Account.objects.get(pk=account.pk).balance


def at_once(count, function):
    """Call the function in so many threads that begin together; returns what those answered that did not fail."""
    begin, answers = threading.Barrier(count), []

    def run():
        try:
            begin.wait(60)
            answers.append(function())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def nothing_happened(account, points=250):
    return balance(account) == points and not Redemption.objects.exists() and not Push.objects.exists()


def words(response):
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).replace("&#x27;", "'").split())


def token_on(response):
    return re.search(r'name="token" value="([^"]+)"', response.content.decode())[1]
