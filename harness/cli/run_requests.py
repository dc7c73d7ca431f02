"""What was asked for of single runs and of whole stores, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.cli.requests import Matrix


@dataclass(frozen=True, slots=True)
class Compare:
    """`harness compare`; the runs as they were given."""

    a: str
    b: str
    split: Literal["val", "test"] | None
    first: int
    """How many changed images of each kind are listed."""
    home: Path
    json: bool


@dataclass(frozen=True, slots=True)
class Predict:
    """`harness predict`."""

    run: str
    images: tuple[Path, ...]
    """Files and folders."""
    top: int
    home: Path
    plugins: tuple[Path, ...]
    json: bool


@dataclass(frozen=True, slots=True)
class LrFind:
    """`harness lr-find`."""

    matrix: Matrix
    experiment: str
    """An experiment's name, or a cell's."""
    low: float
    high: float
    steps: int
    output: Path | None
    """The picture; None for its place among the study's reports."""
    device: str
    home: Path
    json: bool


@dataclass(frozen=True, slots=True)
class Export:
    """`harness export`."""

    run: str
    folder: Path
    force: bool
    """Whether the folder may have files in it."""
    home: Path
    plugins: tuple[Path, ...]
    json: bool


@dataclass(frozen=True, slots=True)
class Gc:
    """`harness gc`."""

    home: Path
    dry_run: bool
    plugins: tuple[Path, ...]
    json: bool


@dataclass(frozen=True, slots=True)
class Merge:
    """`harness merge`."""

    homes: tuple[Path, ...]
    """Whose runs are brought in."""
    home: Path
    json: bool
