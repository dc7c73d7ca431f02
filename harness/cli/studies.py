"""The names of studies: the one a matrix file names, and those that a store holds."""

from __future__ import annotations

from pathlib import Path

from harness.errors import MatrixError
from harness.track import LEDGER, Store
from harness.track.experiments import names_by_id

_NONE_OF_OURS = frozenset({LEDGER, "Default"})


def study_names(store: Store) -> tuple[str, ...]:
    """Return the names of all studies in a store, sorted."""
    return tuple(sorted(set(names_by_id(store.client).values()) - _NONE_OF_OURS))
