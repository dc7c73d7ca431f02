"""Which data sets would have to be downloaded first: a plan says so instead of doing it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from harness.contracts import Dataset
from harness.plugins import Catalog

_UNFINISHED: Final = frozenset({".part", ".partial", ".lock"})


def absent_datasets(datasets: Iterable[Dataset], catalog: Catalog, cache: Path) -> frozenset[str]:
    """Return the names of the downloaded data sets that are not in the cache, raw or decoded."""
    names = {dataset.name for dataset in datasets}
    return frozenset(
        name for name in names if catalog.declare("source", name).downloads and not _is_cached(name, cache)
    )


def _is_cached(name: str, cache: Path) -> bool:
    found = [*(cache / "raw" / name).glob("*"), *(cache / "decoded").glob(f"{name}-train-*")]
    return any(path.suffix not in _UNFINISHED for path in found)
