"""What to try after a diagnosis: settings of the matrix file by their paths, the likeliest first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from harness.contracts import Cell, Choice, Recipe
from harness.measure.diagnosis import CLEAR_GAP, LARGE_GAP, Diagnosis, Verdict
from harness.report.variants import Variant

MOST_REMEDIES: Final = 3
WIDTHS: Final = ("width", "hidden")
"""Options that make a model larger."""
LABELS: Final = "look whether training labels belong to their images: harness data shows counts and pictures"
FURTHER: Final = "nothing is wrong; for more: "
LOW_WEIGHT_DECAY: Final = 1e-4
BY_HEART: Final = 0.99
"""From this training accuracy on a larger model has nothing left to learn."""
STRONG: Final = frozenset({"mixup", "cutmix", "cutout", "random_erasing"})
SMALL_SIDE: Final = 16
"""Pixels: in a smaller image a hole hides what is to be seen."""


@dataclass(frozen=True, slots=True)
class Around:
    """What else is known of the images that a variant was fitted on."""

    side: int | None = None
    """The shorter side in pixels; None where the store does not say."""
    augmented: Variant | None = None
    """The best variant on the same images whose recipe augments them: how, suits these images."""


def remedies(diagnosis: Diagnosis, cell: Cell, around: Around) -> tuple[str, ...]:
    """Return at most three things to try, each a path with a value, given what the cell has set already."""
    if diagnosis.verdict == "no better than guessing":
        return (LABELS,)
    if cell.recipe is None:
        return tuple(_classical(diagnosis, cell))
    if diagnosis.verdict == "healthy":
        return tuple(_further(diagnosis, cell, cell.recipe, around))
    return tuple(_WAYS[diagnosis.verdict](cell, cell.recipe, around)[:MOST_REMEDIES])


def _further(diagnosis: Diagnosis, cell: Cell, recipe: Recipe, around: Around) -> list[str]:
    """Nothing is wrong: what is there to gain where training images are known by heart, and where they are not."""
    is_learned = (diagnosis.evidence.train or 0.0) >= BY_HEART
    ways = _regularized(cell, recipe, around) if is_learned else _larger(cell)
    return [FURTHER + way for way in ways[:1]]


def _longer(_cell: Cell, recipe: Recipe, _around: Around) -> list[str]:
    return [f"recipe.epochs: {2 * recipe.epochs} instead of {recipe.epochs}"]


def _long_enough(_cell: Cell, recipe: Recipe, _around: Around) -> list[str]:
    return [f"recipe.epochs: {max(10, 5 * recipe.epochs)} instead of {recipe.epochs}"]


def _with_validation(_cell: Cell, _recipe: Recipe, _around: Around) -> list[str]:
    return ["train_on: train, to see validation beside training"]


def _calmer(_cell: Cell, recipe: Recipe, _around: Around) -> list[str]:
    ways = [_changed(recipe.optimizer.options, "recipe.optimizer.lr", "lr", 0.3)]
    if not recipe.schedule.options.get("warmup_epochs"):
        ways.append("recipe.schedule.warmup_epochs: 2")
    if recipe.gradient_clip is None:
        ways.append("recipe.gradient_clip: 1.0")
    return [way for way in ways if way]


def _at_its_best(cell: Cell, recipe: Recipe, around: Around) -> list[str]:
    """Keep the best epoch, let the learning rate fall, then learn less by heart."""
    ways = ["recipe.keep: best"] if recipe.keep == "last" else []
    if recipe.schedule.name == "constant":
        ways.append("recipe.schedule: cosine, so that the learning rate falls")
    return [*ways, *_regularized(cell, recipe, around)]


def _regularized(cell: Cell, recipe: Recipe, around: Around) -> list[str]:
    ways = _augmentation(recipe, around)
    if cell.model.options.get("dropout") == 0:
        ways.append("model.dropout: 0.2")
    decay = recipe.optimizer.options.get("weight_decay")
    if decay is not None and float(decay) < LOW_WEIGHT_DECAY:
        ways.append("recipe.optimizer.weight_decay: 5e-4")
    if not recipe.label_smoothing and not any(choice.name == "label_smoothing" for choice in recipe.augment):
        ways.append("recipe.label_smoothing: 0.1")
    if recipe.keep == "last" and recipe.early_stopping is None:
        ways.append("recipe.early_stopping: {patience: 10} with recipe.keep: best")
    return ways


def _augmentation(recipe: Recipe, around: Around) -> list[str]:
    """Return an augmentation that suits the images: another variant's, else a shift by an eighth of the side."""
    if not recipe.augment:
        other = around.augmented
        if other is not None and other.cell.recipe is not None:
            return [f"recipe.augment: [{', '.join(map(_written, other.cell.recipe.augment))}], as {other.name} has it"]
        shift = f"recipe.augment: [{{crop: {{pad: {max(1, round((around.side or 32) / 8))}}}}}]"
        return [f"{shift}, with flip where a mirrored image stays in its class"]
    if {choice.name for choice in recipe.augment} & STRONG:
        return []
    side = around.side or 32
    more = "mixup" if side < SMALL_SIDE else f"{{cutout: {{size: {side // 4}}}}} or mixup"
    return [f"recipe.augment: {more} as well"]


def _written(choice: Choice) -> str:
    """Return a component as a matrix file has it, in one line.

    >>> _written(Choice.model_validate({"name": "crop", "pad": 1})), _written(Choice(name="flip"))
    ('{crop: {pad: 1}}', 'flip')
    """
    options = ", ".join(f"{name}: {value}" for name, value in choice.options.items())
    return f"{{{choice.name}: {{{options}}}}}" if options else choice.name


def _stronger(cell: Cell, recipe: Recipe, around: Around) -> list[str]:
    """Take away what holds the model down, then make it larger, then train it longer or otherwise."""
    dropout = float(cell.model.options.get("dropout") or 0)
    rate = _changed(recipe.optimizer.options, "recipe.optimizer.lr", "lr", 3)
    ways = [
        f"model.dropout: 0.0 instead of {dropout:g}" if dropout else "",
        *_larger(cell),
        *_longer(cell, recipe, around),
        f"{rate} (harness lr-find shows the range)" if rate else "",
    ]
    return [way for way in ways if way]


def _larger(cell: Cell) -> list[str]:
    options = cell.model.options
    return [_changed(options, f"model.{name}", name, 2) for name in WIDTHS if name in options][:1]


def _classical(diagnosis: Diagnosis, cell: Cell) -> list[str]:
    gap = diagnosis.evidence.gap
    if "C" not in cell.model.options or gap is None:
        return []
    if diagnosis.verdict == "underfitting":
        return [_changed(cell.model.options, "model.C", "C", 10)]
    if gap < CLEAR_GAP:
        return []
    return [_changed(cell.model.options, "model.C", "C", 0.01 if gap >= LARGE_GAP else 0.1)]


def _changed(options: Mapping[str, Any], path: str, name: str, factor: float) -> str:
    """Return a path with its value times a factor, empty where it is not set."""
    value = options.get(name)
    if not isinstance(value, int | float) or not value:
        return ""
    return f"{path}: {float(f'{value * factor:.1g}') if factor < 1 else value * factor:g} instead of {value:g}"


def _nothing(_cell: Cell, _recipe: Recipe, _around: Around) -> list[str]:
    return []


_WAYS: Final[Mapping[Verdict, Callable[[Cell, Recipe, Around], list[str]]]] = {
    "healthy": _nothing,
    "no curve": _nothing,
    "no better than guessing": _nothing,
    "overfitting": _regularized,
    "underfitting": _stronger,
    "diverged": _calmer,
    "still improving": _longer,
    "past its best": _at_its_best,
    "too short to say": _long_enough,
    "no validation": _with_validation,
}
