from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from harness.contracts import Outcome, PlannedCell, TrialFound, Tune
from harness.execute.executor import open_executor
from harness.execute.plan import RunSettings
from harness.matrix import load_study
from harness.plugins import Catalog
from harness.track import Store
from harness.tune.context import TuneContext
from harness.tune.study import TuneOutcome, run_tuning
from tests.execute.conftest import store

__all__ = ["Diary", "Lab", "lab", "store"]

FAKE = "tests.tune.fake_trials:run_cell"
HEAD = """
version: 1
study: study
dataset: {name: digits, validation: {size: 200, seed: 0}}
seeds: [0, 1]
experiments:
  mlp: {model: mlp, recipe: {epochs: 9, optimizer: {name: sgd, lr: 0.1}}}
tune:
  mlp:
"""
SPACE = """
    space:
      recipe.optimizer.lr: {low: 1.0e-4, high: 1.0, log: true}
      recipe.label_smoothing: {low: 0.0, high: 0.2}
      model.hidden: {choices: [32, 64, 512]}
"""


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of a search take as long as some twenty trials, so one test draws them."""
    monkeypatch.setattr("harness.tune.logging.tuning_pictures", lambda _: {})


@dataclass
class Diary:
    """A watcher that remembers."""

    outcomes: list[Outcome] = field(default_factory=list)
    told: list[TrialFound] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)

    def started(self, planned: PlannedCell, device: str) -> None:
        pass

    def epoch(self, planned: PlannedCell, epoch: int, metrics: Mapping[str, float]) -> None:
        pass

    def ended(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    def study_begins(self, name: str, tune: Tune, done: int, budget: int) -> None:
        self.stages.append(f"{done} of {budget}")

    def trial_told(self, name: str, found: TrialFound, best: TrialFound | None) -> None:
        self.told.append(found)

    def stage_begins(self, name: str, text: str, fits: int) -> None:
        self.stages.append(text)


@dataclass
class Lab:
    """Runs tuning studies whose cells are the fakes of `fake_trials`."""

    folder: Path
    store: Store

    def context(self, tune: str, space: str = SPACE, head: str = HEAD) -> TuneContext:
        path = self.folder / "matrix.yaml"
        path.write_text(head + tune + space)
        study = load_study(path, Catalog())
        (name,) = study.tune
        return TuneContext(study.name, name, study.tune[name], self.store, Catalog(), "data", study.marks[name])

    def run(
        self, context: TuneContext, *, executor: str = "inline", workers: int = 1, diary: Diary | None = None
    ) -> TuneOutcome:
        settings = RunSettings(home=self.store.home, device="cpu", workers=workers)
        return run_tuning(context, open_executor(executor, workers, 1, FAKE), settings, diary or Diary())

    def tune(self, tune: str, space: str = SPACE, head: str = HEAD) -> TuneOutcome:
        return self.run(self.context(tune, space, head))

    def trouble(self, kind: str, call: int) -> None:
        """Let the fake do something at its `call`-th call, from 1."""
        self.store.home.joinpath("cache").mkdir(exist_ok=True)
        self.store.home.joinpath("cache", f"trouble-{call}").write_text(kind)

    @property
    def calls(self) -> list[str]:
        """The keys of the cells that were fitted, in order."""
        path = self.store.home / "cache" / "calls"
        return path.read_text().split() if path.exists() else []

    def in_another(self, home: Path) -> Lab:
        """Return a lab with a store of its own."""
        return replace(self, store=replace(self.store, home=home))


@pytest.fixture
def lab(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.delenv("HARNESS_OPTUNA_STORAGE", raising=False)
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    return Lab(tmp_path, store)
