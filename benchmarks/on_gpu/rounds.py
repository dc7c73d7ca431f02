"""Those whose speed is compared: our steps, recorded or one by one or compiled, and the tutorials' script."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import torch
from torchvision import transforms

from benchmarks.on_gpu.bench import Bench
from benchmarks.on_gpu.fits import StartedFit
from benchmarks.on_gpu.machine import seconds_of
from benchmarks.tutorial import TutorialLoop
from harness.contracts import Cell, Choice, Recipe
from harness.train.cuda_graphs import WARM_UP

Runner = Callable[[], float]
"""Trains an epoch and returns images a second."""
TUTORIALS: Final = {"enabled": True, "benchmark": False, "deterministic": False, "allow_tf32": True}
"""cuDNN as torch sets it up, which a fit of ours changes."""


TORCH: Final[dict[str, tuple[Callable[..., torch.optim.Optimizer], tuple[str, ...]]]] = {
    "adamw": (torch.optim.AdamW, ("lr", "weight_decay")),
    "sgd": (torch.optim.SGD, ("lr", "momentum", "nesterov", "weight_decay")),
}
"""The optimizers that the tutorials' script has too, with the options that it is given."""


def ours(fit: StartedFit) -> Runner:
    """Return a runner of the same epoch again and again, so that its schedule does not end."""
    images, device = sum(fit.plan.sizes), fit.plan.train.device

    def run() -> float:
        state = fit.begin()
        return images / seconds_of(lambda: fit.steps(state), device)

    return run


def warm_up(fit: StartedFit) -> tuple[float, float]:
    """Take the first steps; return the seconds of the first one, and what recording takes beyond a step.

    The second is 0 where nothing is recorded.
    """
    stepper, device, batch_size = fit.stepper, fit.plan.train.device, fit.plan.recipe.batch_size
    rows = torch.arange(batch_size, device=device).remainder(len(fit.plan.train))
    fit.training.step.network.train()
    stepper.begin_epoch(1, fit.plan.freezing.begin(1))
    seconds = [seconds_of(lambda: stepper.take(rows, 0, 0.0), device) for _ in range(WARM_UP + 2)]
    recording = seconds[WARM_UP] - seconds[WARM_UP + 1] if stepper.is_recorded else 0.0
    return seconds[0], max(0.0, recording)


def tutorial(bench: Bench, cell: Cell) -> Runner:
    """Return a runner of the tutorials' script with the cell's network, batch size, loss and augmentation."""
    recipe = cell.recipe
    assert recipe is not None
    data = bench.some(min(bench.sizes.tutorial_images, len(bench.splits.train)))
    network = bench.catalog.realize("model", cell.model.name, cell.model.options).network(bench.task)
    network = network.to(bench.device)
    loop = TutorialLoop(
        data,
        bench.task,
        network,
        _plain_optimizer(recipe, network),
        augment=[_transform(each, bench.task.shape) for each in recipe.augment],
        batch_size=recipe.batch_size,
        workers=bench.sizes.loader_workers,
        label_smoothing=recipe.label_smoothing,
    )

    def run() -> float:
        with torch.backends.cudnn.flags(**TUTORIALS):
            return loop.epoch()

    return run


def tutorial_notes(bench: Bench, cell: Cell) -> list[str]:
    """Say what the tutorials' script does other than the cell's recipe."""
    recipe = cell.recipe
    assert recipe is not None
    images = min(bench.sizes.tutorial_images, len(bench.splits.train))
    notes = [f"the tutorials' script trained on {images:,} images, {bench.sizes.loader_workers} loader workers"]
    if recipe.optimizer.name not in TORCH:
        notes.append(f"it had SGD in place of {recipe.optimizer.name}")
    return notes


def _plain_optimizer(recipe: Recipe, network: torch.nn.Module) -> torch.optim.Optimizer:
    """Return torch's optimizer as tutorials call it; SGD with Nesterov's momentum where it has none of the name."""
    trained = [each for each in network.parameters() if each.requires_grad]
    options = dict(recipe.optimizer.options)
    if recipe.optimizer.name not in TORCH:
        return torch.optim.SGD(trained, lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
    kind, names = TORCH[recipe.optimizer.name]
    return kind(trained, **{name: options[name] for name in names})


def _transform(choice: Choice, shape: Sequence[int]) -> Any:
    match choice.name:
        case "crop":
            mode = "constant" if choice.options["mode"] == "zeros" else "reflect"
            return transforms.RandomCrop(tuple(shape[:2]), padding=choice.options["pad"], padding_mode=mode)
        case "flip" | "alternating_flip":
            return transforms.RandomHorizontalFlip()
    raise ValueError(f"the tutorials' script has no augmentation {choice.name}")


def in_turn(runners: Mapping[str, Runner], rounds: int) -> tuple[dict[str, list[float]], list[str]]:
    """Let each run once a round; who fails runs no more. Return rates by name, and what went wrong."""
    rates: dict[str, list[float]] = {name: [] for name in runners}
    failed: dict[str, str] = {}
    for _ in range(rounds):
        for name, run in runners.items():
            if name not in failed:
                with noted(name, failed):
                    rates[name].append(run())
    return {name: each for name, each in rates.items() if name not in failed}, list(failed.values())


def ratio(rates: Mapping[str, Sequence[float]], one: str, other: str) -> float | None:
    """Return the median over rounds of one's rate over the other's; None where one of them did not run."""
    if one not in rates or other not in rates:
        return None
    return statistics.median(first / second for first, second in zip(rates[one], rates[other], strict=True))


@contextmanager
def noted(name: str, failed: dict[str, str]) -> Iterator[None]:
    """Let what fails be a note instead of an end."""
    try:
        yield
    except (RuntimeError, ValueError, OSError) as error:
        failed[name] = f"{name}: {type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}"
