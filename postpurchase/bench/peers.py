"""Tools that do a part of this, in an environment of their own."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from django.conf import settings

from .webhooks import url_of_this_database

FOLDER = ".venv-bench"


class Missing(Exception):
    """It can't be measured here; the text says why."""


def python() -> Path:
    """The Python of the peers' environment, made if it is not there."""
    folder = settings.BASE_DIR / FOLDER
    binary, stamp = folder / "bin" / "python", folder / "complete"
    if stamp.exists():
        return binary
    install = [str(binary), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True, text=True)
        command = [*install, "-r", str(settings.BASE_DIR / "requirements-bench.txt")]
        subprocess.run(command, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or "").strip().splitlines() or ["no reason given"]
        raise Missing(f"what it is compared with could not be installed: {lines[-1][:120]}") from error
    stamp.touch()
    return binary


def seconds_of_dlt(url: str, key: str, secret: str) -> float:
    """Raises Missing."""
    script = settings.BASE_DIR / "postpurchase" / "bench" / "dlt_import.py"
    binary = python()
    with tempfile.TemporaryDirectory() as folder:
        command = [str(binary), str(script), url, key, secret, url_of_this_database(), folder]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode:
        raise Missing(f"dlt failed: {(done.stderr.strip().splitlines() or ['?'])[-1][:120]}")
    return json.loads(done.stdout.splitlines()[-1])["seconds"]
