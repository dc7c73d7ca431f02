"""What a fit and a cell say while they run and when they end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path


class Listener(Protocol):
    """Hears a cell while it runs. Raising from `epoch` ends the fit (pruning)."""

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Hear the metrics of a finished epoch (from 1), named as in MLflow (`train/loss` ...).

        A fit that is resumed tells its last two saved epochs again, and those after them.
        """

    def opening(self, model_digest: str) -> None:
        """Record the opening of the test set; returns once it is in the ledger.

        Raises:
            SealError: the cell's test set was opened before with another model digest.
        """


@dataclass(frozen=True, slots=True)
class FitReport:
    """How a fit went. `history[i]` holds the metrics of epoch i + 1; empty for classical models."""

    history: tuple[Mapping[str, float], ...]
    best_epoch: int | None
    train_seconds: float
    peak_bytes: int | None
    ended: str = ""
    """When the fit was over, before any test image was read; UTC in ISO 8601."""


@dataclass(frozen=True, slots=True)
class Opening:
    """One line of the ledger of test openings; `time` is UTC in ISO 8601."""

    key: str
    model_digest: str
    time: str
    host: str
    run_id: str
    study: str = ""
    """The study that opened it."""


@dataclass(frozen=True, slots=True)
class Result:
    """A finished cell: final metrics by MLflow name, and the folder whose files become artifacts."""

    key: str
    model_digest: str
    metrics: Mapping[str, float]
    test: str
    """The value of the tag harness.test: sealed, opened or never."""
    artifacts: Path
    split_digest: str = ""
    """Which images were held out for validation."""
    fit_ended: str = ""
    """`FitReport.ended`."""
