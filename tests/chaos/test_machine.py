"""What the scenarios start is gone with them."""

import subprocess
import sys
from pathlib import Path

import psutil

from postpurchase.chaos.machine import wait_until

ROOT = Path(__file__).resolve().parents[2]


def test_what_a_run_has_started_ends_with_it_even_by_sigkill(tmp_path):
    folder = tmp_path / "chaos"
    run = f"""
import os, subprocess, sys
from pathlib import Path
from postpurchase.chaos import guard
folder = Path({str(folder)!r})
guard.stand(folder)
folder.mkdir()
sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
print(subprocess.Popen(sleeper, env=os.environ | {{"VAR_DIR": {str(folder)!r}}}, stdout=subprocess.DEVNULL).pid, flush=True)
os.kill(os.getpid(), 9)
"""

    ran = subprocess.run([sys.executable, "-c", run], cwd=ROOT, stdout=subprocess.PIPE, text=True)

    assert ran.returncode == -9
    assert wait_until(lambda: not folder.exists(), 30) is not None
    assert not psutil.pid_exists(int(ran.stdout)) or psutil.Process(int(ran.stdout)).status() == psutil.STATUS_ZOMBIE
