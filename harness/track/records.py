"""What the store holds of a run, as values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

PAGE: Final = 1000


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

    @property
    def parent(self) -> str | None:
        """Run id of the matrix run or tuning study that this run belongs to."""
        return self.tags.get("mlflow.parentRunId")


def search(client: Any, experiments: Mapping[str, str], condition: str = "") -> tuple[Record, ...]:
    """Return the runs of some experiments (id -> name) that meet an MLflow filter, oldest first."""
    if not experiments:
        return ()
    runs = sorted(_pages(client, list(experiments), condition), key=lambda run: run.info.start_time)
    return tuple(record_of(run, experiments[run.info.experiment_id]) for run in runs)


def record_of(run: Any, study: str) -> Record:
    """Return MLflow's run as a record."""
    tags = run.data.tags
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
        tags=dict(tags),
        metrics=dict(run.data.metrics),
        artifacts=run.info.artifact_uri or "",
    )


def history_of(client: Any, run_id: str, metrics: Iterable[str]) -> dict[str, tuple[tuple[int, float], ...]]:
    """Return (step, value) of each metric in step order.

    A final metric that shares its name with an epoch metric was logged last, at the last epoch;
    the first value of a step is the epoch's own.
    """
    return {name: _first_of_steps(client.get_metric_history(run_id, name)) for name in metrics}


def _first_of_steps(points: Sequence[Any]) -> tuple[tuple[int, float], ...]:
    ordered = sorted(points, key=lambda point: (point.step, point.timestamp))
    first: dict[int, float] = {}
    for point in ordered:
        first.setdefault(point.step, point.value)
    return tuple(first.items())


def _pages(client: Any, experiment_ids: list[str], condition: str) -> Iterator[Any]:
    token = None
    while True:
        page = client.search_runs(experiment_ids, condition, max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
