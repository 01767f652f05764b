"""A training that is killed goes on, wherever it was."""

from __future__ import annotations

import json
import os

import pytest

from tests.forks import Program


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills.py forks its trainings, so as to start them quickly")
def test_a_training_that_is_killed_at_any_moment_comes_to_the_same_weights() -> None:
    """Eight of the moments of `python -m tests.faults.kills`, half of them inside of saves."""
    program = Program(["-m", "tests.faults.kills", "--count", "8"])
    out, err = program.communicate(250)
    assert program.poll() == 0, out + err
    found = json.loads(out)
    assert found["wrong"] == [] and found["kills"] >= 6
