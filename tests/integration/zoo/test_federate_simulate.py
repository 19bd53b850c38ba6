"""`tinymlaas federate simulate` as a process, with the trainer that devices have."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_002_6_a_federation_that_sends_int8_is_within_three_points_and_its_page_shows_it(
    tensorflow: None,  # noqa: ARG001 - asked for, so that it is there or the test is skipped
    tmp_path: Path,
) -> None:
    page = tmp_path / "page.html"
    asked = ["--clients", "10", "--alpha", "0.3", "--rounds", "30", "--form", "int8", "-o", str(page)]
    command = [sys.executable, "-m", "app.cli", "--json", "federate", "simulate", *asked]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["centralised_accuracy"] > 0.95
    assert found["federated_accuracy"] >= found["centralised_accuracy"] - 0.03
    assert found["alone"]["best"] < found["federated_accuracy"] - 0.1
    assert found["settings"]["form"] == "int8"
    assert len(found["rounds"]) == 31
    made = page.read_text(encoding="utf-8")
    assert f"{found['federated_accuracy']:.1%} after 30 rounds" in made
    assert made.count("<svg") == 2
