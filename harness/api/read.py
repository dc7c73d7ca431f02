"""What was run, read again from the store: a study's results as a table, its report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import InputError
from harness.escape import folder_of
from harness.matrix import Study, flatten, study_name
from harness.phases import phase
from harness.report import Summary, summarize, write_report
from harness.report.csv_files import cell_rows
from harness.report.sections import SECTIONS
from harness.report.store import gather
from harness.track import Store, existing_store, home_of

if TYPE_CHECKING:
    import pandas as pd

MATRIX: frozenset[str] = frozenset({".yaml", ".yml"})


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

    findings = gather(store_to_report(home), _name(study))
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
    store, name = store_to_report(home), _name(study)
    summary_written(store, name)
    return report_folder(store, name) / "index.html"


def summary_written(store: Store, study: str, *, is_current: bool = False) -> Summary:
    """Write the report of a study, unless the one that is there is current, and return what it comes to.

    Raises:
        InputError: the store holds no plan of that name.
        StoreError: the store cannot be read.
    """
    folder = report_folder(store, study)
    if is_current:
        with phase(f"reading the results of {study}"):
            return summarize(store, study)
    with phase(f"writing the report of {study}", len(SECTIONS) + 1):  # the files are the last step
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


def report_folder(store: Store, study: str) -> Path:
    """Return where a study's report is written."""
    return folder_of(study, store.home / "reports")


def _name(study: str | Path | Study) -> str:
    if isinstance(study, Study):
        return study.name
    return study_name(Path(study)) if Path(study).suffix in MATRIX else str(study)
