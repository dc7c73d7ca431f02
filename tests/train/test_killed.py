from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import torch

from tests.train.conftest import assert_same_bits, without_times
from tests.train.killed import Teller, train

ROOT = Path(__file__).parents[2]


def test_a_fit_killed_at_any_moment_ends_with_the_same_bits(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    _kill_after_two_epochs(path)
    saved = torch.load(path, weights_only=True)["state"]["history"]
    resumed, report = train(path, Teller())
    whole, expected = train(None, Teller())
    assert_same_bits(resumed, whole)
    assert without_times(report.history) == without_times(expected.history)
    assert len(saved) >= 2
    assert list(report.history[: len(saved)]) == saved  # with their times: it went on from what was saved


def _kill_after_two_epochs(path: Path) -> None:
    command = [sys.executable, "-m", "tests.train.killed", str(path), "6"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["1\n", "2\n"]
        process.kill()
        process.stdout.read()
    assert process.returncode == -signal.SIGKILL
