"""All that a report asks of the tracking store, and all of a study that it holds, read once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from harness.contracts import Opening, PlannedCell, State, StudyPlan, Tuning
from harness.contracts.metrics import TEST_ACCURACY
from harness.contracts.tuned import BEST_FILE, TUNING_FILE
from harness.errors import InputError
from harness.track.journal import Entry as JournalEntry
from harness.track.runs import standing_of
from harness.words import iso_second

if TYPE_CHECKING:
    from pathlib import Path


class RunRecord(Protocol):
    """A run as the store holds it; `start` and `end` are Unix seconds."""

    @property
    def run_id(self) -> str:
        """The run's id in MLflow."""

    @property
    def experiment_id(self) -> str:
        """MLflow's id of the study that the run is in."""

    @property
    def kind(self) -> str:
        """matrix, cell, study or trial."""

    @property
    def name(self) -> str:
        """The run's name."""

    @property
    def status(self) -> str:
        """RUNNING, FINISHED, FAILED or KILLED."""

    @property
    def start(self) -> float:
        """When it began."""

    @property
    def end(self) -> float | None:
        """When it ended; None while it runs."""

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags by name."""

    @property
    def params(self) -> Mapping[str, str]:
        """The settings of its cell, by path."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """The last value of each metric."""


class ReportStore(Protocol):
    """A tracking store, to read from."""

    @property
    def uri(self) -> str:
        """Where it is: a server's address, or a database's."""

    def plan(self, study: str) -> StudyPlan | None:
        """Return the newest plan of a study, None if it was never run."""

    def records(self, study: str) -> Sequence[RunRecord]:
        """Return all runs of a study, oldest first."""

    def cell_records(self, keys: Iterable[str]) -> Mapping[str, Sequence[RunRecord]]:
        """Return the runs of each cell, oldest first, whichever study they were made for."""

    def history(self, run_id: str, metrics: Iterable[str] | None = None) -> Mapping[str, Sequence[tuple[int, float]]]:
        """Return (step, value) of each metric in step order."""

    def artifact(self, run_id: str, path: str) -> Path | None:
        """Return an artifact's file or folder, None if the run has none of that name."""

    def openings(self, keys: Iterable[str] | None = None) -> Sequence[Opening]:
        """Return the ledger's lines for some cells, oldest first."""

    def entries(self) -> Sequence[JournalEntry]:
        """Return the entries of the journal, by number."""


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
class Tuned:
    """A tuning study, the run that it is logged with, and its `best.yaml` (empty while there is no winner)."""

    tuning: Tuning
    run_id: str
    best: str


@dataclass(frozen=True, slots=True)
class Look:
    """An opening of the study's test images by a cell that the report does not show."""

    opening: Opening
    name: str
    """What its run is called, the key of its cell where the run is gone."""
    accuracy: float | None
    """Its test accuracy, a share from 0 to 1; None where the run is gone or did not finish."""
    is_own: bool
    """Whether this very study opened it: a cell that its file named once, and does not name now."""


@dataclass(frozen=True)
class Findings:
    """A study's plan, its cells in plan order, its matrix runs (oldest first) and its ledger lines.

    The winners of tuning studies stand among the cells, after those of the plan.
    """

    plan: StudyPlan
    entries: tuple[Entry, ...]
    matrices: tuple[RunRecord, ...]
    openings: tuple[Opening, ...]
    tuned: tuple[Tuned, ...] = ()
    beyond: tuple[str, ...] = ()
    """What was run for this study that the plan does not name: cells, and the experiments of searches."""
    looks: tuple[Look, ...] = ()
    """Openings of the same test images by other cells, of any study of the store, in their order."""
    journal: tuple[JournalEntry, ...] = ()
    """The journal of the store, by number."""

    @property
    def finished(self) -> tuple[Entry, ...]:
        """The cells that have figures."""
        return tuple(entry for entry in self.entries if entry.is_finished)

    @cached_property
    def by_key(self) -> Mapping[str, Sequence[Entry]]:
        """The cells by key: those that share it differ in their test set alone."""
        found: dict[str, list[Entry]] = {}
        for entry in self.entries:
            found.setdefault(entry.planned.key, []).append(entry)
        return found

    @property
    def is_smoke(self) -> bool:
        """Whether cells ran for a few batches only."""
        return any(entry.tag("smoke") == "true" for entry in self.finished)


def gather(store: ReportStore, asked: str | StudyPlan, until: float | None = None) -> Findings:
    """Read a study.

    Args:
        store: Where it was run.
        asked: Its name, for the plan that was logged last; or a plan, what a file asks for now.
        until: The Unix second after which openings by cells of other studies are left out; None for all of them.

    Raises:
        InputError: the store holds no plan of that name.
    """
    plan = store.plan(asked) if isinstance(asked, str) else asked
    if plan is None:
        raise InputError(f'study "{asked}" was never run in this store: there is nothing to report')
    study, records = plan.study, store.records(plan.study)
    tuned = tuned_experiments(records, store, plan)
    cells = with_finals(plan.cells, tuned)
    keys, lines = {planned.key for planned in cells}, store.openings()
    mine = tuple(each for each in lines if each.key in keys and (each.study == study or _is_of_any(each, cells)))
    shown = set(mine)
    others = tuple(each for each in lines if each not in shown and _is_until(each, study, until))
    runs = store.cell_records([*(planned.key for planned in cells), *(opening.key for opening in others)])
    return Findings(
        plan=plan,
        entries=tuple(_entry(planned, runs[planned.key]) for planned in cells),
        matrices=tuple(record for record in records if record.kind == "matrix"),
        openings=mine,
        beyond=_beyond(records, keys, plan),
        looks=tuple(_looks(study, cells, mine, others, runs)),
        tuned=tuned,
        journal=tuple(store.entries()),
    )


def _is_of_any(opening: Opening, cells: Iterable[PlannedCell]) -> bool:
    """Whether an opening that another study made is of a test set that this one has."""
    return any(opening.is_of(planned) for planned in cells)


def _beyond(records: Sequence[RunRecord], keys: set[str], plan: StudyPlan) -> tuple[str, ...]:
    cells = [run.name for run in records if run.kind == "cell" and run.tags.get("harness.key", "") not in keys]
    searched = [run.tags.get("harness.experiment", "") for run in records if run.kind == "study"]
    searches = [f"the search of {name}" for name in searched if name and name not in plan.tune]
    return tuple(dict.fromkeys((*cells, *searches)))


def _is_until(opening: Opening, study: str, until: float | None) -> bool:
    return until is None or opening.study == study or (iso_second(opening.time) or 0) <= until


def _looks(
    study: str,
    cells: Sequence[PlannedCell],
    mine: Sequence[Opening],
    others: Sequence[Opening],
    runs: Mapping[str, Sequence[RunRecord]],
) -> Iterator[Look]:
    """Yield the openings by other cells of the test images that the study's cells opened, or may open.

    Lines of earlier versions do not say which images they opened: then a cell on the same training images counts.
    """
    opened = {opening.test_set for opening in mine}
    data = {(planned.cell.dataset.name, planned.data_fingerprint) for planned in cells}
    for opening in others:
        of_cell = runs.get(opening.key, ())
        run = next((run for run in of_cell if run.run_id == opening.run_id), None) or (of_cell[-1] if of_cell else None)
        tags = run.tags if run is not None else {}
        same = {test_set.is_same(opening.test_set) for test_set in opened} or {None}
        trained_on = (tags.get("harness.dataset", ""), tags.get("harness.data_fingerprint", ""))
        if True in same or (None in same and (trained_on in data or (run is None and opening.study == study))):
            accuracy = run.metrics.get(TEST_ACCURACY) if run is not None else None
            name = run.name if run is not None else f"cell {opening.key}"
            yield Look(opening, name, accuracy, opening.study == study)


def _entry(planned: PlannedCell, runs: Sequence[RunRecord]) -> Entry:
    found = standing_of(planned, runs)
    return Entry(planned, found.state, found.run, found.reason or ("not run yet" if found.run is None else ""))


def tuned_experiments(records: Iterable[RunRecord], store: ReportStore, plan: StudyPlan) -> tuple[Tuned, ...]:
    """Return the newest search of each experiment for which the plan asks for one, of a study's runs (oldest first)."""
    newest: dict[str, Tuned] = {}
    for record in records:
        found = _tuned(record, store) if record.kind == "study" else None
        if found is not None and found.tuning.experiment in plan.tune:
            newest[found.tuning.experiment] = found
    return tuple(newest.values())


def with_finals(cells: Sequence[PlannedCell], tuned: Iterable[Tuned]) -> tuple[PlannedCell, ...]:
    """Return the planned cells and after them the winners'; a winner that is planned anyway is shown in both places."""
    found = {planned.id: planned for planned in cells}
    for final in (final for each in tuned for final in each.tuning.finals):
        known = found.get(final.id)
        places = (*known.places, *final.places) if known else final.places
        found[final.id] = (known or final).model_copy(update={"places": places})
    return tuple(found.values())


def _tuned(record: RunRecord, store: ReportStore) -> Tuned | None:
    path, best = (store.artifact(record.run_id, name) for name in (TUNING_FILE, BEST_FILE))
    if path is None:
        return None
    tuning = Tuning.model_validate_json(path.read_text(encoding="utf-8"))
    text = best.read_text(encoding="utf-8") if best is not None else ""
    return Tuned(tuning, record.run_id, text)
