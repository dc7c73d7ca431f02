"""Which store and which study a command is about, found without making any."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from harness.errors import InputError
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


def report_folder(store: Store, study: str) -> Path:
    """Return where a study's report is written."""
    return store.home / "reports" / study
