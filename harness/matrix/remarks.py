"""What a study asks for that will not do what it seems to: no mistake, and nothing is refused, but it is told.

`harness validate` tells what the file alone shows; `plan` and `run` also know how many images are left to fit on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harness.contracts import Cell, Recipe
from harness.matrix.load import Study
from harness.matrix.nodes import Fields, Mark, Node, Problems
from harness.words import amount


def remarks_of(study: Study, images_of: Callable[[Cell], int | None] = lambda _cell: None) -> tuple[str, ...]:
    """Return one line for each remark, with its place in the file as in a MatrixError, sorted by position.

    Args:
        study: A study.
        images_of: How many images a cell is fitted on, None where that is not known.
    """
    found, known = Problems(), dict[tuple[str, str], int | None]()
    seeds = {id(study.trees[each.name]): each for each in study.cells}  # one of those that differ in nothing else
    for placed in seeds.values():
        cell = placed.cell
        if cell.recipe is not None:
            data = (cell.dataset.model_dump_json(), cell.train_on)
            if data not in known:
                known[data] = images_of(cell)
            for path, text in _idle(cell.recipe, known[data]):
                found.add(*_place(study.trees[placed.name], f"recipe.{path}"), text)
    return tuple(found)


def _idle(recipe: Recipe, images: int | None) -> Iterator[tuple[str, str]]:
    """Yield paths of a recipe whose values come too late or are too large to be of effect, and why."""
    epochs, schedule = recipe.epochs, recipe.schedule.options
    ends = f"training ends after {amount(epochs, 'epoch')}"
    if schedule.get("warmup_epochs", 0) > epochs:
        yield "schedule.warmup_epochs", f"the learning rate never reaches its full height: {ends}"
    milestones = schedule.get("milestones", ())
    if late := [str(each) for each in milestones if each >= epochs]:
        yield "schedule.milestones", f"{' and '.join(late)} {'is' if len(late) == 1 else 'are'} never reached: {ends}"
    if schedule.get("every", 0) >= epochs:
        yield "schedule.every", f"the learning rate never falls: {ends}"
    if images is not None and recipe.batch_size > images:
        there_are = f"there are {amount(images, 'training image')}"
        yield "batch_size", f"a batch of {recipe.batch_size:,} is never full: {there_are}, so each epoch is one step"


def _place(tree: Fields, path: str) -> tuple[Mark, str]:
    """Return where a setting is written, or the nearest that it is a part of, and its path."""
    node: Node = tree
    rest = path.split(".")
    while rest and isinstance(node, Fields) and rest[0] in node.fields:
        node = node.fields[rest.pop(0)]
    return node.mark, ".".join(part for part in (node.path, *rest) if part) if node.mark.line else ""
