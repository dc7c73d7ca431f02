"""What to try next after a diagnosis: settings of the matrix file by their paths, the likeliest first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from harness.contracts import Cell, Recipe
from harness.measure.diagnosis import CLEAR_GAP, LARGE_GAP, Diagnosis, Verdict

MOST: Final = 3
WIDTHS: Final = ("width", "hidden")
"""Options that make a model larger."""
FURTHER: Final = "nothing is wrong; for more: "
LOW_WEIGHT_DECAY: Final = 1e-4
BY_HEART: Final = 0.99
"""From this training accuracy on a larger model has nothing left to learn."""


def remedies(diagnosis: Diagnosis, cell: Cell) -> tuple[str, ...]:
    """Return at most three things to try, each a path with a value, given what the cell has set already."""
    if cell.recipe is None:
        return tuple(_classical(diagnosis, cell))
    if diagnosis.verdict == "healthy":
        return tuple(_further(diagnosis, cell, cell.recipe))
    return tuple(_WAYS[diagnosis.verdict](cell, cell.recipe)[:MOST])


def _further(diagnosis: Diagnosis, cell: Cell, recipe: Recipe) -> list[str]:
    """Nothing is wrong: what is there to gain where training images are known by heart, and where they are not."""
    is_learned = (diagnosis.evidence.train or 0.0) >= BY_HEART
    ways = _regularized(cell, recipe) if is_learned else _larger(cell)
    return [FURTHER + way for way in ways[:1]]


def _longer(_cell: Cell, recipe: Recipe) -> list[str]:
    return [f"recipe.epochs: {2 * recipe.epochs} instead of {recipe.epochs}"]


def _long_enough(_cell: Cell, recipe: Recipe) -> list[str]:
    return [f"recipe.epochs: {max(10, 5 * recipe.epochs)} instead of {recipe.epochs}"]


def _with_validation(_cell: Cell, _recipe: Recipe) -> list[str]:
    return ["train_on: train, to see validation beside training"]


def _calmer(_cell: Cell, recipe: Recipe) -> list[str]:
    ways = [_changed(recipe.optimizer.options, "recipe.optimizer.lr", "lr", 0.3)]
    if not recipe.schedule.options.get("warmup_epochs"):
        ways.append("recipe.schedule.warmup_epochs: 2")
    if recipe.gradient_clip is None:
        ways.append("recipe.gradient_clip: 1.0")
    return [way for way in ways if way]


def _regularized(cell: Cell, recipe: Recipe) -> list[str]:
    ways = []
    if not recipe.augment:
        ways.append("recipe.augment: [{crop: {pad: 4}}, flip] (no flip where a mirrored image is another class)")
    elif not {choice.name for choice in recipe.augment} & {"mixup", "cutmix", "cutout", "random_erasing"}:
        ways.append("recipe.augment: cutout or mixup besides")
    if cell.model.options.get("dropout") == 0:
        ways.append("model.dropout: 0.2")
    decay = recipe.optimizer.options.get("weight_decay")
    if decay is not None and float(decay) < LOW_WEIGHT_DECAY:
        ways.append("recipe.optimizer.weight_decay: 5e-4")
    if not recipe.label_smoothing:
        ways.append("recipe.label_smoothing: 0.1")
    if recipe.keep == "last" and recipe.early_stopping is None:
        ways.append("recipe.early_stopping: {patience: 10} with recipe.keep: best")
    return ways


def _stronger(cell: Cell, recipe: Recipe) -> list[str]:
    """Take away what holds the model down, then make it larger, then train it longer or otherwise."""
    dropout = float(cell.model.options.get("dropout") or 0)
    rate = _changed(recipe.optimizer.options, "recipe.optimizer.lr", "lr", 3)
    ways = [
        f"model.dropout: 0.0 instead of {dropout:g}" if dropout else "",
        *_larger(cell),
        *_longer(cell, recipe),
        f"{rate} (harness lr-find shows the range)" if rate else "",
    ]
    return [way for way in ways if way]


def _larger(cell: Cell) -> list[str]:
    options = cell.model.options
    return [_changed(options, f"model.{name}", name, 2) for name in WIDTHS if name in options][:1]


def _classical(diagnosis: Diagnosis, cell: Cell) -> list[str]:
    gap = diagnosis.evidence.gap
    if gap is None or gap < CLEAR_GAP or "C" not in cell.model.options:
        return []
    factor = 0.01 if gap >= LARGE_GAP else 0.1
    return [_changed(cell.model.options, "model.C", "C", factor)]


def _changed(options: Mapping[str, Any], path: str, name: str, factor: float) -> str:
    """Return a path with its value times a factor, empty where it is not set."""
    value = options.get(name)
    if not isinstance(value, int | float) or not value:
        return ""
    return f"{path}: {float(f'{value * factor:.1g}') if factor < 1 else value * factor:g} instead of {value:g}"


def _nothing(_cell: Cell, _recipe: Recipe) -> list[str]:
    return []


_WAYS: Final[Mapping[Verdict, Callable[[Cell, Recipe], list[str]]]] = {
    "healthy": _nothing,
    "no curve": _nothing,
    "overfitting": _regularized,
    "underfitting": _stronger,
    "diverged": _calmer,
    "still improving": _longer,
    "too short to say": _long_enough,
    "no validation": _with_validation,
}
