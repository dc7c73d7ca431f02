"""A run that is ended at ten random moments, by SIGTERM, SIGINT and SIGKILL, gives what an undisturbed one gives."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from harness.execute.locks import folder_of
from harness.track import Record, open_store
from tests.train.conftest import assert_same_bits, without_times
from tests.train.killed import Teller, train

MATRIX = """\
version: 1
study: killed
dataset: {name: digits, validation: {size: 200}, limit: {train: 400, test: 100}}
seeds: [0]
defaults:
  recipe:
    epochs: 8
    batch_size: 16
    optimizer: {name: sgd, lr: 0.05, momentum: 0.9, nesterov: true, weight_decay: 5.0e-4}
    schedule: {name: one_cycle, warmup_epochs: 1.5}
    augment: [{crop: {pad: 1}}, {color_jitter: {brightness: 0.2}}, cutout, mixup]
    label_smoothing: 0.1
    checkpoint: {epochs: 1, minutes: 1.0e-9}
    keep: best
experiments:
  averaged: {model: {name: small_cnn, width: 8}, recipe: {ema: {decay: 0.95}}}
  followed:
    model: {name: small_vgg, width: 4, dropout: 0.3}
    recipe: {lookahead: {every: 5}, optimizer: {name: adamw, lr: 0.01}}
"""
SIGNALS = [*[signal.SIGTERM] * 4, *[signal.SIGINT] * 3, *[signal.SIGKILL] * 3]
STARTED, LONGEST = 1200.0, 3600.0
"""Seconds until a run has begun to fit, and until it is over, on a machine that has other things to do."""


def begun(home: Path, workers: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "harness.cli", "run", "killed.yaml", "--home", str(home), "--device", "cpu"]
    return subprocess.Popen(
        [*command, "--workers", str(workers), "-q"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def newest_checkpoint(home: Path) -> int:
    """Return when a checkpoint was last written, in nanoseconds; 0 if none was."""
    return max((path.stat().st_mtime_ns for path in home.glob("checkpoints/*/checkpoint.pt")), default=0)


def has_begun(home: Path, before: int) -> bool:
    """Whether fits have gone on since; the first time both of them: one without a checkpoint would begin anew."""
    both = len(list(home.glob("checkpoints/*/checkpoint.pt"))) == 2
    return newest_checkpoint(home) > before and (both or before > 0)


def cells_of(home: Path) -> dict[str, Record]:
    records = [each for each in open_store(home).records("killed") if each.kind == "cell"]
    assert len({each.key for each in records}) == len(records), "a cell was begun anew"
    return {each.name: each for each in records}


ROOT = Path(__file__).parents[2]
EPOCHS = 60


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_fit_ended_at_ten_random_moments_has_the_bits_of_an_undisturbed_one(tmp_path: Path) -> None:
    """With dropout, augmentation, mixup, momentum, a schedule, an average and a checkpoint after every step."""
    moments, path, cut_short = drawn(), tmp_path / "checkpoint.pt", 0
    for number in moments.sample(SIGNALS, len(SIGNALS)):
        command = [sys.executable, "-m", "tests.train.killed", str(path), str(EPOCHS)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None and process.stdout.readline()
            time.sleep(moments.uniform(0, 0.3))
            process.send_signal(number)
            process.stdout.read()
        cut_short += process.returncode != 0
    saved = len(torch.load(path, weights_only=True)["state"]["history"])
    print(f"{cut_short} cut short, {saved} of {EPOCHS} epochs saved")  # noqa: T201
    resumed, report = train(path, Teller(), EPOCHS)
    whole, expected = train(None, Teller(), EPOCHS)
    assert cut_short >= 3, "too few were cut short to tell anything"
    assert_same_bits(resumed, whole)
    assert without_times(report.history) == without_times(expected.history)


def drawn() -> random.Random:
    """Return moments that are others each time; what was drawn is told, so that it can be drawn again."""
    seed = int(os.environ.get("HARNESS_TEST_SEED", time.time_ns() % 10**6))
    print("moments drawn by HARNESS_TEST_SEED", seed, flush=True)  # noqa: T201
    return random.Random(seed)


@pytest.fixture
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "killed.yaml").write_text(MATRIX)


@pytest.mark.slow
@pytest.mark.timeout(3 * LONGEST)
@pytest.mark.usefixtures("_in_folder")
def test_a_run_killed_at_ten_random_moments_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    moments = drawn()
    signals, killed = moments.sample(SIGNALS, len(SIGNALS)), 0
    disturbed, quiet = tmp_path / "disturbed", tmp_path / "quiet"
    for number in signals:
        before, process = newest_checkpoint(disturbed), begun(disturbed, workers=2 - killed % 2)
        deadline = time.monotonic() + STARTED
        while not has_begun(disturbed, before) and process.poll() is None:
            assert time.monotonic() < deadline, "no checkpoint was written"
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.5))
        if process.poll() is not None:
            break  # it was quicker
        process.send_signal(number)
        killed += process.wait(STARTED) != 0
        print(f"{number.name}: exit {process.returncode}", flush=True)  # noqa: T201
    for home in (disturbed, quiet):
        assert begun(home, workers=2).wait(LONGEST) == 0
    found, expected = cells_of(disturbed), cells_of(quiet)
    assert killed >= 3, "too few were cut short to tell anything"
    assert found.keys() == expected.keys()
    for name, record in found.items():
        figures = {each: value for each, value in record.metrics.items() if each.partition("/")[0] in {"val", "test"}}
        assert record.tags["harness.model_digest"] == expected[name].tags["harness.model_digest"], name
        assert figures == {each: expected[name].metrics[each] for each in figures}
        assert not folder_of(disturbed, record.key).exists()
