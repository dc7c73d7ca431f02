"""The names of studies: the one a matrix file names, and those that a store holds."""

from __future__ import annotations

from pathlib import Path

from harness.matrix import document as sections
from harness.matrix.document import read_document
from harness.matrix.nodes import Problems
from harness.track import LEDGER, Store
from harness.track.experiments import names_by_id

_NONE_OF_OURS = frozenset({LEDGER, "Default"})


def study_names(store: Store) -> tuple[str, ...]:
    """Return the names of all studies in a store, sorted."""
    return tuple(sorted(set(names_by_id(store.client).values()) - _NONE_OF_OURS))


def study_name(path: Path) -> str:
    """Return the name of the study in a matrix file; the rest of the file may be wrong by now.

    Raises:
        MatrixError: the file cannot be read, is no YAML, or names no study.
    """
    problems = Problems()
    root = read_document(path, problems)
    own = Problems()
    name = sections.study_name(root, own)
    own.raise_any()
    return name
