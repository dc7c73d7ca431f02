"""A study: its cells, where each stands in the matrix file, and what else the file asks for."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Final

from pydantic import Field, JsonValue

from harness.contracts.cell import Cell, Dataset, Frozen
from harness.contracts.metrics import RANKINGS
from harness.contracts.tuning import Tune


class Place(Frozen):
    """Where in the matrix file a cell comes from: an experiment's variant or an ablation's row."""

    experiment: str
    variant: tuple[tuple[str, JsonValue], ...] = ()
    """The paths whose values tell this variant from its siblings, in file order."""
    label: str = ""
    """The variant as short text: `label_smoothing=0.1`, `- augmentation`, `small-vgg-nobn`."""


class Placed(Frozen):
    """A cell with its name and all places that it comes from (the first gave it its name)."""

    name: str
    """Run name: experiment, what distinguishes the cell, `s<seed>`."""
    cell: Cell
    places: tuple[Place, ...]


class PlannedCell(Placed):
    """A placed cell with its identity."""

    key: str
    source_digest: str
    """Digest of the sources of its components; a finished run with another one is stale."""
    data_fingerprint: str = ""
    """Digest of the training split as decoded; part of the key."""
    fit: str = ""
    """Identity of what is fitted: cells that share it have one fitted model, whatever test sets it is opened on."""
    test_files: str = ""
    """`SealedSet.files` of the test set that it is to open; empty where it opens none, or the files are not at hand."""
    tags: Mapping[str, str] = {}
    """Further tags of its run in the store."""

    @property
    def id(self) -> str:
        """What tells it from all other cells: its key, and its test set, which is no part of the key."""
        if self.cell.test == "never":
            return self.key
        named = " ".join(str(each) for each in self.test_options.values())
        test_set = self.test_files or (sha256(named.encode()).hexdigest() if named else "")
        return f"{self.key}-{test_set[:8]}" if test_set else self.key

    @property
    def test_options(self) -> Mapping[str, JsonValue]:
        """The options of its data set that say where the test split is; of several test sets each as `test.NAME`."""
        given = self.cell.dataset.options
        path, test = given.get("path"), given.get("test")
        named = {f"test.{name}": each for name, each in test.items()} if isinstance(test, Mapping) else {"test": test}
        return {name: value for name, value in {"path": path, **named}.items() if value is not None}


class Ablation(Frozen):
    """One `ablations:` entry; its cells have a place whose experiment is `name` and label a row's."""

    name: str
    base: str
    order: str
    rows: tuple[str, ...]
    """Labels in report order; leave_one_out: "base", "- a", "- b"; cumulative: "none", "+ a", "+ b"."""


class Claim(Frozen):
    """A published figure to hold against the measured one (mean over seeds of `metric`)."""

    experiment: str
    """The experiment it is about; each of its variants is held against it."""
    metric: str
    """The final metric it is about."""
    value: float
    """The published figure; shares as 0.91, not 91."""
    tolerance: Annotated[float, Field(ge=0)] = 0.01
    """How far the measured mean may be off and still agree."""
    source: str = ""
    """Where the figure was published, in a few words."""


class Budget(Frozen):
    """What a plan may cost before it is refused."""

    hours: Annotated[float, Field(gt=0)] | None = None
    """Most hours that all cells and searches may be expected to take."""
    disk_gb: Annotated[float, Field(gt=0)] | None = None
    """Most gigabytes that the runs may leave on disk."""


class ReportSettings(Frozen):
    """How the report is arranged."""

    baseline: str | None = None
    """The experiment that the others are compared with."""
    metric: Annotated[str, Field(json_schema_extra={"enum": list(RANKINGS)})] = "accuracy"
    """What ranks: the figure of the test images by which tables are sorted and experiments told apart, all of which
    are in the report whatever it is."""


MATRIX_FILE: Final = "matrix.yaml"
"""The artifact beside it that is the file which was run."""
PLAN_FILE: Final = "plan.json"
"""The artifact of a kind=matrix run that holds a `StudyPlan`."""


class StudyPlan(Frozen):
    """The resolved plan as it is written at the start and logged with the matrix run."""

    study: str
    matrix: str
    """The matrix file's path as the user gave it."""
    cells: tuple[PlannedCell, ...]
    ablations: tuple[Ablation, ...] = ()
    tune: Mapping[str, Tune] = {}
    """By experiment."""
    claims: tuple[Claim, ...] = ()
    budget: Budget = Budget()
    report: ReportSettings = ReportSettings()
    partial: bool = False
    """Whether --only left cells of the file out."""
    override: tuple[str, ...] = ()
    """PATH=VALUE of --set, with which the file was read."""

    def is_same(self, other: StudyPlan | None) -> bool:
        """Whether another plan asks for the same; what is tagged on cells' runs asks for nothing."""
        return other is not None and self._untagged() == other._untagged()

    def _untagged(self) -> StudyPlan:
        return self.model_copy(update={"cells": tuple(each.model_copy(update={"tags": {}}) for each in self.cells)})

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """The distinct data sets of one test set each in plan order, whatever is carved or left out of them."""
        distinct: dict[str, Dataset] = {}
        for each in (each for planned in self.cells for each in planned.cell.dataset.test_sets.values()):
            distinct.setdefault(each.images, each)
        return tuple(distinct.values())
