"""What was run, read again from the store: a study's results as a table, its report."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness.contracts import StudyPlan
from harness.contracts.study import MATRIX_FILE
from harness.errors import InputError, MatrixError
from harness.escape import folder_of
from harness.execute.plan import follow
from harness.matrix import Study, flatten, load_study, study_name
from harness.phases import phase
from harness.plugins import Catalog
from harness.report import Summary, summarize, write_report
from harness.report.csv_files import cell_rows
from harness.report.sections import SECTIONS
from harness.report.store import gather
from harness.track import Store, existing_store, home_of

if TYPE_CHECKING:
    import pandas as pd

MATRIX: Final = frozenset({".yaml", ".yml"})
EXTENDS: Final = re.compile(r"^extends\s*:", re.MULTILINE)
"""What a file begins a line with that is not all in itself."""


def results(study: str | Path | Study, *, home: str | Path | None = None) -> pd.DataFrame:
    """Return a study's cells as a table, in the order of the plan, the winners of searches after them.

    The columns: name, experiment, seed, key, state (done, stale, missing, failed, running), reason, run_id, device,
    test (opened, sealed, never); then each setting by its path in a matrix file, such as `recipe.optimizer.lr`; then
    each final metric by its name in MLflow, such as `test/accuracy`, a share from 0 to 1. What a cell does not have is
    missing (NaN or None).

    Args:
        study: Its name, its matrix file, or what `load_study` returns.
        home: Where it was run; `$HARNESS_HOME`, else `.harness`.

    Raises:
        InputError: it was never run there.
        StoreError: the store cannot be reached or read.
    """
    import pandas as pd  # noqa: PLC0415  (the command line has no use for it)

    store = store_to_report(home)
    findings = gather(store, _asked(study, store))
    settings = (flatten(entry.planned.cell) for entry in findings.entries)
    paths = dict.fromkeys(path for each in settings for path in each if path not in {"seed", "test"})
    return pd.DataFrame(cell_rows(findings, tuple(paths)))


def report(study: str | Path | Study, *, home: str | Path | None = None) -> Path:
    """Write a study's report again from what the store holds, and return its page, `index.html`.

    Args:
        study: Its name, its matrix file, or what `load_study` returns.
        home: Where it was run; `$HARNESS_HOME`, else `.harness`.

    Raises:
        InputError: it was never run there.
        StoreError: the store cannot be reached or read.
    """
    store = store_to_report(home)
    asked = _asked(study, store)
    summary_written(store, asked)
    return report_folder(store, asked) / "index.html"


def summary_written(store: Store, study: str | StudyPlan, *, is_current: bool = False) -> Summary:
    """Write the report of a study, unless the one that is there is current, and return what it comes to.

    Args:
        store: Where it was run.
        study: Its name, for the plan that was logged last; or a plan, what a file asks for now.
        is_current: Whether the report that is there is.

    Raises:
        InputError: the store holds no plan of that name.
        StoreError: the store cannot be read.
    """
    folder = report_folder(store, study)
    if is_current:
        with phase(f"reading the results of {folder.name}"):
            return summarize(store, study)
    with phase(f"writing the report of {folder.name}", len(SECTIONS) + 1):  # the files are the last step
        return write_report(store, study, folder).summary


def store_to_report(home: str | Path | None) -> Store:
    """Return the store of a home.

    Raises:
        InputError: nothing was ever run there.
        StoreError: the store cannot be reached or read.
    """
    store = existing_store(home_of(home))
    if store is None:
        raise InputError(f"nothing was run in {home_of(home)} yet, so there is nothing to report")
    return store


def report_folder(store: Store, study: str | StudyPlan) -> Path:
    """Return where a study's report is written."""
    return folder_of(study if isinstance(study, str) else study.study, store.home / "reports")


def plan_of_file(store: Store, matrix: Path, plugins: Sequence[Path] = ()) -> str | StudyPlan:
    """Return what a matrix file asks for, by what was logged of its study; the study's name if nothing was.

    A file that is still the one which was run needs no reading: its plan is there, and so what --set changed. One that
    was edited is read with the same --set, as far as that still fits.

    Raises:
        InputError: the file has problems.
        StoreError: the store cannot be read.
    """
    study = study_name(matrix)
    plans = store.plans(study)
    newest, run_id = next(plans, (None, ""))
    if newest is None:
        return study
    text = matrix.read_text(encoding="utf-8")
    kept = store.artifact(run_id, MATRIX_FILE)
    if kept is not None and kept.read_text(encoding="utf-8") == text and not EXTENDS.search(text):
        return newest
    catalog = Catalog(tuple(folder.absolute() for folder in plugins))
    return follow(_read(matrix, catalog, newest.override), [newest, *(plan for plan, _ in plans)], catalog)


def _read(matrix: Path, catalog: Catalog, override: Sequence[str]) -> Study:
    try:
        return load_study(matrix, catalog, override)
    except MatrixError:
        if not override:
            raise
    return load_study(matrix, catalog)


def _asked(study: str | Path | Study, store: Store) -> str | StudyPlan:
    if isinstance(study, Study):
        return study.name
    return plan_of_file(store, Path(study)) if Path(study).suffix in MATRIX else str(study)
