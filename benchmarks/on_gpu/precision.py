"""Correctness: accuracy in bf16 against fp32, and what a fit does about memory."""

from __future__ import annotations

import gc
import math
import statistics
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import torch

from benchmarks.on_gpu.bench import CIFAR10, NEEDS_CUDA, SPEED, Bench
from benchmarks.on_gpu.fits import Hearing, started
from benchmarks.on_gpu.machine import peak_since, reset_peak
from benchmarks.on_gpu.rows import Figures, Keep, Measurement, NotMeasuredError, check
from harness.contracts import Cell, Recipe
from harness.contracts.metrics import VAL_ACCURACY
from harness.errors import OutOfMemoryError

ERRORS: Final = 3.0
"""Standard errors of a difference that noise of the seeds may make."""
LITTLE: Final = 0.01
"""Share of the device's memory that is left to a fit which is to run out of it."""
TOO_LARGE: Final = 8192
SMALL: Final = 64
LOSSES: Final = 1e-4
TRAINED: Final = {"small_cnn": (CIFAR10, "small-cnn"), "speednet": (SPEED, "speednet")}


def measurements(bench: Bench) -> list[Measurement]:
    """Return the rows on number formats and memory."""
    rows = [
        Measurement("correctness", f"bf16 against fp32, {model}", partial(_formats, bench, *place), bench.needs_cuda)
        for model, place in TRAINED.items()
    ]
    rows.append(Measurement("correctness", "out of memory", partial(_out_of_memory, bench), bench.needs_cuda))
    rows.append(Measurement("correctness", "four micro-batches, losses", partial(_parts, bench)))
    rows.append(
        Measurement("correctness", "four micro-batches, peak memory", partial(_peak_of_parts, bench), bench.needs_cuda)
    )
    return rows


def _formats(bench: Bench, file: str, experiment: str, keep: Keep) -> Figures:
    """Train in both formats on several seeds; the difference of mean accuracies is to be within the seeds' noise."""
    if bench.format != torch.bfloat16:
        raise NotMeasuredError("needs a GPU that computes in bf16")
    cell = bench.cell(file, experiment)
    found: dict[str, list[float]] = {"bf16": [], "fp32": []}
    for seed in range(bench.sizes.seeds):
        for precision, accuracies in found.items():
            accuracies.append(_accuracy(bench, cell, precision, seed))
        by_seed: Figures = {name: [*accuracies] for name, accuracies in found.items()}
        keep(by_seed)
    return {**by_seed, **compared(found), "epochs": _epochs(bench, cell)}


def compared(found: Mapping[str, Sequence[float]]) -> Figures:
    """Hold the difference of the mean accuracies by format against the standard error that seeds give it."""
    means = {f"mean_{name}": statistics.mean(accuracies) for name, accuracies in found.items()}
    error = math.sqrt(sum(statistics.variance(each) / len(each) for each in found.values()))
    difference = means["mean_bf16"] - means["mean_fp32"]
    return {
        **check(abs(difference), ERRORS * error),
        "difference": difference,
        "standard_error": error,
        **means,
    }


def _epochs(bench: Bench, cell: Cell) -> int:
    assert cell.recipe is not None
    return min(cell.recipe.epochs, bench.sizes.precision_epochs)


def _accuracy(bench: Bench, cell: Cell, precision: str, seed: int) -> float:
    assert cell.recipe is not None
    recipe = cell.recipe.model_copy(update={"epochs": _epochs(bench, cell), "precision": precision})
    classifier = bench.classifier(cell.model.name, dict(cell.model.options), recipe, seed)
    report = classifier.fit(bench.splits.train, bench.splits.validation, Hearing())
    return report.history[-1][VAL_ACCURACY]


def _out_of_memory(bench: Bench, _: Keep) -> Figures:
    """Run out of memory on purpose, then train in the same process."""
    said = ""
    torch.cuda.set_per_process_memory_fraction(LITTLE, bench.device)
    try:
        _fit(bench, TOO_LARGE)
    except OutOfMemoryError as error:
        said = str(error)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, bench.device)
    gc.collect()
    torch.cuda.empty_cache()
    loss = _fit(bench, SMALL)
    told = said or f"batch size {TOO_LARGE} fitted into {LITTLE:.0%} of the memory"
    return check(0 if said else 1, 0, ok=bool(said) and math.isfinite(loss), note=told)


def _fit(bench: Bench, batch_size: int) -> float:
    recipe = Recipe.model_validate({"epochs": 1, "batch_size": batch_size, "optimizer": {"name": "sgd", "lr": 0.01}})
    with started(bench.classifier("resnet18", {}, recipe), bench.some(2 * batch_size)) as fit:
        return float(fit.epoch()[-1])


def _parts(bench: Bench, _: Keep) -> Figures:
    """Hold the losses of a network without batch normalization against those with whole batches."""
    whole, parted = (_in_parts(bench, parts)[0] for parts in (1, 4))
    return check(float(((whole - parted).abs() / whole.abs()).max()), LOSSES, steps=len(whole))


def _peak_of_parts(bench: Bench, _: Keep) -> Figures:
    if bench.device.type != "cuda":
        raise NotMeasuredError(NEEDS_CUDA)
    whole, parted = (_in_parts(bench, parts)[1] for parts in (1, 4))
    return check(parted / whole, 1.0, ok=parted < whole, whole_bytes=whole, parts_bytes=parted)


def _in_parts(bench: Bench, parts: int) -> tuple[torch.Tensor, int]:
    """Return the losses of some steps in fp32, float64 [S], and the most bytes that the fit took on a GPU."""
    batch = bench.sizes.parts_batch
    settings = {"epochs": 1, "batch_size": batch, "precision": "fp32", "optimizer": {"name": "sgd", "lr": 0.01}}
    before = reset_peak(bench.device)
    classifier = bench.classifier("small_cnn", {"norm": "none"}, Recipe.model_validate(settings), parts=parts)
    with started(classifier, bench.some(bench.sizes.equal_steps * batch)) as fit:
        losses = fit.epoch().double()
    return losses, peak_since(bench.device, before)
