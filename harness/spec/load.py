"""A matrix file -> a study. The order of events is `load_study`, top to bottom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.contracts import Ablation, Cell, Tune
from harness.plugins import Catalog
from harness.spec import sections, tune_section
from harness.spec.ablations import Row, ablation
from harness.spec.document import read_document, section
from harness.spec.experiments import Experiment
from harness.spec.layers import read_experiments
from harness.spec.measurable import DECIDING
from harness.spec.narrowing import narrowed
from harness.spec.nodes import Fields, Problems
from harness.spec.overrides import read_overrides, refuse_unused
from harness.spec.placing import Candidate, of_rows, of_variants, placed
from harness.spec.study import Study
from harness.spec.variants import Variant, variants


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
