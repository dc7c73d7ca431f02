"""Check: all figures of a cell follow from what it predicted, its epochs and seconds from what its fit recorded."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any, Final

import numpy as np
import pyarrow as pa

from harness.audit.evidence import Evidence, Finding, not_recorded
from harness.contracts.metrics import EPOCH_METRICS, TEST_SET, TRAIN_SECONDS, metric_of
from harness.errors import HarnessError
from harness.measure.predictions import Predictions, read_confusion, read_predictions, write_class_report
from harness.measure.scores import LATER, Scores, evaluate
from harness.track import Record

RELATIVE: Final = 1e-6
"""Sums over the same float32 scores differ by their order of addition: by 1e-12 in float64, under 1e-6 whatever a
library does. One image more or less that is classified right makes 1e-4 of 10,000; what is smaller than that, the
digests of the files notice (`harness.audit.files`)."""
LONGEST: Final = 200
UNREADABLE: Final = (OSError, ValueError, LookupError, HarnessError, pa.ArrowException)


def check_figures(evidence: Evidence) -> tuple[Finding, ...]:
    """Return metrics and tables that the logged predictions do not give, and figures without predictions."""
    found = [finding for run in evidence.shown for finding in _of_run_figures(run, evidence.folder(run.run_id))]
    lacking = [run.name for run in evidence.shown if _lacks_tta(run, evidence.folder(run.run_id))]
    return (*found, *not_recorded(lacking, "scores with test-time augmentation"))


def _of_run_figures(run: Record, folder: Path | None) -> Iterator[Finding]:
    if folder is None:
        return  # `check_artifacts` says so
    last: Predictions | None = None
    texts: list[str] = []
    try:
        for split in ("val", "test", *_further_tests(run, folder)):
            predictions = _read_figures(folder, split)
            texts += _wrong_metrics(run.metrics, split, predictions, _read_figures(folder, f"{split}_tta"))
            last = predictions or last if split in {"val", "test"} else last
        texts += [] if last is None else _wrong_tables(last, folder)
    except UNREADABLE as error:
        texts.append(f"its predictions or tables cannot be read: {shorten(str(error), LONGEST)}")
    yield from (Finding(run.name, text, run.run_id) for text in texts)


def _further_tests(run: Record, folder: Path) -> tuple[str, ...]:
    """Return the splits of all test sets but the first that the store has figures or predictions of."""
    files = [path.stem.removesuffix("_tta") for path in (folder / "predictions").glob(f"{TEST_SET}*.parquet")]
    logged = [metric_of(name).split for name in run.metrics if name.startswith(TEST_SET)]
    return tuple(sorted({*files, *logged} - {"test", ""}))


def _read_figures(folder: Path, name: str) -> Predictions | None:
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
    wanted = scores.metrics
    if not any(f"{split}/{name}" in metrics for name in LATER):  # a run of an earlier version
        wanted = {name: value for name, value in wanted.items() if name not in LATER}
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
    if not _is_same_figures(json.loads((folder / "report.json").read_text()), _class_report(scores, last.classes)):
        yield "report.json is not what its predictions give"


def _scores(predictions: Predictions, probabilistic: bool) -> Scores:
    return evaluate(predictions.scores, predictions.labels, probabilistic, predictions.groups)


def _class_report(scores: Scores, classes: tuple[str, ...]) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        write_class_report(scores, classes, path)
        return json.loads(path.read_text())


def _is_same_figures(one: Any, other: Any) -> bool:
    """Whether two JSON documents have the same shape, texts and, within RELATIVE, numbers."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_same_figures(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same_figures, one, other))
    if isinstance(one, int | float) and isinstance(other, int | float):
        return _is_close(one, other)
    return bool(one == other)


def _is_close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=1e-12)


def _lacks_tta(run: Record, folder: Path | None) -> bool:
    """Whether a run has figures with test-time augmentation and was logged before their scores were."""
    names = [name.split("/")[0] for name in run.metrics if name.endswith("/accuracy_tta")]
    return any(folder is None or not (folder / "predictions" / f"{split}_tta.parquet").is_file() for split in names)


FIT: Final = "model/fit.json"


def check_fits(evidence: Evidence) -> tuple[Finding, ...]:
    """Return runs whose curves or seconds of fitting in the store are not what their fit recorded."""
    found = []
    for run in evidence.shown:
        folder = evidence.folder(run.run_id)
        fit = None if folder is None else _read(folder / FIT)
        if fit is None:
            continue  # `check_artifacts` says so where it was there once
        names = [name for name in EPOCH_METRICS if any(name in epoch for epoch in fit["history"])]
        logged = evidence.store.history(run.run_id, names) if names else {}
        texts = [*_wrong_epochs(fit["history"], logged), *_wrong_seconds(fit, run.metrics)]
        found += [Finding(run.name, text, run.run_id) for text in texts]
    return tuple(found)


def _read(path: Path) -> Any:
    try:
        fit = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return fit if isinstance(fit, dict) and "history" in fit else None


def _wrong_epochs(
    history: Sequence[Mapping[str, float]], logged: Mapping[str, Sequence[tuple[int, float]]]
) -> Iterator[str]:
    """Yield each metric's first epoch that differs."""
    for name, points in logged.items():
        found, wanted = dict(points), {epoch: each[name] for epoch, each in enumerate(history, 1) if name in each}
        for epoch in sorted({*found, *wanted}):
            mine, fits = found.get(epoch), wanted.get(epoch)
            if mine is None or fits is None or not _is_same(mine, fits):
                yield f"{name} of epoch {epoch} is {_text(mine)} in the store, {_text(fits)} in {FIT}"
                break


def _wrong_seconds(fit: Mapping[str, Any], metrics: Mapping[str, float]) -> Iterator[str]:
    logged, wanted = metrics.get(TRAIN_SECONDS), fit.get("train_seconds")
    if logged is not None and wanted is not None and not _is_same(logged, wanted):
        yield f"{TRAIN_SECONDS} is {_text(logged)} in the store, {_text(wanted)} in {FIT}"


def _is_same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def _text(value: float | None) -> str:
    return "missing" if value is None else f"{value:.8g}"
