"""Correctness: recorded steps against steps one by one, a kill in between, and no wait for the device."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks.on_gpu import killed
from benchmarks.on_gpu.bench import ROOT, Bench
from benchmarks.on_gpu.fits import Hearing, Weights, different, started
from benchmarks.on_gpu.rows import Figures, Keep, Measurement, check
from harness.contracts import Recipe
from harness.train import NetworkClassifier

MOVED: Final = [
    "alternating_flip",
    {"name": "crop", "mode": "reflect"},
    {"name": "color_jitter"},
    {"name": "cutout"},
    {"name": "random_erasing"},
]
SGD: Final = {"name": "sgd", "lr": 0.05}
CASES: Final[dict[str, dict[str, Any]]] = {
    "sgd": {"optimizer": SGD},
    "adamw": {"optimizer": {"name": "adamw", "lr": 1e-3}},
    "sgdw": {"optimizer": {"name": "sgdw", "lr": 0.05}},
    "muon": {"optimizer": {"name": "muon"}},
    "freeze": {"optimizer": SGD, "freeze": [{"parameters": "0.*", "epochs": 1}]},
    "lookahead": {"optimizer": SGD, "lookahead": {"every": 2}},
    "ema": {"optimizer": SGD, "ema": {"decay": 0.9}},
    "gradient clip": {"optimizer": SGD, "gradient_clip": 0.1},
    "mixup": {"optimizer": SGD, "augment": ["flip", "mixup"]},
    "cutmix": {"optimizer": SGD, "augment": ["flip", "cutmix"]},
}
"""Each with augmentation, dropout and label smoothing, two epochs whose last batch is smaller."""
EPOCHS: Final = 2


def measurements(bench: Bench) -> list[Measurement]:
    """Return the rows on how steps are taken."""
    rows = [
        Measurement("correctness", f"recorded steps, {name}", partial(_recorded, bench, settings), bench.needs_cuda)
        for name, settings in CASES.items()
    ]
    rows.append(Measurement("correctness", "resumed after a kill", partial(_resumed, bench)))
    rows += [
        Measurement("correctness", f"no wait within an epoch, {how}", partial(_waits, bench, records), bench.needs_cuda)
        for how, records in (("recorded", True), ("one by one", False))
    ]
    return rows


def _recorded(bench: Bench, settings: dict[str, Any], _: Keep) -> Figures:
    """Count the tensors whose bits are not those of a fit that takes its steps one by one."""
    fits = [_trained(bench, settings, records) for records in (True, False)]
    (recorded, was_recorded), (single, _was) = fits
    count = different(recorded, single)
    note = {} if was_recorded else {"note": "no step was recorded"}
    return check(count, 0, ok=was_recorded and not count, tensors=len(single), recorded=was_recorded, **note)


def _trained(bench: Bench, settings: dict[str, Any], records: bool) -> tuple[Weights, bool]:
    with started(_classifier(bench, settings), bench.some(_count(bench)), records=records) as fit:
        for _ in range(EPOCHS):
            fit.epoch()
        return fit.weights(), fit.stepper.is_recorded


def _classifier(bench: Bench, settings: dict[str, Any]) -> NetworkClassifier:
    named = [each if isinstance(each, dict) else {"name": each} for each in settings.get("augment", MOVED)]
    shared = {"epochs": EPOCHS, "batch_size": bench.sizes.agreement_batch, "label_smoothing": 0.1}
    recipe = Recipe.model_validate({**shared, **settings, "augment": named})
    return bench.classifier("small_cnn", {"dropout": 0.3}, recipe)


def _count(bench: Bench) -> int:
    batch = bench.sizes.agreement_batch
    return bench.sizes.equal_steps * batch + batch // 2


def _resumed(bench: Bench, _: Keep) -> Figures:
    """Have a fit killed in the midst of its fourth epoch, go on in this process, and hold it against a whole one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.pt"
        command = [sys.executable, "-m", "benchmarks.on_gpu.killed", str(path), str(bench.device)]
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        heard: list[int] = []
        resumed = killed.train(path, bench.device, Hearing(lambda epoch, _: heard.append(epoch)))
    whole = killed.train(None, bench.device, Hearing())
    was_killed = process.returncode == -signal.SIGKILL and 1 not in heard and heard[-2:] == [4, 5]
    count = different(resumed, whole)
    note = "" if was_killed else f"not killed and resumed: it ended with {process.returncode}; resumed epochs {heard}"
    return check(count, 0, ok=was_killed and not count, tensors=len(whole), note=note)


def _waits(bench: Bench, records: bool, _: Keep) -> Figures:
    """Take an epoch, then another in which waiting for the device is an error."""
    settings = {"optimizer": SGD, "augment": [*MOVED, "mixup", "cutmix"], "lookahead": {"every": 2}}
    with started(_classifier(bench, settings), bench.some(_count(bench)), records=records) as fit:
        fit.epoch()
        state = fit.begin()
        torch.cuda.synchronize(bench.device)
        with _no_waiting():
            fit.steps(state)
        finite = bool(state.losses.isfinite().all())
        return check(0, 0, ok=finite and fit.stepper.is_recorded == records, recorded=fit.stepper.is_recorded)


@contextmanager
def _no_waiting() -> Iterator[None]:
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)
