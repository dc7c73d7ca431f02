"""A cell that runs: what is asked of a worker, what is heard meanwhile, how it ends, and who watches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, Protocol

from pydantic import TypeAdapter

from harness.contracts.cell import Cell
from harness.contracts.data import UNKNOWN_SET, SealedSet
from harness.contracts.study import PlannedCell

State = Literal["done", "missing", "failed", "running", "stale"]
"""What the store says of a planned cell before a run."""
CHECKPOINT: Final = "checkpoint.pt"
FITTED: Final = "fitted"
"""What a cell that was cut short goes on from, in its own folder."""
FEATURES: Final = "features"
"""The folder of the cache in which classifiers keep what is costly to compute."""


@dataclass(frozen=True, slots=True)
class Job:
    """A cell and where it runs. `folder` is the cell's own: checkpoint, fitted model, artifacts."""

    key: str
    cell: Cell
    folder: Path
    cache: Path
    device: str
    """auto, cpu, cuda or cuda:N: a wish until it has its place, see `harness.execute.executor`."""
    threads: int
    """CPU threads that it wants and takes; a network's fit has other last bits with another number of them."""
    data_fingerprint: str = ""
    """The planned training split's; images with another one are not fitted on. Empty takes any."""
    test_set: SealedSet = UNKNOWN_SET
    """The planned one; another one is not opened. What of it is unknown takes any."""
    plugins: tuple[Path, ...] = ()
    smoke: bool = False
    light: bool = False
    """Whether it leaves figures and predictions only, as a search's trials do: neither model nor pictures."""
    id: str = ""
    """`PlannedCell.id`: what tells the job from those beside it."""
    fitted: Path | None = None
    """The saved model of a finished run with the same fit, which is taken instead of fitting again."""
    gpu_share: float = 1.0
    """Part of a GPU that it wants, where the executor gives out parts."""
    parts: int = 1
    """In how many micro-batches a network takes each batch: more after memory ran out."""


class Listener(Protocol):
    """Hears a cell while it runs. Raising from `epoch` ends the fit (pruning)."""

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Hear the metrics of a finished epoch (from 1), named as in MLflow (`train/loss` ...).

        A fit that is resumed tells its last two saved epochs again, and those after them.
        """

    def opening(self, model_digest: str, test_set: SealedSet) -> None:
        """Record that a fitted model opens a test set; returns once it is in the ledger.

        Raises:
            SealError: the cell opened this test set before, with another model or by another source.
        """


@dataclass(frozen=True, slots=True)
class Layer:
    """One call of a module without children, for one image.

    `output_shape` leaves the batch out; `parameters` are the trainable ones; `flops` counts a
    multiply-add as two and knows matrix products and convolutions, as torch's counter does.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    flops: int


LAYERS: Final = TypeAdapter(tuple[Layer, ...])
"""A network's layers from and to JSON."""
LAYERS_FILE: Final = "layers.json"
"""The artifact of a cell's run that holds its network's layers, in the order of a forward pass."""


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
    test_files: str = ""
    """`SealedSet.files` of the test set; empty in lines of earlier versions."""
    test_fingerprint: str = ""
    """`SealedSet.fingerprint`; empty where its images had never been decoded: a line is written before that."""
    source_digest: str = ""
    """Digest of the sources of the cell's components: with the model digest it says which function looked."""
    threads: int = 0
    """CPU threads that the model was fitted with; 0 in lines of earlier versions."""

    @property
    def test_set(self) -> SealedSet:
        """The test set that was opened."""
        return SealedSet(self.test_files, self.test_fingerprint)

    def is_same_set(self, other: Opening) -> bool:
        """Whether both are known to be of one test set."""
        return self.test_set.is_same(other.test_set) is True

    def is_of(self, planned: PlannedCell) -> bool:
        """Whether a planned cell's test set was opened by it, as far as is known."""
        return self.key == planned.key and self.test_set.is_same(SealedSet(planned.test_files)) is not False


def looks(openings: Iterable[Opening]) -> tuple[tuple[Opening, ...], ...]:
    """Return openings in groups of one cell and one test set each, in their order: once a group is all there may be.

    Those of which the test set is not on record, by earlier versions, are a group of their own.
    """
    groups: dict[str, list[list[Opening]]] = {}
    for each in openings:
        mine = groups.setdefault(each.key, [])
        is_same = (group for group in mine if group[0].test_set == each.test_set or group[0].is_same_set(each))
        group = next(is_same, None)
        if group is None:
            mine.append([each])
        else:
            group.append(each)
    return tuple(tuple(group) for mine in groups.values() for group in mine)


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
    data_fingerprint: str = ""
    """Of the training split that was read."""
    test_fingerprint: str = ""
    """Of the test split that was read; empty where it was not opened."""
    warnings: tuple[str, ...] = ()
    """What was logged as a warning meanwhile, such as a damaged file that was made again."""


@dataclass(frozen=True, slots=True)
class CellState:
    """A planned cell and where it stands; `reason` says why it failed or counts as stale."""

    planned: PlannedCell
    state: State
    run_id: str | None = None
    reason: str = ""


ELSEWHERE: Final = "runs elsewhere"
"""How the message begins of a cell that is left to another process."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one cell ended in this run; a failed one is a value, not an exception."""

    planned: PlannedCell
    state: Literal["finished", "skipped", "failed", "pruned", "interrupted"]
    run_id: str | None = None
    seconds: float = 0.0
    message: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    fit_run: str = ""
    """The run whose fitted model was taken, where the cell was not fitted itself."""
    is_worth_retrying: bool = False
    """Whether it failed by the machine's fault, such as a worker that died."""

    @property
    def runs_elsewhere(self) -> bool:
        """Whether the cell was left to another process, which had not finished it."""
        return self.state == "skipped" and self.message.startswith(ELSEWHERE)


class Watcher(Protocol):
    """Shows a run as it goes. Called from the driver process only."""

    def started(self, planned: PlannedCell, device: str) -> None:
        """A cell begins to run."""

    def epoch(self, planned: PlannedCell, epoch: int, metrics: Mapping[str, float]) -> None:
        """An epoch (from 1) of a running cell is over. Raising PrunedError ends the fit: the cell is pruned."""

    def ended(self, outcome: Outcome) -> None:
        """A cell is finished, skipped, failed, pruned or interrupted."""


class SilentWatcher:
    """Watches and says nothing."""

    def started(self, planned: PlannedCell, device: str) -> None:
        """Say nothing."""

    def epoch(self, planned: PlannedCell, epoch: int, metrics: Mapping[str, float]) -> None:
        """Say nothing."""

    def ended(self, outcome: Outcome) -> None:
        """Say nothing."""
