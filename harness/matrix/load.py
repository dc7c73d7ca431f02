"""A matrix file -> a study. The order of events is `load_study`, top to bottom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from harness.contracts import Ablation, Budget, Cell, Claim, Placed, ReportSettings, Tune
from harness.errors import MatrixError
from harness.matrix import document as sections
from harness.matrix import tune as tune_section
from harness.matrix.ablations import Candidate, Row, ablation, of_rows, of_variants, placed
from harness.matrix.cell import check_recipe
from harness.matrix.document import DECIDING, read_document, refuse_unknown, section, seeds
from harness.matrix.experiments import SETTINGS, Experiment, recipe_defaults
from harness.matrix.nodes import Fields, Node, Problems, child, joined, plain, shown
from harness.matrix.paths import merge
from harness.matrix.variants import Overrides, Variant, read_overrides, refuse_unused, variants
from harness.plugins import Catalog


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


_DEFAULTS: Final = (*SETTINGS, "seeds")
_EXPERIMENT: Final = (*_DEFAULTS, "matrix", "exclude", "add")


def read_experiments(root: Fields, overrides: Overrides, catalog: Catalog, problems: Problems) -> dict[str, Experiment]:
    """Return the well-formed experiments of a document, in file order."""
    layers = (root, _defaults(root, catalog, problems))
    node = root.fields.get("experiments")
    if node is None:
        problems.add(root.mark, "experiments", "is missing")
        return {}
    if not isinstance(node, Fields) or not node.fields:
        problems.at(node, "holds no experiment; write NAME: {model: ...}")
        return {}
    found = {}
    for name, each in node.fields.items():
        if isinstance(each, Fields):
            refuse_unknown(each, _EXPERIMENT, problems)
            entry = Fields(each.fields, node.key_mark(name), child("experiments", name), each.keys)
            found[name] = _experiment(name, entry, layers, overrides, problems)
        else:
            problems.at(each, f"{shown(plain(each))} is not a mapping; write {{model: ...}}")
    return found


def _defaults(root: Fields, catalog: Catalog, problems: Problems) -> Fields:
    node = root.fields.get("defaults")
    nothing = Fields({}, root.mark, root.path)
    if node is None:
        return nothing
    if not isinstance(node, Fields):
        problems.at(node, f"{shown(plain(node))} is not a mapping")
        return nothing
    refuse_unknown(node, _DEFAULTS, problems)
    if "recipe" in node.fields:
        below = recipe_defaults(node.mark, node.path).fields["recipe"]
        check_recipe(merge(node.fields["recipe"], below), catalog, problems)
    return node


def _experiment(
    name: str, node: Fields, layers: tuple[Fields, Fields], overrides: Overrides, problems: Problems
) -> Experiment:
    """Return one experiment over its layers: the study's own settings, then the defaults."""
    root, defaults = layers
    under: Node = recipe_defaults(node.mark, node.path)
    for layer, names in ((root, ("dataset",)), (defaults, SETTINGS)):
        under = merge(layer.with_fields({each: layer.fields[each] for each in names if each in layer.fields}), under)
    assert isinstance(under, Fields)
    seeds_here = _seeds((node, defaults, root), overrides, problems)
    return Experiment(name, node, node.mark, under, seeds_here, overrides.assignments)


def _seeds(layers: tuple[Fields, ...], overrides: Overrides, problems: Problems) -> tuple[int, ...]:
    """Return the seeds of the first layer that lists some; all layers are checked."""
    written = [seeds(layer.fields["seeds"], problems) for layer in layers if "seeds" in layer.fields]
    if overrides.seeds is not None:
        return seeds(overrides.seeds, problems)
    return written[0] if written else (0,)


@dataclass(frozen=True, slots=True)
class _Parts:
    """All that a file describes, drafted; what is wrong is noted, not raised."""

    variants: Mapping[str, tuple[Variant, ...]]
    ablations: tuple[Ablation, ...]
    rows: tuple[Row, ...]
    tune: Mapping[str, Tune]


def load_study(path: Path, catalog: Catalog, overrides: Sequence[str] = (), only: str | None = None) -> Study:
    """Read, check and expand a matrix file.

    Args:
        path: the matrix file; positions in messages name it as it is given here.
        catalog: the components there are.
        overrides: `PATH=VALUE` of `--set`, for every experiment that has the path.
        only: a glob over names of experiments (their tuning studies too), ablations and runs.

    Raises:
        MatrixError: with everything that is wrong, sorted by position.
    """
    problems = Problems()
    root = read_document(path, problems)
    given = read_overrides(overrides, problems)
    root = tune_section.with_overrides(root, given.tune, problems)
    experiments = read_experiments(root, given, catalog, problems)
    parts = _drafted(root, experiments, catalog, problems)
    _refuse_empty(experiments, parts, problems)
    refuse_unused(given, [each for found in parts.variants.values() for each in found], catalog, problems)
    cells = placed(_candidates(experiments, parts), catalog, problems)
    names = section(root, "experiments", problems)
    sections.refuse_unmeasured(root, _as_written(experiments, parts), problems)
    study = Study(
        name=sections.study_name(root, problems),
        path=path,
        cells=cells,
        ablations=parts.ablations,
        tune=parts.tune,
        marks=tune_section.places(root),
        claims=sections.claims(root, names, problems),
        budget=sections.budget(root, problems),
        report=sections.report(root, names, problems),
    )
    problems.raise_any()
    return study if only is None else narrowed(study, only)


def _drafted(root: Fields, experiments: Mapping[str, Experiment], catalog: Catalog, problems: Problems) -> _Parts:
    found = {name: variants(each, catalog, problems) for name, each in experiments.items()}
    entries = section(root, "ablations", problems)
    drafted = [ablation(name, node, experiments, catalog, problems) for name, node in entries.items()]
    ablations = [each for each in drafted if each is not None]
    rows = tuple(row for _, rows in ablations for row in rows)
    tune = tune_section.read_tune(root, experiments, catalog, problems)
    return _Parts(found, tuple(each for each, _ in ablations), rows, tune)


def _refuse_empty(experiments: Mapping[str, Experiment], parts: _Parts, problems: Problems) -> None:
    for name, found in parts.variants.items():
        if not found and not problems:
            problems.add(experiments[name].mark, experiments[name].path, "has no cell: exclude leaves none")


def _candidates(experiments: Mapping[str, Experiment], parts: _Parts) -> list[Candidate]:
    own = [each for name, found in parts.variants.items() for each in of_variants(experiments[name], found)]
    return own + list(of_rows(parts.rows))


def _as_written(experiments: Mapping[str, Experiment], parts: _Parts) -> dict[str, list[Cell]]:
    """Return the cells of each experiment in which `--set` changes nothing that decides what is measured."""
    kept = [name for name, each in experiments.items() if not DECIDING & {override.path for override in each.overrides}]
    return {name: [each.draft.cell for each in parts.variants[name] if each.draft.cell is not None] for name in kept}
