"""Where a source on disk keeps each split: `path` holds both, `train` and `test` name one each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from harness.errors import DataError, nearest
from harness.words import SHOWN


@dataclass(frozen=True, slots=True)
class Places:
    """The three options; `train` and `test` go before `path`."""

    source: str
    path: Path | None
    train: Path | None
    test: Path | None

    def own(self, split: str) -> Path | None:
        """Return what the option named after the split says; raises DataError if nothing is there."""
        given = self.train if split == "train" else self.test
        return given and self._existing(split, given)

    def shared(self, split: str) -> Path:
        """Return `path`, for a split that has no option of its own.

        Raises:
            DataError: it is not given, or nothing is there.
        """
        if self.path is None:
            raise DataError(f"{self.missing(split)}: give {split}: or path:")
        return require_existing(self.path, f"{self.source}: path")

    def missing(self, split: str) -> str:
        """Return how the message about a missing split begins."""
        return f"the {split} split of {self.source} is missing"

    def _existing(self, split: str, given: Path) -> Path:
        try:
            return require_existing(given, split)
        except DataError as error:
            raise DataError(f"{self.missing(split)}: {error}") from error


def require_existing(path: Path, option: str) -> Path:
    """Return the path; raises DataError with the nearest name where nothing is there."""
    if path.exists():
        return path
    parent = path.parent
    names = [each.name for each in parent.iterdir()] if parent.is_dir() else []
    guess = nearest(path.name, names)
    is_short = len(names) <= SHOWN or guess.startswith("; did you mean")
    raise DataError(f"{option} {path}: no such file or folder{guess if is_short else ''}")


def stamp_of(files: Iterable[Path]) -> str:
    """Return a text that changes when any of the files moves, grows or is written again."""
    digest = sha256()
    for path in files:
        status = path.stat()
        digest.update(f"{path.absolute()}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
