"""What was asked for on the command line, as frozen values: the border between options and work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Matrix:
    """A matrix file and what of it is asked for."""

    path: Path
    overrides: tuple[str, ...] = ()
    """`PATH=VALUE`, in the path grammar."""
    only: str | None = None
    plugins: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """`harness run`, and `harness plan`, which shows what that would do."""

    matrix: Matrix
    home: Path
    workers: int | None
    executor: str
    device: str
    smoke: bool
    stale: bool
    """Whether cells whose component's source has changed are redone too."""
    json: bool
    verbosity: int
    """-1 quiet, 0 as usual, 1 each epoch."""
    fail_fast: bool = False
    retry: int = 0

    @property
    def store_home(self) -> Path:
        """The home of the store; smoke runs have one of their own, so that they count for nothing else."""
        return self.home / "smoke" if self.smoke else self.home

    @property
    def cache(self) -> Path:
        """Where data sets are kept, for smoke runs too."""
        return self.home / "cache"


@dataclass(frozen=True, slots=True)
class Tune:
    """`harness tune`: the tuning studies alone, or the one of an experiment."""

    run: Run
    name: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """`harness report`."""

    path: Path
    home: Path
    json: bool = False


@dataclass(frozen=True, slots=True)
class Audit:
    """`harness audit`."""

    path: Path
    home: Path
    tolerance: float
    """Share of the test images that may be exact duplicates of training images."""
    report: Path | None = None
    """The folder of the report to be checked; None for the one in the home."""
    json: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """`harness status`."""

    path: Path | None
    home: Path
    json: bool = False


@dataclass(frozen=True, slots=True)
class Ui:
    """`harness ui`."""

    home: Path
    port: int


@dataclass(frozen=True, slots=True)
class Data:
    """`harness data`."""

    name: str | None
    """A source's name, or a matrix file."""
    path: Path | None
    home: Path
    plugins: tuple[Path, ...]
    json: bool


@dataclass(frozen=True, slots=True)
class Images:
    """Height, width and channels of the images, and how many classes."""

    shape: tuple[int, int, int]
    classes: int


@dataclass(frozen=True, slots=True)
class Models:
    """`harness models`."""

    plugins: tuple[Path, ...]
    parameters: Images | None
    """For which images parameters are counted; None leaves them out and needs no torch."""
    json: bool


@dataclass(frozen=True, slots=True)
class Show:
    """`harness show`."""

    model: str
    options: tuple[str, ...]
    """`option=value`."""
    images: Images
    plugins: tuple[Path, ...]
    json: bool


@dataclass(frozen=True, slots=True)
class Schema:
    """`harness schema`."""

    plugins: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Doctor:
    """`harness doctor`."""

    home: Path
    json: bool
