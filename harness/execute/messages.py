"""What a worker and the driver tell each other about the job at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.execute.endings import Ending


@dataclass(frozen=True, slots=True)
class EpochDone:
    """From the worker, which waits for an answer before it tells anything else."""

    epoch: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class OpeningAsked:
    """From the worker, which waits for permission to read the test set."""

    model_digest: str


@dataclass(frozen=True, slots=True)
class Answer:
    """From the driver: go on, or raise this."""

    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """From the worker, which then waits for its next job, or for its end if it is not well."""

    ending: Ending
    is_worker_well: bool = True


Message = EpochDone | OpeningAsked | Ended
