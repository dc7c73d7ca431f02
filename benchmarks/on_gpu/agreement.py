"""Correctness: what the CPU and the GPU compute from the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import numpy as np
import torch

from benchmarks.on_gpu.bench import CIFAR10, SPEED, Bench
from benchmarks.on_gpu.fits import Hearing, started
from benchmarks.on_gpu.rows import Figures, Keep, Measurement, NotMeasuredError, check
from harness.augmentations._draws import draw_beta
from harness.contracts import Batch, Recipe
from harness.train.batches import Normalize, as_float, as_tensor, make_pool

MODELS: Final = {
    "mlp": (CIFAR10, "mlp"),
    "small_cnn": (CIFAR10, "small-cnn"),
    "small_vgg": (CIFAR10, "small-vgg"),
    "resnet18": (CIFAR10, "resnet18"),
    "speednet": (SPEED, "speednet"),
}
LOSSES: Final = 1e-4
"""Largest relative difference of a loss."""
GENTLE: Final = {"optimizer": {"name": "sgd", "lr": 3e-4}, "schedule": {"name": "constant"}, "precision": "fp32"}
"""Larger steps let rounding grow from step to step, on one device as between two."""
CHANGES: Final[dict[str, list[tuple[str, dict[str, Any]]]]] = {
    "color_jitter": [("", {}), (" with hue", {"hue": 0.1})],
    "crop": [(" zeros", {"mode": "zeros"}), (" reflect", {"mode": "reflect"})],
    "cutout": [("", {}), (" black", {"fill": 0.0})],
}
"""The options that an augmentation is tried with; the others with none."""
RESAMPLING: Final = frozenset({"random_resized_crop", "rotation", "rand_augment", "trivial_augment"})
"""Augmentations that mix neighboring pixels, whose sums a GPU may take in another order."""
RESAMPLED: Final = 1e-5
"""Largest difference of a pixel in [0, 1] after that."""
DRAWN: Final = 512
"""Images in a batch that is augmented."""
OTHER_ANSWERS: Final = 0.005
"""Share of validation images that solvers of the same problem may tell apart."""


def measurements(bench: Bench) -> list[Measurement]:
    """Return the rows that hold the GPU against the CPU."""
    rows = [
        Measurement("correctness", f"losses in fp32, {model}", partial(_losses, bench, *place), bench.needs_cuda)
        for model, place in MODELS.items()
    ]
    for name in bench.catalog.names("augmentation"):
        for label, options in CHANGES.get(name, [("", {})]):
            take = partial(_augmented, bench, name, options)
            rows.append(Measurement("correctness", f"augmentation {name}{label}", take, bench.needs_cuda))
    rows.append(Measurement("correctness", "normalization", partial(_normalized, bench), bench.needs_cuda))
    rows.append(Measurement("correctness", "hog_svm, margins", partial(_margins, bench), bench.needs_cuda))
    return rows


def _losses(bench: Bench, file: str, experiment: str, keep: Keep) -> Figures:
    """Hold the losses of both devices against each other, and the CPU's own against those in another memory format.

    The second difference is what rounding alone does on one device.
    """
    steps, batch = bench.sizes.agreement_steps, bench.sizes.agreement_batch
    cell, images = bench.cell(file, experiment), bench.some(steps * batch)
    model = cell.model.name, dict(cell.model.options)

    def losses(device: torch.device, channels_last: bool = True) -> torch.Tensor:
        recipe = Recipe.model_validate({**GENTLE, "batch_size": batch, "epochs": 1, "channels_last": channels_last})
        with started(bench.classifier(*model, recipe, device=device), images) as fit:
            return fit.epoch().double()

    cpu = torch.device("cpu")
    on_cpu = losses(cpu)
    found = check(_apart(losses(bench.device), on_cpu), LOSSES, steps=steps, last_loss=float(on_cpu[-1]))
    keep(found)
    return {**found, "rounding": _apart(losses(cpu, channels_last=False), on_cpu)}


def _apart(losses: torch.Tensor, others: torch.Tensor) -> float:
    return float(((losses - others).abs() / others.abs()).max())


def _augmented(bench: Bench, name: str, options: dict[str, Any], _: Keep) -> Figures:
    """Apply to both devices' batches what was drawn on the CPU."""
    augmentation = bench.catalog.realize("augmentation", name, options)
    batch = _batch(bench)
    random = torch.Generator().manual_seed(0)
    drawn = _draws(name, augmentation, batch, random)
    there = Batch(*(each.to(bench.device) for each in (batch.images, batch.targets)))
    here = _apply(name, augmentation, batch, drawn)
    on_device = _apply(name, augmentation, there, tuple(each.to(bench.device) for each in drawn))
    bound = RESAMPLED if name in RESAMPLING else 0.0
    return _compared([(here.images, on_device.images), (here.targets, on_device.targets)], bound)


def _batch(bench: Bench) -> Batch:
    data = bench.some(DRAWN)
    pool = make_pool(data, len(bench.task.classes), torch.device("cpu"))
    return pool.gather(torch.arange(DRAWN), torch.tensor(1))


def _draws(name: str, augmentation: Any, batch: Batch, random: torch.Generator) -> tuple[torch.Tensor, ...]:
    """Return what `_apply` takes, drawn as the augmentation's `change` draws it."""
    count, channels, height, width = batch.images.shape
    ways: dict[str, Callable[[], Sequence[torch.Tensor]]] = {
        "alternating_flip": lambda: [augmentation.draw(batch, random)],
        "flip": lambda: [augmentation.draw(count, random)],
        "crop": lambda: [augmentation.draw(count, random)],
        "color_jitter": lambda: augmentation.draw(count, channels, random),
        "cutout": lambda: [augmentation.draw(count, height, width, random)],
        "random_erasing": lambda: [augmentation.draw(count, height, width, random)],
        "random_resized_crop": lambda: [augmentation.draw(count, height, width, random)],
        "rotation": lambda: [augmentation.draw(count, random)],
        "rand_augment": lambda: augmentation.draw(count, height, width, random),
        "trivial_augment": lambda: augmentation.draw(count, random),
        "cutmix": lambda: [
            torch.randperm(count, generator=random),
            augmentation.draw(count, height, width, random),
        ],
        "mixup": lambda: [
            torch.randperm(count, generator=random),
            draw_beta(augmentation.alpha, count, random),
        ],
        "label_smoothing": lambda: [],
    }
    if name not in ways:
        raise NotMeasuredError(f"benchmarks/on_gpu/agreement.py does not say how {name} draws")
    return tuple(ways[name]())


def _apply(name: str, augmentation: Any, batch: Batch, drawn: tuple[torch.Tensor, ...]) -> Batch:
    match name:
        case "label_smoothing":
            changed: Batch = augmentation.change(batch, torch.Generator(batch.images.device))
        case "cutmix" | "mixup":
            changed = augmentation.apply(batch, *drawn)
        case _:
            changed = replace(batch, images=augmentation.apply(batch.images, *drawn))
    return changed


def _normalized(bench: Bench, _: Keep) -> Figures:
    pixels = as_tensor(bench.some(DRAWN).images)
    cpu = torch.device("cpu")
    here = Normalize(bench.task, cpu)(as_float(pixels))
    return _compared([(here, Normalize(bench.task, bench.device)(as_float(pixels.to(bench.device))))])


def _compared(pairs: list[tuple[torch.Tensor, torch.Tensor]], bound: float = 0.0) -> Figures:
    """Return the largest difference, which is to be within the bound, and the share of numbers that differ."""
    gaps = torch.cat([(here - there.cpu()).abs().flatten() for here, there in pairs])
    return check(float(gaps.max()), bound, differing=float((gaps > 0).double().mean()))


def _margins(bench: Bench, _: Keep) -> Figures:
    """Fit HOG features and SVM on both devices: on the CPU scikit-learn's, whose solver stops a little earlier."""
    cell = bench.cell(CIFAR10, "hog-svm")
    model = bench.catalog.realize("model", cell.model.name, cell.model.options)
    if not hasattr(model, "build_on"):
        raise NotMeasuredError("hog_svm has no build_on(task, seed, device)")
    train, validation = bench.some(bench.sizes.svm_images), bench.splits.validation
    fitted = []
    for device in ("cpu", str(bench.device)):
        classifier = model.build_on(bench.task, cell.seed, device)
        classifier.fit(train, None, Hearing())
        fitted.append(classifier.predict(validation.images))
    here, there = fitted
    others = float(np.mean(here.argmax(1) != there.argmax(1)))
    return check(others, OTHER_ANSWERS, images=len(train), largest_difference=float(np.abs(here - there).max()))
