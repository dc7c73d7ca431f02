"""One cell, the spine: load, fit, evaluate on validation, then open the test set once.

Knows neither MLflow nor processes: what it finds goes to a listener and into a folder.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import torch
from safetensors.numpy import load_file

from harness.cell.artifacts import write_artifacts
from harness.cell.evaluate import beside_metrics, evaluate_on, final_metrics
from harness.cell.saved import CELL, TASK, WEIGHTS, build_classifier, model_digest, save_classifier
from harness.contracts import (
    Caching,
    Cell,
    Classifier,
    FitReport,
    LabeledImages,
    Limit,
    Listener,
    Result,
    SealedSet,
    Splits,
    Task,
)
from harness.contracts.running import CHECKPOINT, FEATURES, FITTED, Job
from harness.data import changed, concatenate, image_names, load_splits, open_tests, task_of, together
from harness.errors import DataError
from harness.files import discard, generations, is_whole, publish, remove
from harness.matrix import cell_key, cell_to_yaml, may_name_files
from harness.measure.machine import FILE as ENERGY
from harness.measure.machine import Energy, Meter, meter_for
from harness.plugins import Catalog

SMOKE_IMAGES: Final = 512
SMOKE_BATCHES: Final = 3


def run_cell(job: Job, listen: Listener) -> Result:
    """Run a cell to its end and return its metrics and the folder of its artifacts.

    A job whose folder holds a checkpoint goes on from it; one whose folder holds a fitted model, or which names that of
    another run, is not fitted again. What is saved is what is evaluated.

    Raises:
        DataError: the data set cannot be used or is not the planned one, or its test split is missing when opened.
        SealError: the listener refused the opening.
        TrainingError: the fit could not go on.
    """
    begun = time.perf_counter()
    torch.set_num_threads(job.threads)
    catalog = Catalog(job.plugins)
    cell = _smoke(job.cell) if job.smoke else job.cell
    device = resolve_device(job.device)
    splits = load_splits(cell.dataset, catalog, job.cache)
    if job.data_fingerprint not in ("", splits.fingerprint):
        raise DataError(changed("train", cell.dataset, job.data_fingerprint, splits.fingerprint))
    fit_on, validation = _fit_on(cell, splits)
    task = task_of(splits.classes, fit_on)
    checkpoint, most = job.folder / CHECKPOINT, SMOKE_BATCHES if job.smoke else None
    classifier = build_classifier(cell, task, catalog, device, checkpoint=checkpoint, max_batches=most, parts=job.parts)
    if isinstance(classifier, Caching):
        classifier.cache = job.cache / FEATURES
    fitted = job.folder / FITTED
    fitting = time.perf_counter()
    if not is_whole(fitted):
        discard(fitted)
        if job.fitted is not None:
            _take_over(job.fitted, fitted, cell, listen)
        else:
            if may_name_files(cell.model.options) and cell_key(job.cell, splits.fingerprint, catalog) != job.key:
                raise DataError(f"model {cell.model.name}: the file of its weights is not the one that was planned")
            meter = _meter_for(job, device)
            with meter.counting():
                fit_report = classifier.fit(fit_on, validation, listen)
            _save_fitted(fitted, cell, task, classifier, report=fit_report, energy=meter.energy)
    begun += time.perf_counter() - fitting  # train_seconds counts it, and the parts before a resume
    report = _load_fitted(fitted, classifier)
    digest = model_digest(fitted)

    evaluations = [] if validation is None else [evaluate_on("val", classifier, validation, cell, len(task.classes))]
    opens = cell.test == "once" and not job.smoke
    test_fingerprint = ""
    if opens:
        tests = open_tests(cell.dataset, catalog, job.cache, partial(listen.opening, digest), job.test_set)
        evaluations += [evaluate_on(split, classifier, test, cell, len(task.classes)) for split, test in tests.items()]
        test_fingerprint = together(
            {split: SealedSet("", each.fingerprint) for split, each in tests.items()}
        ).fingerprint
    names = partial(image_names, cell.dataset, catalog, job.cache)
    artifacts = write_artifacts(job.folder, task, classifier, report, evaluations, light=job.light, names=names)
    beside = beside_metrics(classifier, fit_on, artifacts)
    total_seconds = report.train_seconds + time.perf_counter() - begun
    metrics = final_metrics(classifier, task, report, evaluations, total_seconds) | beside
    tag = "opened" if opens else "never" if cell.test == "never" else "sealed"
    return Result(
        job.key,
        digest,
        metrics,
        tag,
        artifacts,
        splits.split_digest,
        report.ended,
        splits.fingerprint,
        test_fingerprint,
    )


def resolve_device(name: str) -> torch.device:
    """Return the device for `auto` (CUDA where there is one), `cpu` or `cuda:N`; a GPU becomes the process's own."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)
    return device


def _fit_on(cell: Cell, splits: Splits) -> tuple[LabeledImages, LabeledImages | None]:
    if cell.train_on == "train+val":
        return concatenate(splits.train, splits.validation), None
    return splits.train, splits.validation


def _meter_for(job: Job, device: torch.device) -> Meter:
    """Return a meter of what the fit will use; one without counters where the fit began in another process."""
    if any(path.exists() for path in generations(job.folder / CHECKPOINT)):
        return Meter((), {"fit": "it was interrupted and went on later, so only a part could have been counted"})
    return meter_for(str(torch.cuda.get_device_properties(device).uuid) if device.type == "cuda" else None)


def _save_fitted(
    folder: Path, cell: Cell, task: Task, classifier: Classifier, *, report: FitReport, energy: Energy
) -> None:
    """Write the fitted model whole or not at all."""
    beside = folder.with_suffix(".partial")
    remove(beside)
    beside.mkdir(parents=True)
    save_classifier(classifier, cell, task, beside)
    ended = datetime.now(UTC).isoformat(timespec="seconds")
    (beside / "fit.json").write_text(json.dumps(asdict(replace(report, ended=ended))))
    energy.write(beside)
    publish(beside, folder)


def _take_over(model: Path, folder: Path, cell: Cell, listen: Listener) -> None:
    """Copy the saved model of another run, whole or not at all, and tell the epochs of its fit."""
    for epoch, metrics in enumerate(json.loads((model / "fit.json").read_text())["history"], 1):
        listen.epoch(epoch, metrics)
    beside = folder.with_suffix(".partial")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    for name in (WEIGHTS, TASK, "fit.json"):
        shutil.copy(model / name, beside / name)
    if (model.parent / ENERGY).exists():
        shutil.copy(model.parent / ENERGY, beside / ENERGY)
    (beside / CELL).write_text(cell_to_yaml(cell))
    publish(beside, folder)


def _load_fitted(folder: Path, classifier: Classifier) -> FitReport:
    """Give the classifier what was saved, and return how its fit went."""
    classifier.load_state(load_file(folder / WEIGHTS))
    return FitReport(**json.loads((folder / "fit.json").read_text()))


def _smoke(cell: Cell) -> Cell:
    """Return the cell cut to a few batches of a few images."""
    limit = Limit(train=SMOKE_IMAGES)
    recipe = cell.recipe and cell.recipe.model_copy(update={"epochs": 1})
    return cell.model_copy(update={"dataset": cell.dataset.model_copy(update={"limit": limit}), "recipe": recipe})
