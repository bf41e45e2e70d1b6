"""Programs that run together: waited for, restarted, and all gone at the end."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from postpurchase.processes import Group, ProcessFailed, Program, kill_group

SLEEP = "import time; time.sleep(600)"


@pytest.fixture
def group(tmp_path):
    # In a process of its own signals are ignored while stopping; here they must come back.
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    group = Group(tmp_path / "log", tmp_path / "pids")
    yield group
    group.stop()
    for number, handler in before.items():
        signal.signal(number, handler)


def python(code, **options):
    return Program("program", [sys.executable, "-c", code], **options)


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def is_gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_start_waits_until_the_program_is_healthy(group, tmp_path):
    ready = tmp_path / "ready"

    group.start(python(f"open({str(ready)!r}, 'w'); {SLEEP}", healthy=ready.exists))

    assert ready.exists()


def test_a_program_that_ends_at_once_is_told_with_its_last_words(group):
    with pytest.raises(ProcessFailed, match="(?s)ended with status 3.*out of tea"):
        group.start(python("print('out of tea'); raise SystemExit(3)", healthy=lambda: False))


def test_a_program_that_never_gets_healthy_is_told(group):
    with pytest.raises(ProcessFailed, match="not ready after"):
        group.start(python(SLEEP, healthy=lambda: False), timeout=0.3)


def test_what_dies_is_started_again_and_given_up_when_that_does_not_help(group, tmp_path, capsys):
    runs = tmp_path / "runs"
    group.start(python(f"print(1, file=open({str(runs)!r}, 'a')); raise SystemExit(7)"))

    with pytest.raises(ProcessFailed, match="ended 4 times"):
        group.watch(interval=0.02)

    assert len(runs.read_text().split()) == 4
    assert "ended with status 7; starting it again" in capsys.readouterr().out


def test_stop_ends_children_of_children_and_what_does_not_listen(group, tmp_path):
    children = tmp_path / "children"
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    code = (
        f"{deaf} import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', {SLEEP!r}]);"
        f"print(child.pid, file=open({str(children)!r}, 'w'), flush=True); {SLEEP}"
    )
    program = python(code, healthy=lambda: children.exists() and children.read_text().strip(), stop_timeout=0.2)
    group.start(program)

    group.stop()

    wait_for(lambda: is_gone(int(children.read_text())))
    assert is_gone(program.process.pid)
    assert not group.pid_file.exists()


def test_what_a_killed_group_left_is_killed_by_the_next(tmp_path):
    code = (
        "import os, signal; from pathlib import Path; from postpurchase.processes import *;"
        f"group = Group(Path({str(tmp_path)!r}), Path({str(tmp_path)!r}) / 'pids');"
        f"program = Program('program', ['sleep', '600']); group.start(program);"
        "print(program.process.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    left_over = int(subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True).stdout)
    assert not is_gone(left_over)

    Group(tmp_path, tmp_path / "pids").kill_left_overs()

    wait_for(lambda: is_gone(left_over))


def test_a_number_that_another_process_got_is_left_alone(tmp_path):
    stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
    (tmp_path / "pids").write_text(f"[[{stranger.pid}, 1.0]]")

    Group(tmp_path, tmp_path / "pids").kill_left_overs()

    assert stranger.poll() is None
    kill_group(stranger.pid)
    assert stranger.wait() == -signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_of_it(tmp_path, number):
    code = (
        "import sys; from pathlib import Path; from postpurchase.processes import *\n"
        f"group = Group(Path({str(tmp_path)!r}), Path({str(tmp_path)!r}) / 'pids')\n"
        "raise_on_stop_signals()\n"
        "try:\n"
        "    program = Program('program', ['sleep', '600']); group.start(program)\n"
        "    print(program.process.pid, flush=True)\n"
        "    group.watch()\n"
        "except StopRequested:\n"
        "    group.stop()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    child = int(process.stdout.readline())

    os.kill(process.pid, number)

    assert process.wait(20) == 0
    process.stdout.close()
    assert is_gone(child)
