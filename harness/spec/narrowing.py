"""`--only GLOB`: a study -> the part of it that is meant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase

from harness.contracts import Placed
from harness.errors import MatrixError
from harness.spec.nodes import joined
from harness.spec.study import Study


def narrowed(study: Study, pattern: str) -> Study:
    """Return the cells and tuning studies that a glob matches.

    A cell is matched by the name of its run, an experiment or an ablation; a tuning study by the
    name of its experiment.

    Raises:
        MatrixError: it matches nothing; the message lists what there is.
    """
    cells = tuple(each for each in study.cells if _is_meant(_names(each), pattern))
    tune = {name: each for name, each in study.tune.items() if _is_meant((name,), pattern)}
    if not cells and not tune:
        groups = dict.fromkeys([place.experiment for each in study.cells for place in each.places] + [*study.tune])
        raise MatrixError([f"--only {pattern}: matches nothing; there are {joined(groups)}"])
    partial = len(cells) < len(study.cells) or len(tune) < len(study.tune)
    marks = {name: each for name, each in study.marks.items() if name in tune}
    return replace(study, cells=cells, tune=tune, marks=marks, partial=partial)


def _names(placed: Placed) -> set[str]:
    return {placed.name, *(place.experiment for place in placed.places)}


def _is_meant(names: Iterable[str], pattern: str) -> bool:
    return any(name == pattern or fnmatchcase(name, pattern) for name in names)
