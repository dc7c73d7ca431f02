"""Which store and which study a command is about, found without making any."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from harness.errors import InputError
from harness.matrix import document
from harness.matrix.nodes import Problems
from harness.track import LEDGER, Store, existing_store
from harness.track.experiments import names_by_id

_NONE_OF_OURS: Final = frozenset({LEDGER, "Default"})


def store_to_read(home: Path) -> Store:
    """Return the store of a home; raises InputError if nothing was ever run there."""
    store = existing_store(home)
    if store is None:
        raise InputError(f"nothing was run in {home} yet")
    return store


def study_names(store: Store) -> tuple[str, ...]:
    """Return the names of all studies in a store, sorted."""
    return tuple(sorted(set(names_by_id(store.client).values()) - _NONE_OF_OURS))


def study_name(path: Path) -> str:
    """Return the name of the study in a matrix file; the rest of the file may be wrong by now.

    Raises:
        MatrixError: the file cannot be read, is no YAML, or names no study.
    """
    problems = Problems()
    root = document.read_document(path, problems)
    own = Problems()
    name = document.study_name(root, own)
    own.raise_any()
    return name


def report_folder(store: Store, study: str) -> Path:
    """Return where a study's report is written."""
    return store.home / "reports" / study
