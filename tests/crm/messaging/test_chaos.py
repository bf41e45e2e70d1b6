"""Workers are killed in the middle of sending: nothing is sent twice, and what nobody knows is listed."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from crm.messaging.models import Message
from crm.work import drain
from tests.crm.messaging.test_sending import free_port
from tests.factories import make_message, make_order, make_store

ROOT = Path(__file__).resolve().parents[3]
DRAIN = "from crm.messaging.models import Message; from crm.work import drain; drain.drain(Message)"
KILLS = 2


class Server:
    """Takes each mail slowly enough for a kill to fall between its coming and the answer to it."""

    def __init__(self):
        self.taken = []

    async def handle_DATA(self, server, session, envelope):
        self.taken.append(re.search(r"Message-ID: <([^@]+)@", envelope.content.decode())[1])
        time.sleep(0.02)
        return "250 OK"


@pytest.mark.django_db(transaction=True)
def test_killed_workers_send_nothing_twice(settings, database_url):
    server = Server()
    controller = Controller(server, hostname="127.0.0.1", port=0)
    controller.port = free_port()
    controller.start()
    store = make_store()
    order = make_order(store, lines=[{}])
    for _n in range(30):
        make_message(store, order=order)
    environment = os.environ | {
        "DATABASE_URL": database_url,
        "EMAIL_URL": f"smtp://127.0.0.1:{controller.port}",
        "DJANGO_SETTINGS_MODULE": "postpurchase.settings",
    }
    try:
        for kill in range(1, KILLS + 1):
            worker = subprocess.Popen(
                [sys.executable, "manage.py", "shell", "-v0", "-c", DRAIN], cwd=ROOT, env=environment
            )
            wait_for(lambda kill=kill: len(server.taken) >= 7 * kill, worker)
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            # Their leases run out.
            Message.objects.filter(state="running").update(leased_until="2026-01-01T00:00Z")
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", controller.port
        drain.drain(Message)
    finally:
        controller.stop()

    outcomes = Counter(Message.objects.values_list("outcome", flat=True))
    assert max(Counter(server.taken).values()) == 1
    assert outcomes["unknown"] <= KILLS
    assert outcomes["sent"] == 30 - outcomes["unknown"]


def wait_for(condition, worker, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert worker.poll() is None, "the worker ended by itself"
        assert time.monotonic() < deadline, "nothing was sent"
        time.sleep(0.01)
