import os
import time
from contextlib import nullcontext, suppress
from datetime import timedelta
from types import SimpleNamespace

from django.apps import AppConfig


def lose_every_seventh_webhook():
    """Answered with 200 before it is kept."""
    from crm.woocommerce import webhooks

    keep, count = webhooks.keep, [0]

    def kept(*args):
        count[0] += 1
        return keep(*args) if count[0] % 7 else None

    webhooks.keep = kept


def move_on_before_the_page_is_saved():
    """The place commits by itself, a moment before the page does."""
    from crm.woocommerce.walking import Step

    begin = Step.__enter__

    def enter(self):
        state = self.walk.state
        if state.resource == "orders":
            type(state).objects.filter(pk=state.pk).update(**self.place)
            time.sleep(0.1)
        return begin(self)

    Step.__enter__ = enter


def take_a_broken_answer_for_the_end():
    """Of the list: the walk is counted as ended, and no answer is asked for again."""
    from crm.woocommerce import client, sync
    from crm.woocommerce.errors import WooCommerceError

    through, client.ATTEMPTS = sync._walk_through, 1

    def walked(walk, guard):
        with suppress(WooCommerceError):
            through(walk, guard)

    sync._walk_through = walked


def let_everybody_in():
    from crm.woocommerce import sync

    sync.alone = lambda store, what: nullcontext()


def be_surprised_by_an_outage():
    """Nobody expects that the database may be away."""
    from crm.woocommerce import webhooks
    from postpurchase import failing

    webhooks.DatabaseError = ()
    failing.outages = SimpleNamespace(is_away=lambda error: False)


def read_notes_at_once():
    """No bug: it spares the run half a minute of waiting for what is due then."""
    from crm.woocommerce.saving import orders

    orders.SETTLING = timedelta(0)


class Broken(AppConfig):
    name = "tests.chaos.broken"
    label = "broken"

    def ready(self):
        for bug in os.environ["CHAOS_BUGS"].split():
            globals()[bug]()
