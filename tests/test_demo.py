"""`make demo` and `make serve` as a person meets them."""

import fcntl
import os
import socket
import subprocess
import sys

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
