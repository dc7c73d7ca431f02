"""Limits: whole recipes at full length, and how long they take to the accuracy that they are known for."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any, Final

import numpy as np

from benchmarks.on_gpu.bench import CIFAR10, SPEED, Bench
from benchmarks.on_gpu.fits import Hearing
from benchmarks.on_gpu.rows import Figures, Keep, Measurement, NotMeasuredError
from harness.contracts import Cell, Classifier, LabeledImages
from harness.contracts.metrics import IMAGES_PER_SECOND, VAL_ACCURACY
from harness.data import concatenate, open_test, task_of
from harness.train import NetworkClassifier

WARM_UP: Final = 8
"""Batches of a fit before the one that is timed: libraries load their kernels at first use."""
FEW: Final = 1000
"""Images of such a fit that has no batches."""
ALL: Final = "-all"
"""How the names of experiments end that train on the validation images too."""
OPENED: Final = "the test images were looked at, outside of any ledger"


@dataclass(frozen=True, slots=True)
class Target:
    """An experiment, the seconds that its training is to stay below, and the accuracy that it is known for."""

    file: str
    experiment: str
    seconds: float
    accuracy: float | None
    seeds: bool = False
    """Whether several seeds are trained."""


TARGETS: Final = (
    Target(CIFAR10, "mlp", 10, 0.52),
    Target(CIFAR10, "hog-svm", 10, None),
    Target(SPEED, "speednet", 5, 0.94, seeds=True),
    Target(SPEED, "speednet-sgd", 5, 0.94),
    Target(SPEED, "speednet-wide", 40, 0.96),
    Target(CIFAR10, "small-vgg", 60, 0.91),
    Target(CIFAR10, "resnet18-recipe", 240, 0.95),
)


@dataclass(frozen=True, slots=True)
class Ending:
    """A whole fit and what became of it."""

    training_seconds: float
    """Of the steps alone."""
    fit_seconds: float
    """Of all of the fit, by the clock: images to the device, whitening, steps, a look at validation each epoch."""
    reached: float | None
    """Training seconds after which validation accuracy was first at the target's."""
    course: list[list[float]]
    """Training seconds and validation accuracy of each epoch."""
    scores: Mapping[str, float]
    """Final accuracies by name."""


def measurements(bench: Bench) -> list[Measurement]:
    """Return a row a target; with `--test`, one more for the same recipe on all training images."""
    rows = [Measurement("limits", each.experiment, partial(_limit, bench, each, "")) for each in TARGETS]
    if bench.opens_test:
        rows += [
            Measurement("limits", f"{each.experiment}{ALL}", partial(_limit, bench, each, ALL)) for each in TARGETS
        ]
    return rows


def _limit(bench: Bench, target: Target, suffix: str, keep: Keep) -> Figures:
    cell = bench.cell(target.file, target.experiment + suffix)
    if bench.opens_test and bench.dataset is None:
        raise NotMeasuredError("--test needs --data")
    endings: list[Ending] = []
    figures: Figures = {}
    for seed in range(bench.sizes.seeds if target.seeds else 1):
        endings.append(_train(bench, cell.model_copy(update={"seed": seed}), target))
        figures = _figures(cell, target, endings)
        keep(figures | {"note": OPENED} if bench.opens_test else figures)
    return figures


def _train(bench: Bench, cell: Cell, target: Target) -> Ending:
    train, validation = bench.splits.train, bench.splits.validation
    held_out: LabeledImages | None = validation
    if cell.train_on == "train+val":
        train, held_out = concatenate(train, validation), None
    classifier = _build(bench, cell, train)
    epochs: list[Mapping[str, float]] = []
    begun = time.perf_counter()
    report = classifier.fit(train, held_out, Hearing(lambda _, metrics: epochs.append(metrics)))
    fit_seconds = time.perf_counter() - begun
    seconds = list(accumulate(len(train) / metrics[IMAGES_PER_SECOND] for metrics in epochs))
    scores = {} if held_out is None else _scores("validation", classifier, held_out, cell)
    if bench.opens_test:
        scores |= _scores("test", classifier, _test_images(bench), cell)
    course = [[at, each[VAL_ACCURACY]] for at, each in zip(seconds, epochs, strict=True) if VAL_ACCURACY in each]
    reached = [at for at, accuracy in course if target.accuracy is not None and accuracy >= target.accuracy]
    training = seconds[-1] if seconds else report.train_seconds
    return Ending(training, fit_seconds, reached[0] if reached else None, course, scores)


def _build(bench: Bench, cell: Cell, train: LabeledImages) -> Classifier:
    """Return the unfitted classifier; a network's kernels have run once by then."""
    task = task_of(bench.splits.classes, train)
    model = bench.catalog.realize("model", cell.model.name, cell.model.options)
    if cell.recipe is None:
        _on_device(model, bench, task, cell.seed).fit(bench.some(FEW), None, Hearing())
        return _on_device(model, bench, task, cell.seed)

    short = cell.recipe.model_copy(update={"epochs": 1})
    warm = NetworkClassifier(model, short, task, 0, bench.device, bench.catalog, max_batches=WARM_UP)
    warm.fit(train, bench.splits.validation, Hearing())
    return NetworkClassifier(model, cell.recipe, task, cell.seed, bench.device, bench.catalog)


def _on_device(model: Any, bench: Bench, task: Any, seed: int) -> Classifier:
    if hasattr(model, "build_on"):
        built: Classifier = model.build_on(task, seed, str(bench.device))
        return built
    on_cpu: Classifier = model.build(task, seed)
    return on_cpu


def _scores(split: str, classifier: Classifier, images: LabeledImages, cell: Cell) -> dict[str, float]:
    scores = {f"{split}_accuracy": _accuracy(classifier.predict(images.images), images)}
    if cell.recipe and cell.recipe.tta != "none" and isinstance(classifier, NetworkClassifier):
        scores[f"{split}_accuracy_tta"] = _accuracy(classifier.predict_tta(images.images), images)
    return scores


def _accuracy(scores: Any, images: LabeledImages) -> float:
    return float(np.mean(scores.argmax(1) == images.labels))


def _test_images(bench: Bench) -> LabeledImages:
    assert bench.dataset is not None
    return open_test(bench.dataset, bench.catalog, bench.cache, lambda _: None)


def _figures(cell: Cell, target: Target, endings: list[Ending]) -> Figures:
    """Return medians of seconds, and means and standard deviations of accuracies, over the seeds so far."""
    training = statistics.median(each.training_seconds for each in endings)
    reached = [each.reached for each in endings if each.reached is not None]
    figures: Figures = {
        "epochs": cell.recipe.epochs if cell.recipe else None,
        "seeds": len(endings),
        "training_seconds": training,
        "target_seconds": target.seconds,
        "within": training < target.seconds,
        "fit_seconds": statistics.median(each.fit_seconds for each in endings),
        "target_accuracy": target.accuracy,
        "reached_seconds": statistics.median(reached) if reached else None,
        "reached": len(reached),
        "courses": [[[*point] for point in each.course] for each in endings],
    }
    for name in endings[0].scores:
        found = [each.scores[name] for each in endings]
        figures[name] = statistics.mean(found)
        figures[f"{name}_sd"] = statistics.stdev(found) if len(found) > 1 else None
    return figures
