"""A matrix file -> a study: the order of events, from the text to complete cells, each of them once."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from harness.contracts import Ablation, Budget, Cell, Claim, Place, Placed, ReportSettings, Tune
from harness.errors import MatrixError
from harness.matrix.ablations import Row, read_ablations
from harness.matrix.cell import PATH_OPTIONS
from harness.matrix.document import (
    DECIDING,
    read_budget,
    read_claims,
    read_document,
    read_name,
    read_report,
    refuse_unmeasured,
    refuse_unranked,
    section,
)
from harness.matrix.experiments import Experiment, read_experiments
from harness.matrix.identity import PLACES, canonical
from harness.matrix.nodes import Fields, Mark, Problems
from harness.matrix.tune import read_tune, tune_places
from harness.matrix.variants import MOST_VARIANTS, TOO_MANY, Variant, read_overrides, refuse_unused, variants
from harness.plugins import Catalog

_MOST_CELLS: Final = 100_000
"""Of a study, all seeds counted; nobody waits for more."""


@dataclass(frozen=True, slots=True)
class Study:
    """A matrix file as values: every cell complete and valid, nothing left of the text."""

    name: str
    path: Path
    cells: tuple[Placed, ...]
    """Each cell once, in file order: experiments, then what ablations add."""
    ablations: tuple[Ablation, ...] = ()
    tune: Mapping[str, Tune] = field(default_factory=dict)
    """By experiment."""
    marks: Mapping[str, str] = field(default_factory=dict)
    """By experiment: where its `tune:` entry stands, as lines of a MatrixError begin (`matrix.yaml:31:3: tune.mlp`)."""
    claims: tuple[Claim, ...] = ()
    budget: Budget = field(default_factory=Budget)
    report: ReportSettings = field(default_factory=ReportSettings)
    partial: bool = False
    """Whether `only` left cells or tuning studies of the file out."""
    trees: Mapping[str, Fields] = field(default_factory=dict, repr=False)
    """By the name of a cell: its settings as they are written, each with its position."""
    override: tuple[str, ...] = ()
    """PATH=VALUE of `--set`, with which the file was read."""


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep Python from looking for garbage: all that loading makes is kept, and looking takes half of its time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@_no_collection()
def load_study(
    path: Path, catalog: Catalog, overrides: Sequence[str] = (), only: str | Sequence[str] | None = None
) -> Study:
    """Read, check and expand a matrix file.

    Args:
        path: the matrix file; positions in messages name it as it is given here.
        catalog: the components there are.
        overrides: `PATH=VALUE` of `--set`, for every experiment that has the path.
        only: a glob, or several, over names of experiments (their tuning studies too), ablations and runs.

    Raises:
        MatrixError: with everything that is wrong, sorted by position.
    """
    problems = Problems()
    root = read_document(path, problems)
    given = read_overrides(overrides, problems)
    experiments = read_experiments(root, given.assignments, given.seeds, catalog, problems)
    found = _expanded(experiments, catalog, problems)
    ablations, rows = read_ablations(root, experiments, catalog, problems)
    tune = read_tune(root, given.tune, experiments, catalog, problems)
    _refuse_empty(experiments, found, problems)
    refuse_unused(given, [each for those in found.values() for each in those], catalog, problems)
    candidates = [*_of_variants(experiments, found), *_of_rows(rows)]
    _refuse_too_many(root, candidates, problems)
    entries = _entries(candidates, catalog, problems)
    refuse_unmeasured(root, _as_written(experiments, found), problems)
    refuse_unranked(root, [each.cell for each in candidates], catalog, problems)
    names = section(root, "experiments", problems)
    study = Study(
        name=read_name(root, problems),
        path=path,
        cells=tuple(Placed(name=each.name, cell=each.cell, places=tuple(each.places)) for each in entries),
        ablations=ablations,
        tune=tune,
        marks=tune_places(root),
        claims=read_claims(root, names, problems),
        budget=read_budget(root, problems),
        report=read_report(root, names, problems),
        trees={each.name: each.first.tree for each in entries},
        override=tuple(overrides),
    )
    problems.raise_any()
    return _narrowed(study, [only] if isinstance(only, str) else only) if only else study


def _expanded(
    experiments: Mapping[str, Experiment], catalog: Catalog, problems: Problems
) -> dict[str, tuple[Variant, ...]]:
    """Return the variants of each experiment; raises what is wrong where together they are more than is possible."""
    found: dict[str, tuple[Variant, ...]] = {}
    left = MOST_VARIANTS
    for name, each in experiments.items():
        found[name] = variants(each, catalog, problems, left)
        left -= len(found[name])
        if left < 0:
            problems.add(each.mark, each.path, TOO_MANY)
            problems.raise_any()
    return found


def _refuse_empty(
    experiments: Mapping[str, Experiment], found: Mapping[str, Sequence[Variant]], problems: Problems
) -> None:
    for name, each in found.items():
        if not each and not problems:
            problems.add(experiments[name].mark, experiments[name].path, "has no cell: exclude leaves none")


def _as_written(experiments: Mapping[str, Experiment], found: Mapping[str, Sequence[Variant]]) -> dict[str, list[Cell]]:
    """Return the cells of each experiment in which `--set` changes nothing that decides what is measured."""
    kept = [name for name, each in experiments.items() if not DECIDING & {override.path for override in each.overrides}]
    return {name: [each.draft.cell for each in found[name] if each.draft.cell is not None] for name in kept}


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A cell for all its seeds, where it was written and where it goes."""

    cell: Cell
    tree: Fields
    seeds: tuple[int, ...]
    place: Place
    mark: Mark
    where: str
    may_coincide: bool
    """Ablation rows may be cells that are there already; two experiments' cells may not."""

    @property
    def title(self) -> str:
        """The run name without its seed."""
        return " ".join(part for part in (self.place.experiment, self.place.label) if part)


def _of_variants(experiments: Mapping[str, Experiment], found: Mapping[str, Sequence[Variant]]) -> Iterator[_Candidate]:
    """Yield the valid cells of experiments; with `--set` some may have become the same."""
    for name, variants_of_it in found.items():
        experiment = experiments[name]
        for each in variants_of_it:
            if each.draft.cell is not None:
                place = Place(experiment=name, variant=each.values, label=each.label)
                may_coincide = bool(experiment.overrides)
                tree, seeds = each.draft.tree, experiment.seeds
                yield _Candidate(each.draft.cell, tree, seeds, place, each.mark, each.where, may_coincide)


def _of_rows(rows: Iterable[Row]) -> Iterator[_Candidate]:
    """Yield the valid cells of ablations."""
    for row in rows:
        if row.draft.cell is not None:
            values = tuple((each.path, each.written) for each in row.assignments)
            place = Place(experiment=row.ablation, variant=values, label=row.label)
            yield _Candidate(row.draft.cell, row.draft.tree, row.base.seeds, place, row.mark, row.where, True)


def _refuse_too_many(root: Fields, candidates: Sequence[_Candidate], problems: Problems) -> None:
    """Raise what is wrong so far where a study has more cells than anybody waits for."""
    count = sum(len(each.seeds) for each in candidates)
    if count > _MOST_CELLS:
        problems.at_key(root, "experiments", f"make {count:,} cells, all seeds counted; at most {_MOST_CELLS:,}")
        problems.raise_any()


@dataclass(slots=True)
class _Entry:
    """A cell with its name on the way to a `Placed`."""

    name: str
    cell: Cell
    first: _Candidate
    places: list[Place] = field(default_factory=list)


def _entries(candidates: Sequence[_Candidate], catalog: Catalog, problems: Problems) -> tuple[_Entry, ...]:
    """Return each cell once; the same cell twice, or a name twice, is noted as a problem."""
    entries: dict[str, _Entry] = {}
    firsts: dict[str, _Candidate] = {}
    for each in candidates:
        same = _same_text(each.cell, catalog)
        for seed in each.seeds:
            text = f"{seed} {same}"
            first = firsts.setdefault(text, each)
            if first is not each and not each.may_coincide:
                _refuse_same(first, each, problems)
            name = f"{each.title} s{seed}"
            entry = entries.setdefault(text, _Entry(name, each.cell.model_copy(update={"seed": seed}), each))
            entry.places.append(each.place)
    _refuse_names(entries.values(), problems)
    return tuple(entries.values())


def _same_text(cell: Cell, catalog: Catalog) -> str:
    """Return a text that two cells share if they are the same cell of the same files."""
    files = {name: value for name, value in cell.dataset.options.items() if name in PATH_OPTIONS | PLACES}
    return json.dumps([canonical(cell, catalog), files], sort_keys=True)


def _refuse_same(first: _Candidate, second: _Candidate, problems: Problems) -> None:
    names = f'"{second.title}" is the same cell as "{first.title}"'
    problems.add(second.mark, second.where, f"{names} ({first.mark}: {first.where})")


def _refuse_names(entries: Iterable[_Entry], problems: Problems) -> None:
    owners: dict[str, _Candidate] = {}
    for entry in entries:
        owner = owners.setdefault(entry.name, entry.first)
        if owner is not entry.first:
            text = f'another cell is named "{entry.name}" already ({owner.mark}: {owner.where})'
            problems.add(entry.first.mark, entry.first.where, text)


def _narrowed(study: Study, patterns: Sequence[str]) -> Study:
    """Return the cells and tuning studies that one of the globs matches.

    A cell is matched by the name of its run, an experiment or an ablation; a tuning study by the
    name of its experiment.

    Raises:
        MatrixError: one matches nothing; the message lists what there is.
    """
    owners = {each.name: {each.name, *(place.experiment for place in each.places)} for each in study.cells}
    known = set().union(study.tune, *owners.values())
    meant = {pattern: {name for name in known if name == pattern or fnmatchcase(name, pattern)} for pattern in patterns}
    if useless := [pattern for pattern, names in meant.items() if not names]:
        groups = dict.fromkeys([place.experiment for each in study.cells for place in each.places] + [*study.tune])
        there_are = f"matches nothing; there are {', '.join(groups)}"
        raise MatrixError([f"--only {pattern}: {there_are}" for pattern in useless])
    chosen = set().union(*meant.values())
    cells = tuple(each for each in study.cells if owners[each.name] & chosen)
    tune = {name: each for name, each in study.tune.items() if name in chosen}
    partial = len(cells) < len(study.cells) or len(tune) < len(study.tune)
    marks = {name: each for name, each in study.marks.items() if name in tune}
    return replace(study, cells=cells, tune=tune, marks=marks, partial=partial)
