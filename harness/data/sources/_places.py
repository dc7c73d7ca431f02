"""Where a source on disk keeps each split: `path` holds both, `train` and `test` name one each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.data.listing import require_existing
from harness.errors import DataError


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
