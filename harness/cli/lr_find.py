"""`harness lr-find M.yaml EXPERIMENT`: a learning-rate range test on the training images; nothing is logged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from rich.text import Text

from harness.cell.saved import build_classifier
from harness.charts.training import Mark
from harness.charts.training import range_test as range_chart
from harness.cli.console import print_json, results, say, shown_path, table
from harness.cli.options import LrFind
from harness.contracts import Placed
from harness.data import load_splits, task_of
from harness.errors import InputError, nearest
from harness.escape import folder_of
from harness.matrix import Study, load_study
from harness.measure.environment import choose_device
from harness.plugins import Catalog
from harness.train import NetworkClassifier
from harness.train.lr_range import RangeTest, Suggestion, Sweep, range_test
from harness.words import amount

if TYPE_CHECKING:
    from numpy.typing import NDArray

PICTURE: Final = "lr-find.png"
BARS: Final = "▁▂▃▄▅▆▇█"
COLUMNS: Final = 64
DECADES_OF_SLACK: Final = 0.5
"""A rate within this many powers of ten of the suggested one is as good, as far as one test can tell."""


def perform(asked: LrFind) -> int:
    """Run the test, draw it, and print the suggestion.

    Raises:
        InputError: the file is wrong, there is no such experiment, or its model is not trained by a recipe.
        TrainingError: the loss is not finite from the start.
    """
    catalog = Catalog(asked.plugins)
    study = load_study(asked.matrix, catalog, asked.override)
    placed = _chosen(study, asked.experiment)
    found = _tested(placed, asked, catalog)
    path = asked.output or folder_of(study.name, asked.home / "reports") / PICTURE
    current = float(placed.cell.recipe.optimizer.options["lr"]) if placed.cell.recipe else 0.0
    suggestions = [each for each in (found.steepest(), found.tenth_of_minimum()) if each is not None]
    marks = [Mark(each.lr, each.rule) for each in suggestions] + [Mark(current, "the recipe now")]
    chart = range_chart(placed.name, found.rates, found.losses, found.smoothed, marks)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(chart.png())
    if asked.json:
        print_json(_as_json(placed, found, suggestions, current, path))
        return 0
    _print(placed, found, suggestions, current)
    say(f"picture: {shown_path(path.absolute())}")
    return 0


def _chosen(study: Study, experiment: str) -> Placed:
    """Return the first cell of an experiment, or the cell of that name."""
    found = [each for each in study.cells if experiment in (each.name, *(place.experiment for place in each.places))]
    if not found:
        names = {place.experiment for each in study.cells for place in each.places}
        raise InputError(f'{study.path}: there is no experiment "{experiment}"{nearest(experiment, names)}')
    if found[0].cell.recipe is None:
        trained = sorted({each.places[0].experiment for each in study.cells if each.cell.recipe is not None})
        raise InputError(
            f"{study.path}: {experiment}: model {found[0].cell.model.name} is not trained by a recipe, so it has no "
            f"learning rate; experiments that have one: {', '.join(trained) or 'none'}"
        )
    if len({each.cell.model_copy(update={"seed": 0}).model_dump_json() for each in found}) > 1:
        say(f"{experiment} has {amount(len(found), 'cell')}; this is of {found[0].name}")
    return found[0]


def _tested(placed: Placed, asked: LrFind, catalog: Catalog) -> RangeTest:
    cell = placed.cell
    splits = load_splits(cell.dataset, catalog, asked.cache)
    device = torch.device(choose_device(asked.device))
    classifier = build_classifier(cell, task_of(splits.classes, splits.train), catalog, device)
    assert isinstance(classifier, NetworkClassifier)
    return range_test(classifier, splits.train, Sweep(asked.low, asked.high, asked.steps))


def _print(placed: Placed, found: RangeTest, suggestions: Sequence[Suggestion], current: float) -> None:
    out = results()
    ended = "the loss diverged" if found.diverged else "to the end of the sweep"
    rates = f"{found.rates[0]:.2g} to {found.rates[-1]:.2g}"
    out.print(Text(placed.name, style="bold"), Text(f"{amount(len(found.rates), 'step')}, {rates}, {ended}"))
    out.print("", Text(sparkline(found.smoothed)), Text(_scale(found), style="dim"), sep="\n")
    shown = table("learning rate", "what it is", right=("learning rate",))
    for order, each in enumerate(suggestions):
        shown.add_row(f"{each.lr:.2g}", each.rule, style="" if order else "bold")
    shown.add_row(f"{current:.2g}", "recipe.optimizer.lr now")
    out.print("", shown)
    out.print(Text(f"\n{_advice(suggestions[0], current)}"))


def sparkline(values: NDArray[np.float64], columns: int = COLUMNS) -> str:
    """Return values as bars, the lowest for the least; a rise above the start is cut off at the top.

    >>> sparkline(np.array([3.0, 2.0, 1.0, 5.0]), 4)
    '█▄▁█'
    """
    parts = np.array_split(values, min(columns, len(values)))
    means = np.array([part.mean() for part in parts])
    low, high = means.min(), max(means[0], np.median(means))
    scaled = np.clip((means - low) / max(high - low, 1e-12), 0, 1)
    return "".join(BARS[int(each)] for each in np.minimum(scaled * len(BARS), len(BARS) - 1))


def _scale(found: RangeTest) -> str:
    """Return the powers of ten below the bars."""
    width, (low, high) = min(COLUMNS, len(found.rates)), np.log10(found.rates[[0, -1]])
    line = ""
    for power in range(int(np.ceil(low)), int(np.floor(high)) + 1):
        at = round((power - low) / max(high - low, 1e-12) * (width - 1))
        if not line or at > len(line):  # where there is no room for all, some
            line = line.ljust(at) + f"1e{power:+}"
    return line


def _advice(suggestion: Suggestion, current: float) -> str:
    apart = np.log10(current / suggestion.lr)
    said = f"suggestion: {suggestion.lr:.2g}, {suggestion.rule}"
    if abs(apart) <= DECADES_OF_SLACK:
        return f"{said}; {current:.2g}, which the recipe has, is as good as one test can tell"
    return f"{said}; the recipe's {current:.2g} is {10 ** abs(apart):.0f} times {'higher' if apart > 0 else 'lower'}"


def _as_json(
    placed: Placed, found: RangeTest, suggestions: Sequence[Suggestion], current: float, path: Path
) -> dict[str, object]:
    return {
        "cell": placed.name,
        "current": current,
        "suggestion": suggestions[0].lr,
        "rules": {each.rule: each.lr for each in suggestions},
        "diverged": found.diverged,
        "lr": found.rates.tolist(),
        "loss": found.losses.tolist(),
        "smoothed": found.smoothed.tolist(),
        "picture": str(path),
    }
