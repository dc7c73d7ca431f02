"""Runs: one as a value, which of a cell's runs stands for the cell, and how a run is written.

MLflow's pages show every tag of a run above its note, but for those whose names begin with `mlflow.`. So what programs
alone ask for, digests and process ids, is stored under such names; in a `Record` all tags have their plain ones.
"""

from __future__ import annotations

import getpass
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final, Generic, Protocol, TypeVar

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag, ViewType

from harness.contracts import PlannedCell, SealedSet, State
from harness.contracts.metrics import EPOCH_METRICS, METRICS
from harness.errors import without_secrets
from harness.matrix import is_same_source
from harness.words import metric_heading, metric_text

PAGE: Final = 1000
THREADS: Final = "harness.threads"
"""Tag of a run, and of an opening: how many CPU threads the cell was begun with, and goes on with."""
FITTED: Final = frozenset({"cell", "trial"})
"""The kinds of runs that fit a model."""
STALE: Final = "the source of one of its components has changed since, its revision has not"
HIDDEN: Final = "mlflow."
FOR_PROGRAMS: Final = frozenset(
    f"harness.{name}"
    for name in (
        *("pid", "host", "attempt", "smoke", "matrix", "partial", "origin", "optuna_study", "estimated_seconds"),
        *("source_digest", "split_digest", "model_digest", "artifacts_digest", "fit_ended"),
        *("test_files", "test_fingerprint", "fit", "fit_run"),
        *("winner_key", "winner_time"),
    )
)
"""Tags that are stored as `mlflow.harness.NAME`; an earlier version stored them as they are called."""


@dataclass(frozen=True, slots=True)
class Record:
    """A run. `start` and `end` are Unix seconds; `metrics` holds each metric's last value."""

    run_id: str
    study: str
    kind: str
    """matrix, cell, study, trial or opening (the tag harness.kind)."""
    key: str
    name: str
    status: str
    """RUNNING, FINISHED, FAILED or KILLED."""
    start: float
    end: float | None
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    artifacts: str = ""
    """Where its artifacts are: a folder, or an address that the server knows."""
    experiment_id: str = ""
    """MLflow's id of the study."""

    @property
    def parent(self) -> str | None:
        """Run id of the matrix run or tuning study that this run belongs to."""
        return self.tags.get("mlflow.parentRunId")


def record_of(run: Any, study: str) -> Record:
    """Return MLflow's run as a record."""
    tags = _plain_tags(run.data.tags)
    return Record(
        run_id=run.info.run_id,
        study=study,
        kind=tags.get("harness.kind", ""),
        key=tags.get("harness.key", ""),
        name=run.info.run_name or "",
        status=run.info.status,
        start=run.info.start_time / 1000,
        end=run.info.end_time / 1000 if run.info.end_time else None,
        params=dict(run.data.params),
        tags=tags,
        metrics=dict(run.data.metrics),
        artifacts=run.info.artifact_uri or "",
        experiment_id=str(run.info.experiment_id),
    )


def _plain_tags(stored: Mapping[str, str]) -> dict[str, str]:
    """Return tags by their plain names; where a run has one under both, it was written again, hidden, later."""
    hidden = f"{HIDDEN}harness."
    plain = {name: value for name, value in stored.items() if not name.startswith(hidden)}
    return plain | {name.removeprefix(HIDDEN): value for name, value in stored.items() if name.startswith(hidden)}


def search(
    client: Any, experiments: Mapping[str, str], condition: str = "", *, deleted: bool = False
) -> tuple[Record, ...]:
    """Return the runs, or the deleted ones, of experiments (id -> name) that meet an MLflow filter, oldest first."""
    if not experiments:
        return ()
    view = ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY
    runs = sorted(_pages(client, list(experiments), condition, view), key=lambda run: run.info.start_time)
    return tuple(record_of(run, experiments[run.info.experiment_id]) for run in runs)


def _pages(client: Any, experiment_ids: list[str], condition: str, view: int) -> Iterator[Any]:
    token = None
    while True:
        page = client.search_runs(experiment_ids, condition, view, max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


class RunLike(Protocol):
    """What is asked of a run to tell whether it stands for its cell."""

    @property
    def status(self) -> str:
        """RUNNING, FINISHED, FAILED or KILLED."""

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags by name."""


_Run = TypeVar("_Run", bound=RunLike)


@dataclass(frozen=True, slots=True)
class Standing(Generic[_Run]):
    """Where a cell stands by its runs, and the run that says so: the finished one, else the newest, if any."""

    state: State
    run: _Run | None = None
    reason: str = ""
    """Why there are no figures, or what is wrong with them; empty of a cell that was never run."""

    @property
    def finished(self) -> _Run | None:
        """The run that the cell's figures come from."""
        return self.run if self.state in {"done", "stale"} else None


def standing(runs: Sequence[_Run], source_digest: str | None = None) -> Standing[_Run]:
    """Return where a cell stands: the newest finished run of the given source counts, else the newest finished one.

    Args:
        runs: The cell's runs, oldest first. One that is RUNNING is taken at its word: whether its process is alive
            is for the caller to find out before.
        source_digest: Digest of the components' sources as they are now; None where runs of any source are alike.
    """
    finished = [run for run in runs if run.status == "FINISHED"]
    tag = "harness.source_digest"
    fresh = [run for run in finished if source_digest is None or is_same_source(run.tags.get(tag), source_digest)]
    if fresh:
        return Standing("done", fresh[-1])
    if finished:
        return Standing("stale", finished[-1], STALE)
    if not runs:
        return Standing("missing")
    last = runs[-1]
    if last.status == "FAILED":
        return Standing("failed", last, last.tags.get("harness.error", "no reason is on record"))
    if last.status == "RUNNING":
        return Standing("running", last, "it is still running")
    return Standing("missing", last, "it was interrupted")


class CellRunLike(RunLike, Protocol):
    """What is asked of a run to tell which test set its figures are of."""

    @property
    def params(self) -> Mapping[str, str]:
        """The settings of its cell, by path."""


_CellRun = TypeVar("_CellRun", bound=CellRunLike)
CHANGED: Final = "the test files have changed since they were opened; the model is kept, they are opened anew"
OTHER_SET: Final = "its fit is done, another test set was opened by it; the model is kept, this one is opened too"

MODEL_KEPT: Final = (CHANGED, OTHER_SET)
"""Reasons for which a cell is missing that takes no fit."""


def standing_of(planned: PlannedCell, runs: Sequence[_CellRun], *, any_source: bool = False) -> Standing[_CellRun]:
    """Return where a planned cell stands by the runs of its key (oldest first): the one place that decides it.

    A run whose figures are of another test set than the planned one does not stand for the cell. `any_source` takes
    runs of any source alike.
    """
    mine = [run for run in runs if not is_of_other_test_set(run, planned)]
    found = standing(mine, None if any_source else planned.source_digest)
    others = [run for run in runs if run.status == "FINISHED" and run not in mine]
    if found.state != "missing" or not others:
        return found
    is_changed = any(_is_at_same_place(run, planned) for run in others)
    return Standing("missing", found.run, CHANGED if is_changed else OTHER_SET)


def is_of_other_test_set(run: CellRunLike, planned: PlannedCell) -> bool:
    """Whether a run of a cell's key is known to be of another test set than the planned one.

    Where the test set is not on record, in runs of earlier versions, or not at hand, the names of the files decide.
    """
    if planned.cell.test == "never":
        return False
    recorded = SealedSet(run.tags.get("harness.test_files", ""), run.tags.get("harness.test_fingerprint", ""))
    is_same = recorded.is_same(SealedSet(planned.test_files))
    return not (_is_at_same_place(run, planned) if is_same is None else is_same)


def _is_at_same_place(run: CellRunLike, planned: PlannedCell) -> bool:
    """Whether a run's test files had the planned names, whichever folder they lay in."""
    several = {path for path in run.params if path.startswith("dataset.test.")}
    if several != {f"dataset.{name}" for name in planned.test_options if name.startswith("test.")}:
        return False
    ours = {"path": "null", "test": "null"} | {name: str(value) for name, value in planned.test_options.items()}
    theirs = {name: run.params.get(f"dataset.{name}", own) for name, own in ours.items()}
    return all(PurePath(theirs[name]).name == PurePath(ours[name]).name for name in ours)


PARAMS_A_BATCH: Final = 100
LONGEST_PARAM: Final = 6000
LONGEST_TAG: Final = 8000
LONGEST_ERROR: Final = 500
LONGEST_DIGEST: Final = 36

Scalar = str | int | float | bool | None


_as_of: ContextVar[int | None] = ContextVar("as_of", default=None)


def now_ms() -> int:
    """Return the Unix millisecond as of which is written what is written now."""
    then = _as_of.get()
    return int(time.time() * 1000) if then is None else then


@contextmanager
def as_of(milliseconds: int) -> Iterator[None]:
    """Have what is written within the block be of an earlier moment: written twice, it is there once."""
    token = _as_of.set(milliseconds)
    try:
        yield
    finally:
        _as_of.reset(token)


def log_params(client: Any, run_id: str, params: Mapping[str, Scalar]) -> None:
    """Log parameters."""
    entries = [Param(name, value) for name, value in stored_params(params).items()]
    for start in range(0, len(entries), PARAMS_A_BATCH):
        client.log_batch(run_id, params=entries[start : start + PARAMS_A_BATCH])


def stored_params(params: Mapping[str, Scalar]) -> dict[str, str]:
    """Return parameters as the store has them: cut with an ellipsis where MLflow allows no more (cell.yaml does)."""
    return {name: cut(text_of(value), LONGEST_PARAM) for name, value in params.items()}


def text_of(value: Scalar) -> str:
    """Return a setting as it is written in YAML, so that `null` and `true` read as in a matrix file."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def log_dataset(client: Any, run_id: str, tags: Mapping[str, str]) -> None:
    """Log which data set a run was trained on, so that MLflow's tables can show it and choose by it."""
    name, fingerprint = tags.get("harness.dataset"), tags.get("harness.data_fingerprint")
    if not name or not fingerprint:
        return
    dataset = Dataset(name, fingerprint[:LONGEST_DIGEST], source_type="harness", source=json.dumps({"name": name}))
    client.log_inputs(run_id, datasets=[DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])


def log_epoch(client: Any, run_id: str, metrics: Mapping[str, float], epoch: int) -> None:
    """Log the metrics of an epoch in one call."""
    _log(client, run_id, metrics, dict.fromkeys(metrics, epoch), {})


def log_final(client: Any, run_id: str, metrics: Mapping[str, float], epoch: int, tags: Mapping[str, str]) -> None:
    """Log final metrics and tags: those that epochs have too at the last epoch, so that they count; the others at 0.

    MLflow's charts draw a metric as bars, not as a line of one point, where no run has it at a later step.
    """
    steps = {name: epoch if name in EPOCH_METRICS else 0 for name in metrics}
    _log(client, run_id, metrics, steps, {**tags, "mlflow.note.content": note(metrics)})


def log_tags(client: Any, run_id: str, tags: Mapping[str, str]) -> None:
    """Set tags in one call."""
    _log(client, run_id, {}, {}, tags)


def _log(
    client: Any, run_id: str, metrics: Mapping[str, float], steps: Mapping[str, int], tags: Mapping[str, str]
) -> None:
    now = now_ms()
    client.log_batch(
        run_id,
        metrics=[Metric(name, float(value), now, steps[name]) for name, value in metrics.items()],
        tags=[RunTag(name, value) for name, value in stored_tags(tags).items()],
    )


def stored_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return tags as the store has them: those for programs out of sight, none longer than MLflow allows."""
    return {stored_name(name): cut(without_secrets(value), LONGEST_TAG) for name, value in tags.items()}


def stored_name(tag: str) -> str:
    """Return what a tag is called in the store."""
    return f"{HIDDEN}{tag}" if tag in FOR_PROGRAMS else tag


def cut(text: str, longest: int) -> str:
    """Return the text, its tail replaced by an ellipsis where it is too long."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def origin(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags by which MLflow's own columns say who made a run, with what, from which commit."""
    commit = tags.get("harness.git", "none").removesuffix("+dirty")
    known = {"mlflow.source.git.commit": commit} if commit != "none" else {}
    with suppress(OSError, KeyError):  # a container may know no name for its user
        known["mlflow.user"] = getpass.getuser()
    return {"mlflow.source.name": "harness", "mlflow.source.type": "LOCAL", **known}


def note(metrics: Mapping[str, float]) -> str:
    """Return the Markdown that MLflow shows above a run: the figures that one looks for first, in one row.

    MLflow leaves no room between columns.

    >>> print(note({"test/accuracy": 0.9123, "model/parameters": 288746, "best_epoch": 3}))
    | &emsp;test top-1 % | &emsp;parameters |
    |---:|---:|
    | 91.23 | 288,746 |
    """
    names = [name for name, row in METRICS.items() if row.is_headline and name in metrics]
    shown = [(f"&emsp;{metric_heading(name)}", metric_text(name, metrics[name], unit=False)) for name in names]
    if not shown:
        return ""
    titles, texts = (f"| {' | '.join(cells)} |" for cells in zip(*shown, strict=True))
    return "\n".join([titles, f"|{'---:|' * len(shown)}", texts])


def history_of(points: Iterable[Any]) -> tuple[tuple[int, float], ...]:
    """Return (step, value) of a metric's points in step order.

    A final metric that shares its name with an epoch metric was logged last, at the last epoch;
    the first value of a step is the epoch's own.
    """
    first: dict[int, float] = {}
    for point in sorted(points, key=lambda point: (point.step, point.timestamp)):
        first.setdefault(point.step, point.value)
    return tuple(first.items())
