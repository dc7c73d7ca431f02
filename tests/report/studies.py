"""A store with real state in memory and artifacts on disk, and small studies to fill it with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.contracts import Cell, Choice, Dataset, Opening, Place, PlannedCell, Recipe, StudyPlan, Validation
from harness.data.leakage import Leakage, Twins
from harness.measure.predictions import write_confusion
from harness.report.store import ReportStore
from harness.track.journal import Entry

STUDY = "a study"
CLASSES = ("cat", "dog", "owl")
HISTORY = {
    "train/loss": ((1, 1.5), (2, 0.9), (3, 0.5)),
    "val/loss": ((1, 1.6), (2, 1.1), (3, 0.9)),
    "train/accuracy": ((1, 0.5), (2, 0.7), (3, 0.9)),
    "val/accuracy": ((1, 0.45), (2, 0.65), (3, 0.75)),
}


@dataclass(frozen=True)
class Run:
    run_id: str
    kind: str
    name: str
    status: str
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    start: float = 1_760_000_000.0
    end: float | None = 1_760_000_600.0
    experiment_id: str = "7"
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass
class KeptStore:
    """Satisfies ReportStore. Artifacts lie in `folder`/run id."""

    folder: Path
    kept_plan: StudyPlan | None = None
    matrices: list[Run] = field(default_factory=list)
    cells: dict[str, list[Run]] = field(default_factory=dict)
    histories: dict[str, Mapping[str, tuple[tuple[int, float], ...]]] = field(default_factory=dict)
    ledger: list[Opening] = field(default_factory=list)
    journal: list[Entry] = field(default_factory=list)
    uri: str = "sqlite:///kept.db"

    def plan(self, study: str) -> StudyPlan | None:
        return self.kept_plan if self.kept_plan and self.kept_plan.study == study else None

    def records(self, study: str) -> Sequence[Run]:
        return [*self.matrices, *(run for runs in self.cells.values() for run in runs)]

    def cell_records(self, keys: Iterable[str]) -> Mapping[str, Sequence[Run]]:
        return {key: tuple(self.cells.get(key, ())) for key in keys}

    def history(self, run_id: str, metrics: Iterable[str] | None = None) -> Mapping[str, Sequence[tuple[int, float]]]:
        kept = self.histories.get(run_id, {})
        return {name: kept.get(name, ()) for name in (kept if metrics is None else metrics)}

    def artifact(self, run_id: str, path: str) -> Path | None:
        found = self.folder / run_id / path
        return found if found.exists() else None

    def openings(self, keys: Iterable[str] | None = None) -> Sequence[Opening]:
        wanted = None if keys is None else set(keys)
        return [opening for opening in self.ledger if wanted is None or opening.key in wanted]

    def entries(self) -> Sequence[Entry]:
        return self.journal

    def keep(self, plan: StudyPlan) -> KeptStore:
        """Keep a plan, as a matrix run does."""
        self.kept_plan = plan
        run = Run(f"matrix-{len(self.matrices)}", "matrix", "matrix", "FINISHED", {}, {})
        self.matrices.append(run)
        self._write(run.run_id, "plan.json", plan.model_dump_json())
        return self

    def keep_leakage(
        self, exact: int = 0, near: int = 0, number: int = 0, test_images: int | None = None, searched: bool = True
    ) -> None:
        """Keep the newest matrix run's check of one of its data sets; `searched` for near duplicates or not."""
        check = Leakage(
            checked=True,
            exact_across=Twins(images=exact, pairs=exact),
            near_across=Twins(images=near),
            test_images=test_images,
            least_likeness=0.9 if searched else None,
            least_moved_likeness=0.9 if searched else None,
        )
        self._write(self.matrices[-1].run_id, f"leakage/{number}.json", check.model_dump_json())

    def finish(
        self,
        planned: PlannedCell,
        test: float | None,
        val: float | None = None,
        *,
        device: str = "a CPU",
        seconds: float = 61.0,
        epochs: bool = True,
        tags: Mapping[str, str] | None = None,
    ) -> Run:
        """Keep a cell's finished run with all that it leaves; `test` None leaves the test set sealed."""
        metrics: dict[str, float] = {"time/train_seconds": seconds, "model/parameters": 288_746.0}
        metrics |= {} if val is None else {"val/accuracy": val, "val/macro_f1": val - 0.01}
        metrics |= {} if test is None else {"test/accuracy": test, "test/macro_f1": test - 0.01, "test/loss": 1 - test}
        opened = "sealed" if test is None else "opened"
        own = {"harness.test": opened, "harness.hardware": device, "harness.source_digest": planned.source_digest}
        run_id = f"run-{planned.key}"
        run = Run(run_id, "cell", planned.name, "FINISHED", own | dict(tags or {}), metrics)
        self.cells.setdefault(planned.key, []).append(run)
        if test is not None:
            self.ledger.append(Opening(planned.key, "0123456789abcdef", "2026-11-21T05:00:00+00:00", "host", run_id))
        if epochs:
            self.histories[run_id] = HISTORY
        (self.folder / run_id).mkdir(parents=True)
        write_confusion(np.array([[8, 2, 0], [1, 9, 0], [0, 0, 10]]), CLASSES, self.folder / run_id / "confusion.csv")
        self._write(run_id, "environment.txt", "python: CPython 3.11.9\n\nnumpy==2.4.6\ntorch==2.15.0\n")
        return run

    def fail(self, planned: PlannedCell, reason: str) -> None:
        """Keep a cell's failed run."""
        run = Run(f"run-{planned.key}", "cell", planned.name, "FAILED", {"harness.error": reason}, {})
        self.cells.setdefault(planned.key, []).append(run)

    def _write(self, run_id: str, name: str, text: str) -> None:
        path = self.folder / run_id / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def satisfies_the_protocol(store: KeptStore) -> ReportStore:
    """Let the type checker see that the fake has what the report asks of a store."""
    return store


def cell_of(
    name: str,
    seed: int = 0,
    label: str = "",
    *,
    variant: tuple[tuple[str, Any], ...] = (),
    dataset: Dataset | None = None,
    recipe: bool = True,
    more: tuple[Place, ...] = (),
    **changes: Any,
) -> PlannedCell:
    """Return a planned cell of an experiment; `changes` are fields of the cell."""
    cell = Cell(
        dataset=dataset or Dataset(name="digits", validation=Validation(size=100)),
        model=Choice(name=name.replace("-", "_")),
        recipe=Recipe(**{path.split(".")[-1]: value for path, value in variant}) if recipe else None,
        seed=seed,
    ).model_copy(update=changes)
    places = (Place(experiment=name, variant=variant, label=label), *more)
    shown = " ".join(filter(None, (name, label, f"s{seed}")))
    return PlannedCell(name=shown, cell=cell, places=places, key=shown.replace(" ", "_"), source_digest="source")


def plan_of(*cells: PlannedCell, **more: Any) -> StudyPlan:
    return StudyPlan(study=STUDY, matrix="experiments/a.yaml", cells=cells, **more)
