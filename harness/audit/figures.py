"""Check: every figure of a cell can be computed again from the predictions that it logged."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import shorten
from typing import Any, Final

import numpy as np
import pyarrow as pa

from harness.audit.evidence import Evidence
from harness.audit.finding import Finding, not_recorded
from harness.errors import HarnessError
from harness.measure.predictions import Predictions, read_predictions
from harness.measure.scores import Scores, evaluate
from harness.measure.tables import read_confusion, write_class_report
from harness.track import Record

RELATIVE: Final = 1e-6
"""Sums over the same float32 scores differ by their order of addition: by 1e-12 in float64, under 1e-6 whatever a
library does. One image more or less that is classified right makes 1e-4 of 10,000; what is smaller than that, the
digests of the files notice (`harness.audit.artifacts`)."""
LONGEST: Final = 200
UNREADABLE: Final = (OSError, ValueError, LookupError, HarnessError, pa.ArrowException)


def check_figures(evidence: Evidence) -> tuple[Finding, ...]:
    """Return metrics and tables that the logged predictions do not give, and figures without predictions."""
    found = [finding for run in evidence.shown for finding in _of_run(run, evidence.folder(run.run_id))]
    lacking = [run.name for run in evidence.shown if _lacks_tta(run, evidence.folder(run.run_id))]
    return (*found, *not_recorded(lacking, "scores with test-time augmentation"))


def _of_run(run: Record, folder: Path | None) -> Iterator[Finding]:
    if folder is None:
        return  # `check_artifacts` says so
    last: Predictions | None = None
    texts: list[str] = []
    try:
        for split in ("val", "test"):
            predictions = _read(folder, split)
            texts += _wrong_metrics(run.metrics, split, predictions, _read(folder, f"{split}_tta"))
            last = predictions or last
        texts += [] if last is None else _wrong_tables(last, folder)
    except UNREADABLE as error:
        texts.append(f"its predictions or tables cannot be read: {shorten(str(error), LONGEST)}")
    yield from (Finding(run.name, text, run.run_id) for text in texts)


def _read(folder: Path, name: str) -> Predictions | None:
    path = folder / "predictions" / f"{name}.parquet"
    return read_predictions(path) if path.is_file() else None


def _wrong_metrics(
    metrics: Mapping[str, float], split: str, predictions: Predictions | None, augmented: Predictions | None
) -> Iterator[str]:
    """Yield final metrics that the predictions do not give; a run's last values are the final ones."""
    if predictions is None:
        if f"{split}/accuracy" in metrics:
            yield f"{split}/accuracy is in the store, but predictions/{split}.parquet is gone"
        return
    scores = _scores(predictions, probabilistic=f"{split}/loss" in metrics)
    wanted = {"accuracy": scores.accuracy, "macro_f1": scores.macro_f1, "loss": scores.loss, "ece": scores.ece}
    if augmented is not None:
        wanted["accuracy_tta"] = _scores(augmented, probabilistic=False).accuracy
    for name, value in wanted.items():
        logged = metrics.get(f"{split}/{name}")
        if value is not None and (logged is None or not _is_close(logged, value)):
            said = "not in the store" if logged is None else f"{logged:.8g} in the store"
            yield f"{split}/{name} is {said}, {value:.8g} by its predictions"


def _wrong_tables(last: Predictions, folder: Path) -> Iterator[str]:
    """Yield what is wrong with confusion.csv and report.json, which are of test if it was opened, else of val."""
    scores = _scores(last, probabilistic=False)
    confusion = read_confusion(folder / "confusion.csv")
    if confusion.classes != last.classes or not np.array_equal(confusion.counts, scores.confusion):
        yield "confusion.csv is not what its predictions give"
    if not _is_same(json.loads((folder / "report.json").read_text()), _class_report(scores, last.classes)):
        yield "report.json is not what its predictions give"


def _scores(predictions: Predictions, probabilistic: bool) -> Scores:
    return evaluate(predictions.scores, predictions.labels, probabilistic)


def _class_report(scores: Scores, classes: tuple[str, ...]) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        write_class_report(scores, classes, path)
        return json.loads(path.read_text())


def _is_same(one: Any, other: Any) -> bool:
    """Whether two JSON documents have the same shape, texts and, within RELATIVE, numbers."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, int | float) and isinstance(other, int | float):
        return _is_close(one, other)
    return bool(one == other)


def _is_close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=1e-12)


def _lacks_tta(run: Record, folder: Path | None) -> bool:
    """Whether a run has figures with test-time augmentation and was logged before their scores were."""
    names = [name.split("/")[0] for name in run.metrics if name.endswith("/accuracy_tta")]
    return any(folder is None or not (folder / "predictions" / f"{split}_tta.parquet").is_file() for split in names)
