"""Which store a command reads, without making one."""

from __future__ import annotations

import os
from pathlib import Path

from harness.errors import InputError
from harness.track import Store, open_store


def existing_store(home: Path) -> Store | None:
    """Return the store of a home, or None if nothing was ever run there.

    Raises:
        StoreError: the store is there and cannot be reached or read.
    """
    if os.environ.get("MLFLOW_TRACKING_URI") or (home / "mlflow.db").exists():
        return open_store(home)
    return None


def store_to_read(home: Path) -> Store:
    """Return the store of a home; raises InputError if nothing was ever run there."""
    store = existing_store(home)
    if store is None:
        raise InputError(f"nothing was run in {home} yet")
    return store
