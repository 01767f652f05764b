"""A training that is killed goes on, wherever it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills.py forks its trainings, so as to start them quickly")
def test_a_training_that_is_killed_at_any_moment_comes_to_the_same_weights() -> None:
    """Eight of the moments of `python -m tests.faults.kills`, half of them inside of saves."""
    command = [sys.executable, "-m", "tests.faults.kills", "--count", "8"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["wrong"] == [] and found["kills"] >= 6
