"""The embedded PostgreSQL: made, shared, stopped and found again after every kind of end."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import psycopg
import pytest

from postpurchase import database


@pytest.fixture
def folder():
    """A place for a server that is gone afterwards. Not tmp_path: sockets need a short path."""
    with tempfile.TemporaryDirectory(prefix="pp-", ignore_cleanup_errors=True) as path:
        folder = Path(path) / "postgres"
        yield folder
        database.stop(folder)


def start(folder):
    return database.embedded_url(folder, durable=False)


def ask(url, query, *parameters):
    with psycopg.connect(url) as connection:
        return connection.execute(query, parameters or None).fetchone()[0]


def process_of(folder):
    return psutil.Process(int((folder / "data" / "postmaster.pid").read_text().split()[0]))


@pytest.mark.parametrize("locale", ["C", "POSIX", "xx_YY.ISO-8859-1"])
def test_letters_of_every_script_are_letters_whatever_the_hosts_locale(folder, monkeypatch, locale):
    monkeypatch.setenv("LC_ALL", locale)

    url = start(folder)

    assert ask(url, "SHOW server_encoding") == "UTF8"
    assert ask(url, "SELECT lower('ÉCOLE Ärger ΣΟΦΊΑ')") == "école ärger σοφία"
    assert ask(url, "SELECT 'CAFÉ नमस्ते' ILIKE '%é नमस्ते'")
    assert ask(url, "SELECT 'é' ~ '^[[:alpha:]]$' AND 'न' ~ '^[[:alpha:]]$'")
    assert ask(url, "SELECT array_agg(x ORDER BY x) FROM unnest(%s::text[]) x", ["मसाला", "नमस्ते", "e", "é", "ê"]) == [
        "e",
        "é",
        "ê",
        "नमस्ते",
        "मसाला",
    ]


def test_the_server_outlives_its_caller_and_is_found_by_the_next(folder):
    code = f"from postpurchase import database as d; print(d.embedded_url({str(folder)!r}, durable=False))"

    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)]

    assert runs[0].stdout == runs[1].stdout
    assert ask(runs[0].stdout.strip(), "SELECT current_database()") == "postpurchase"


def test_processes_that_start_it_at_once_share_one_server(folder):
    code = (
        "import psycopg, sys; from postpurchase import database as d\n"
        f"url = d.embedded_url({str(folder)!r}, durable=False)\n"
        "print(psycopg.connect(url).execute('SELECT pg_postmaster_start_time()::text').fetchone()[0])"
    )

    processes = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = [process.communicate()[0] for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0, 0]
    assert len(set(answers)) == 1


def test_what_was_committed_is_there_after_the_server_was_killed(folder):
    url = database.embedded_url(folder)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept (word text)")
        connection.execute("INSERT INTO kept VALUES ('नमस्ते')")
    process_of(folder).send_signal(signal.SIGKILL)

    url = database.embedded_url(folder)

    assert ask(url, "SELECT word FROM kept") == "नमस्ते"


def test_a_pid_file_that_names_a_stranger_does_not_stop_the_start(folder):
    start(folder)
    pid_file = folder / "data" / "postmaster.pid"
    left_over = pid_file.read_text().split("\n")
    database.stop(folder)
    pid_file.write_text("\n".join([str(os.getpid()), *left_over[1:]]))

    assert ask(start(folder), "SELECT 1") == 1


def test_an_initdb_that_was_killed_is_begun_again(folder):
    (folder / "data.new" / "base").mkdir(parents=True)
    (folder / "data.new" / "PG_VERSION").write_text("18\n")

    assert ask(start(folder), "SELECT 1") == 1


@pytest.mark.parametrize("name", ["long" * 40, "with a space, a comma and an é"])
def test_a_folder_that_can_hold_no_socket_gets_it_elsewhere(folder, name):
    folder = folder / name
    try:
        assert ask(start(folder), "SELECT 1") == 1
    finally:
        database.stop(folder)


def test_stop_ends_the_server_and_may_be_repeated(folder):
    start(folder)
    process = process_of(folder)

    database.stop(folder)
    database.stop(folder)

    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_the_server_is_durable_unless_asked_otherwise(folder):
    assert ask(database.embedded_url(folder), "SHOW fsync") == "on"
    database.stop(folder)
    assert ask(start(folder), "SHOW fsync") == "off"


def test_nobody_else_gets_in(folder):
    url = start(folder)

    assert ask(url, "SHOW listen_addresses") == ""
    assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="only root runs the server as somebody else")
def test_root_may_keep_it_below_a_folder_closed_to_others(folder):
    folder.parent.chmod(0o700)
    folder = folder / "closed" / "postgres"
    folder.parent.mkdir(parents=True, mode=0o700)
    try:
        assert ask(start(folder), "SELECT 1") == 1
        assert process_of(folder).uids().effective != 0
    finally:
        database.stop(folder)


def test_a_failure_says_what_to_do(folder):
    start(folder)
    database.stop(folder)
    (folder / "data" / "postgresql.conf").write_text("nonsense")

    with pytest.raises(database.DatabaseError, match="(?s)contains errors.*DATABASE_URL"):
        start(folder)
