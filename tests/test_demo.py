"""`make demo` and `make serve` as a person meets them."""

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest


@pytest.fixture
def run(tmp_path):
    def run(*command, **environment):
        environment = os.environ | {"VAR_DIR": str(tmp_path / "var")} | environment
        return subprocess.run(
            [sys.executable, "-m", *command], env=environment, capture_output=True, text=True, timeout=100
        )

    return run


@pytest.fixture
def taken_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield str(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("module", "name"),
    [("postpurchase.demo.run", "PORT"), ("postpurchase.demo.run", "SHOP_PORT"), ("postpurchase.serve", "PORT")],
)
def test_a_taken_port_says_what_to_do(run, taken_port, module, name):
    # Port 0 stands for one that is surely free.
    result = run(module, **{"PORT": "0", "SHOP_PORT": "0", name: taken_port})

    assert result.returncode == 1
    assert f"{taken_port} is taken" in result.stdout
    assert f"{name}={int(taken_port) + 1}" in result.stdout


def test_a_second_demo_says_that_one_runs(run, tmp_path):
    (tmp_path / "var").mkdir()
    with open(tmp_path / "var" / "demo.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        result = run("postpurchase.demo.run")

    assert result.returncode == 1
    assert "runs already" in result.stdout


def test_stop_is_done_when_no_demo_runs(run):
    assert run("postpurchase.demo.run", "stop").returncode == 0


def test_processes_that_start_at_once_agree_on_one_secret(tmp_path):
    code = "from postpurchase.settings import SECRET_KEY; print(SECRET_KEY)"
    environment = os.environ | {"VAR_DIR": str(tmp_path), "SECRET_KEY": "", "DJANGO_SETTINGS_MODULE": ""}
    processes = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]

    keys = {process.communicate()[0].strip() for process in processes}

    assert len(keys) == 1
    assert len(keys.pop()) == 64
    assert (tmp_path / "secret_key").stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


@pytest.fixture
def demo(tmp_path):
    """Start `make demo`'s program and wait until it says that it is ready; returns the process and var/demo.json."""
    started = []
    web_port = str(free_port())

    def start():
        # The shop's port is another each time, as for somebody who had to give way to another program.
        ports = {"PORT": web_port, "SHOP_PORT": str(free_port())}
        environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        environment |= {"VAR_DIR": str(tmp_path / "var"), "DEMO_ORDERS": "60"} | ports
        with open(tmp_path / "demo.log", "w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "postpurchase.demo.run"], env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        started.append(process)
        wait_for(lambda: process.poll() is not None or "is ready" in (tmp_path / "demo.log").read_text(), 240)
        assert process.poll() is None, (tmp_path / "demo.log").read_text()
        return process, json.loads((tmp_path / "var" / "demo.json").read_text())

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.wait(120)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(condition, seconds):
    """Look again and again; a demo is many processes, and none of them tells this one."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.5)
    return found


@pytest.mark.timeout(600)
def test_an_order_in_the_demo_shop_brings_points_mail_and_events_and_the_second_run_keeps_them(demo, tmp_path):
    process, told = demo()
    assert (tmp_path / "var" / "demo.json").stat().st_mode & 0o777 == 0o600

    def api(path):
        request = Request(told["api"]["url"] + path, headers={"Authorization": f"Bearer {told['api']['key']}"})
        return json.load(urlopen(request, timeout=30))["results"]

    page = urlopen(f"{told['shop']}/control/", timeout=30).read().decode()
    product = re.search(r'<option value="(\d+-0)"', page)[1]
    form = {
        "product": product,
        "quantity": "2",
        "email": "meera@mail.example",
        "name": "Meera Joshi",
        "country": "IN",
        "payment": "cod",
        "pay": "1",
    }
    urlopen(Request(f"{told['shop']}/control/place/", urlencode(form).encode(), {"Origin": told["shop"]}), timeout=30)

    order = wait_for(lambda: api("orders/?email=meera@mail.example"), 60)[0]
    wait_for(lambda: {"order.paid", "points.earned"} <= {e["type"] for e in api(f"events/?order={order['id']}")}, 60)
    assert api(f"loyalty/entries/?order={order['id']}")[0]["points"] > 0
    wait_for(lambda: "Thank you, Meera" in urlopen(told["mailbox"], timeout=30).read().decode(), 60)

    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 0
    _process, again = demo()
    assert again["api"]["key"] == told["api"]["key"]
    told = again
    assert api("orders/?email=meera@mail.example")[0]["id"] == order["id"]
