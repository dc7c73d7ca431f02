from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from harness.contracts import Cell, Choice, Dataset, Outcome, Place, PlannedCell, Recipe, StudyPlan
from harness.track import Store, open_store

FAKE = "tests.execute.fake_cells:run_cell"


@dataclass
class Diary:
    """A watcher that remembers."""

    started_keys: list[str] = field(default_factory=list)
    epochs: list[tuple[str, int]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def started(self, planned: PlannedCell, device: str) -> None:
        self.started_keys.append(planned.key)

    def epoch(self, planned: PlannedCell, epoch: int, metrics: Mapping[str, float]) -> None:
        self.epochs.append((planned.key, epoch))

    def ended(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


def plan_cell(
    key: str,
    source_digest: str = "source",
    test: Literal["once", "never"] = "once",
    recipe: Recipe | None = None,
    **options: Any,
) -> PlannedCell:
    cell = Cell(
        dataset=Dataset(name="digits"),
        model=Choice(name="fake", **options),
        recipe=recipe,
        seed=0,
        test=test,
    )
    places = (Place(experiment="fakes"),)
    return PlannedCell(
        name=f"fake {key} s0", cell=cell, places=places, key=key, source_digest=source_digest, data_fingerprint="data"
    )


def plan_of(*cells: PlannedCell, partial: bool = False) -> StudyPlan:
    return StudyPlan(study="a study", matrix="matrix.yaml", cells=cells, partial=partial)


@pytest.fixture(autouse=True)
def _fakes_in_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers get our path, so they can import the fakes, too."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return open_store(tmp_path / "home")
