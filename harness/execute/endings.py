"""How a job ends: with a result, or with a failure that is a value too."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from harness.contracts import Listener, Result
from harness.contracts.job import Job
from harness.errors import DataError, HarnessError, OutOfMemoryError, PrunedError, SealError, StoreError, TrainingError

FailureKind = Literal["died", "memory", "training", "data", "seal", "pruned", "error"]
RunCell = Callable[[Job, Listener], Result]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job has no result.

    `died` and `memory` are the machine's fault, and the same job may yet succeed; `pruned` is nobody's.
    """

    kind: FailureKind
    message: str
    traceback: str

    @property
    def is_worth_retrying(self) -> bool:
        """Whether it may go better next time."""
        return self.kind in {"died", "memory"}


Ending = Result | Failure


def attempt(run_cell: RunCell, job: Job, listen: Listener) -> Ending:
    """Run a job; what it raises is its failure. Only a store that is out of reach ends more than the job."""
    try:
        return run_cell(job, listen)
    except StoreError:
        raise
    except Exception as error:
        return failure_of(error)


def failure_of(error: Exception) -> Failure:
    """Return an exception as a failure."""
    message = str(error) if isinstance(error, HarnessError) else f"{type(error).__name__}: {error}"
    return Failure(_kind(error), message, "".join(traceback.format_exception(error)))


def _kind(error: Exception) -> FailureKind:
    match error:
        case OutOfMemoryError() | MemoryError():
            return "memory"
        case TrainingError():
            return "training"
        case DataError():
            return "data"
        case SealError():
            return "seal"
        case PrunedError():
            return "pruned"
        case _:
            return "error"
