"""The scenarios that start programs, with bugs planted in those."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# All at once, since a machine of their own takes long to make: each scenario has a figure that no other bug touches.
PLANTED = {
    "lose_every_seventh_webhook": "S1: promises broken after one reconciliation",
    "move_on_before_the_page_is_saved": "S2: kills after which a page was held in half",
    "take_a_broken_answer_for_the_end": "S4: orders lost, besides what pages left out",
    "let_everybody_in": "S9: second syncs that were let in beside the first",
    "be_surprised_by_an_outage": "P2: answers that are neither right nor 503",
}


@pytest.mark.long
@pytest.mark.timeout(900)
def test_programs_with_bugs_planted_are_found_out(tmp_path):
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "postpurchase.settings",
        "DATABASE_URL": "postgres://nobody@127.0.0.1:9/none",
        "VAR_DIR": str(tmp_path),
        "CHAOS_SETTINGS": "tests.chaos.broken.settings",
        "CHAOS_BUGS": " ".join([*PLANTED, "read_notes_at_once"]),
    }
    scenarios = [figure.partition(":")[0] for figure in PLANTED.values()]

    ran = subprocess.run(
        [sys.executable, "manage.py", "chaos", *scenarios, "--short"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )

    figures = {figure["name"]: figure for figure in json.loads((tmp_path / "chaos.json").read_text())}
    missed = [name for name in PLANTED.values() if figures[name]["value"] <= figures[name]["goal"]]
    assert not missed, f"{ran.stdout}\n{ran.stderr}"
    assert ran.returncode == 1
    assert not (tmp_path / "chaos").exists()
