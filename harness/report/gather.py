"""All that the store holds of a study, read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.contracts import Opening, PlannedCell, State, StudyPlan
from harness.errors import InputError
from harness.report.records import ReportStore, RunRecord
from harness.report.tuning import Tuned, tuned_experiments, with_finals


@dataclass(frozen=True, slots=True)
class Entry:
    """A planned cell and what became of it."""

    planned: PlannedCell
    state: State
    run: RunRecord | None
    """The finished run that the figures come from; without one the newest run, if any."""
    reason: str = ""

    @property
    def seed(self) -> int:
        """The cell's seed."""
        return self.planned.cell.seed

    @property
    def is_finished(self) -> bool:
        """Whether the cell has figures."""
        return self.state in {"done", "stale"}

    def metric(self, name: str) -> float | None:
        """Return a final metric of a finished cell."""
        return self.run.metrics.get(name) if self.run is not None and self.is_finished else None

    def tag(self, name: str) -> str:
        """Return a tag of the cell's run, empty where there is none."""
        return self.run.tags.get(f"harness.{name}", "") if self.run is not None else ""


@dataclass(frozen=True, slots=True)
class Findings:
    """A study's plan, its cells in plan order, its matrix runs (oldest first) and its ledger lines.

    The winners of tuning studies stand among the cells, after those of the plan.
    """

    plan: StudyPlan
    entries: tuple[Entry, ...]
    matrices: tuple[RunRecord, ...]
    openings: tuple[Opening, ...]
    tuned: tuple[Tuned, ...] = ()

    @property
    def finished(self) -> tuple[Entry, ...]:
        """The cells that have figures."""
        return tuple(entry for entry in self.entries if entry.is_finished)

    @property
    def is_smoke(self) -> bool:
        """Whether cells ran for a few batches only."""
        return any(entry.tag("smoke") == "true" for entry in self.finished)


def gather(store: ReportStore, study: str) -> Findings:
    """Read a study.

    Raises:
        InputError: the store holds no plan of that name.
    """
    plan = store.plan(study)
    if plan is None:
        raise InputError(f'study "{study}" was never run in this store: there is nothing to report')
    records = store.records(study)
    tuned = tuned_experiments(records, store)
    cells = with_finals(plan.cells, tuned)
    keys = [planned.key for planned in cells]
    runs = store.cell_records(keys)
    return Findings(
        plan=plan,
        entries=tuple(_entry(planned, runs[planned.key]) for planned in cells),
        matrices=tuple(record for record in records if record.kind == "matrix"),
        openings=tuple(store.openings(keys)),
        tuned=tuned,
    )


def _entry(planned: PlannedCell, runs: Sequence[RunRecord]) -> Entry:
    finished = [run for run in runs if run.status == "FINISHED"]
    fresh = [run for run in finished if run.tags.get("harness.source_digest") == planned.source_digest]
    if fresh:
        return Entry(planned, "done", fresh[-1])
    if finished:
        return Entry(planned, "stale", finished[-1], "the source of a component has changed since")
    if not runs:
        return Entry(planned, "missing", None, "not run yet")
    last = runs[-1]
    if last.status == "FAILED":
        return Entry(planned, "failed", last, last.tags.get("harness.error", "no reason recorded"))
    if last.status == "RUNNING":
        return Entry(planned, "running", last, "still running")
    return Entry(planned, "missing", last, "interrupted")
