"""Speed: images a second of each model, against the tutorials' script and the device's peak."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from functools import partial
from typing import Final

import torch

from benchmarks.on_gpu.bench import CIFAR10, SPEED, Bench
from benchmarks.on_gpu.fits import StartedFit, started
from benchmarks.on_gpu.machine import matmul_peak, peak_since, reset_peak, seconds_of
from benchmarks.on_gpu.rounds import Runner, in_turn, noted, ours, ratio, tutorial, tutorial_notes, warm_up
from benchmarks.on_gpu.rows import Figures, Keep, Measurement
from harness.contracts import Cell
from harness.train import trace

MODELS: Final = {
    "mlp": (CIFAR10, "mlp"),
    "tiny_cnn": (CIFAR10, "tiny-cnn"),
    "small_cnn": (CIFAR10, "small-cnn"),
    "small_vgg": (CIFAR10, "small-vgg"),
    "resnet18": (CIFAR10, "resnet18"),
    "speednet": (SPEED, "speednet"),
}
EPOCH: Final = 45_000
"""Images of an epoch of CIFAR-10 without its validation images."""
PASSES: Final = 3
"""A backward pass is two products for each of the forward pass."""
TERA: Final = 1e12


def measurements(bench: Bench) -> list[Measurement]:
    """Return the peaks, a row a model, and a row a model with its network compiled."""
    rows = [Measurement("speed", "matmul peak", partial(_peak, bench))]
    rows += [Measurement("speed", model, partial(_speed, bench, *place)) for model, place in MODELS.items()]
    for model, place in MODELS.items():
        rows.append(Measurement("speed", f"{model} compiled", partial(_compiled, bench, *place), bench.needs_cuda))
    return rows


def _peak(bench: Bench, _: Keep) -> Figures:
    """Measure matrix products of random numbers in fp32, and in the format that networks are trained in."""
    side = bench.sizes.matrix
    figures: Figures = {"side": side, "fp32_tflops": matmul_peak(bench.device, torch.float32, side) / TERA}
    return {**figures, "format": str(bench.format).removeprefix("torch."), "tflops": bench.peak / TERA}


def _speed(bench: Bench, file: str, experiment: str, keep: Keep) -> Figures:
    """Measure one model: recorded steps alone first, for memory and what recording costs, then all in turn."""
    cell = bench.cell(file, experiment)
    with ExitStack() as open_until_end:
        before = reset_peak(bench.device)
        recorded = _started(bench, cell, open_until_end)
        figures = _alone(recorded, before)
        keep(figures)
        single = _started(bench, cell, open_until_end, records=False)
        warm_up(single)
        runners = {"recorded": ours(recorded), "one by one": ours(single)}
        notes = _add_tutorial(bench, cell, runners)
        rates, failed = in_turn(runners, bench.sizes.rounds)
        figures |= _rates(rates) | {"times_tutorial": ratio(rates, "recorded", "tutorial")}
        figures |= _epochs(bench, recorded, rates) | _share(bench, recorded, rates)
    return {**figures, "note": "; ".join([*notes, *failed])}


def _compiled(bench: Bench, file: str, experiment: str, keep: Keep) -> Figures:
    """Measure recorded steps whose network is compiled, in turn with those whose network is not."""
    cell = bench.cell(file, experiment)
    with ExitStack() as open_until_end:
        compiled = _started(bench, cell, open_until_end, compiled=True)
        figures: Figures = {"compile_seconds": warm_up(compiled)[0], "is_recorded": compiled.stepper.is_recorded}
        keep(figures)
        plain = _started(bench, cell, open_until_end)
        warm_up(plain)
        rates, failed = in_turn({"compiled": ours(compiled), "recorded": ours(plain)}, bench.sizes.rounds)
    times = ratio(rates, "compiled", "recorded")
    return {**figures, **_rates(rates), "times_plain": times, "note": "; ".join(failed)}


def _started(bench: Bench, cell: Cell, stack: ExitStack, records: bool = True, compiled: bool = False) -> StartedFit:
    classifier = bench.network(cell)
    if compiled:
        classifier.network.compile()
    splits = bench.splits
    return stack.enter_context(started(classifier, splits.train, splits.validation, records))


def _alone(fit: StartedFit, before: int) -> Figures:
    """Return what only shows while nothing else is on the device; the epoch that is trained warms up."""
    device = fit.plan.train.device
    first_step, recording = warm_up(fit)
    ours(fit)()
    peak = peak_since(device, before)
    return {
        "first_step_seconds": first_step,
        "is_recorded": fit.stepper.is_recorded,
        "recording_seconds": recording if fit.stepper.is_recorded else None,
        "peak_bytes": peak or None,
    }


def _add_tutorial(bench: Bench, cell: Cell, runners: dict[str, Runner]) -> list[str]:
    """Put the tutorials' script beside ours, after an epoch that warms it up; return what went wrong, or is other."""
    failed: dict[str, str] = {}
    with noted("tutorial", failed):
        run = tutorial(bench, cell)
        run()
        runners["tutorial"] = run
    return list(failed.values()) or tutorial_notes(bench, cell)


def _rates(rates: dict[str, list[float]]) -> Figures:
    """Return the medians by name, in images a second."""
    return {f"{name.replace(' ', '_')}_rate": statistics.median(each) for name, each in rates.items()}


def _epochs(bench: Bench, fit: StartedFit, rates: dict[str, list[float]]) -> Figures:
    """Return the seconds of an epoch of 45,000 images, without and with a look at the validation images."""
    if "recorded" not in rates or fit.plan.validation is None:
        return {}
    network, pool, evaluator = fit.training.evaluated, fit.plan.validation, fit.plan.evaluator
    looks = [
        seconds_of(lambda: evaluator.loss_and_accuracy(network, pool, None), bench.device)
        for _ in range(bench.sizes.rounds + 1)
    ]
    epoch = EPOCH / statistics.median(rates["recorded"])
    look = statistics.median(looks[1:])
    return {"epoch_seconds": epoch, "epoch_and_validation_seconds": epoch + look, "validation_images": len(pool)}


def _share(bench: Bench, fit: StartedFit, rates: dict[str, list[float]]) -> Figures:
    """Return the operations of the network's three products a second, and their share of the matrix peak."""
    if "recorded" not in rates:
        return {}
    each = PASSES * trace(fit.training.step.network, bench.task.shape).flops
    rate = each * statistics.median(rates["recorded"])
    return {"tflops": rate / TERA, "share_of_peak": rate / bench.peak}
