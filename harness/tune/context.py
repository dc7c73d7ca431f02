"""What all parts of a tuning study stand on: its settings, its cells, and the store they are looked up in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, Final

from pydantic import JsonValue

from harness.contracts import Cell, Place, PlannedCell, TrialFound, Tune
from harness.data import sealed_set
from harness.matrix import canonical, cell_key, fit_key, sources_digest, varied
from harness.plugins import Catalog
from harness.track import Record, Store
from harness.track.runs import standing_of
from harness.tune.optuna_space import Point, grid_points, start_point

SEALED: Final = "sealed"
SMOKE_TRIALS: Final = 2


@dataclass(frozen=True)
class TuneContext:
    """A tuning study of one experiment. `fingerprint` is its data set's."""

    study: str
    name: str
    """The experiment's."""
    tune: Tune
    store: Store
    catalog: Catalog
    fingerprint: str
    mark: str = ""
    """Where the matrix file asks for it, `matrix.yaml:31:3: tune.NAME`."""
    cache: Path | None = None
    """Where data sets are kept decoded; None in smoke runs, which open no test set."""

    @property
    def title(self) -> str:
        """The study's name in Optuna."""
        return f"{self.study}/{self.name}"

    @cached_property
    def start(self) -> tuple[Point, tuple[str, ...]]:
        """The experiment's own settings as a point, and the paths whose own value is outside of the space."""
        return start_point(self.tune.space, self.tune.start, self.catalog)

    @cached_property
    def grid(self) -> list[Point]:
        """The points of a grid but the start's; empty for samplers that draw."""
        if self.tune.sampler != "grid":
            return []
        point, outside = self.start
        points = [each for each in grid_points(self.tune.space) if outside or each != point]
        if len(points) >= self.tune.trials:  # too few trials for all: then from everywhere, not from one corner
            Random(self.title).shuffle(points)
        return points

    @property
    def budget(self) -> int:
        """How many trials there are to be; a grid may have fewer points than the file allows trials."""
        return min(self.tune.trials, len(self.grid) + 1) if self.tune.sampler == "grid" else self.tune.trials

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """What makes it this search and no other, as JSON-like data."""
        tune = self.tune
        return {
            "settings": canonical(tune.start.model_copy(update={"train_on": "train", "test": "never"}), self.catalog),
            "data": self.fingerprint,
            "space": {path: each.model_dump(mode="json") for path, each in tune.space.items()},
            "objective": tune.objective.model_dump(mode="json") | {"seeds": list(tune.seeds[: tune.objective.seeds])},
            "constraints": dict(tune.constraints),
            "sampler": tune.sampler,
            "pruner": tune.pruner,
        }

    @property
    def digest(self) -> str:
        """16 hex digits of the identity."""
        return sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()[:16]

    def trial_cells(self, found: TrialFound) -> tuple[PlannedCell, ...]:
        """Return a trial's cells, one for each seed of the objective; they never see the test set.

        Raises:
            MatrixError: the point makes no valid cell.
        """
        return self._sealed(found, self.tune.seeds[: self.tune.objective.seeds], "search")

    def confirmation_cells(self, found: TrialFound) -> tuple[PlannedCell, ...]:
        """Return the trial's cells on fresh seeds; they never see the test set either."""
        assert self.tune.confirm is not None
        return self._sealed(found, self.tune.confirm.seeds, "confirm")

    def final_cells(self, found: TrialFound) -> tuple[PlannedCell, ...]:
        """Return the winner's cells, one for each seed of the experiment, as what it is compared with has them.

        Each opens the test set once, unless the experiment says never.
        """
        settings = {"train_on": self.tune.final.train_on, "test": self.tune.start.test}
        cell = self._varied(found.params).model_copy(update=settings)
        tags = {"harness.stage": "final", "harness.trial": str(found.number)}
        return tuple(
            self._planned(
                cell.model_copy(update={"seed": seed}), f"{self.name} tuned", "", f"{self.name} tuned s{seed}", tags
            )
            for seed in self.tune.seeds
        )

    def finished(self, planned: PlannedCell, any_source: bool = False) -> Record | None:
        """Return the newest finished run of a cell, by the same source unless any will do."""
        found = self.store.cell_records([planned.key])[planned.key]
        now = standing_of(planned, found, any_source=any_source)
        return now.run if now.state == "done" else None

    def bury(self, planned: PlannedCell) -> None:
        """End as killed what a process that is gone has left running of this cell; only where it is known to be gone.

        What such a run has saved is gone on with, which needs a run that has ended.
        """
        for record in self.store.cell_records([planned.key])[planned.key]:
            if record.status == "RUNNING" and (record.study, record.name) == (self.study, planned.name):
                self.store.end(record.run_id, "KILLED", "the process that ran it is gone")

    def _sealed(self, found: TrialFound, seeds: Iterable[int], stage: str) -> tuple[PlannedCell, ...]:
        base = self._varied(found.params).model_copy(update={"train_on": "train", "test": "never"})
        tags = {"harness.stage": stage, "harness.trial": str(found.number), "harness.test": SEALED}
        word = "trial" if stage == "search" else stage
        return tuple(
            self._planned(
                base.model_copy(update={"seed": seed}),
                self.name,
                f"{word} {found.number}",
                f"{self.name} {word} {found.number} s{seed}",
                tags,
            )
            for seed in seeds
        )

    def _test_files(self, cell: Cell) -> str:
        """Return what tells the test set that a cell opens; the files are not looked at for those that open none."""
        if cell.test == "never" or self.cache is None:
            return ""
        return sealed_set(cell.dataset, self.catalog, self.cache).files

    def _varied(self, params: Mapping[str, JsonValue]) -> Cell:
        return varied(self.tune.start, params, self.catalog)

    def _planned(self, cell: Cell, experiment: str, label: str, name: str, tags: Mapping[str, str]) -> PlannedCell:
        return PlannedCell(
            name=name,
            cell=cell,
            places=(Place(experiment=experiment, label=label),),
            key=cell_key(cell, self.fingerprint, self.catalog),
            source_digest=sources_digest(cell, self.catalog),
            data_fingerprint=self.fingerprint,
            fit=fit_key(cell, self.fingerprint, self.catalog),
            test_files=self._test_files(cell),
            tags=tags,
        )


def for_smoke(tune: Tune) -> Tune:
    """Return the same study cut to what shows that it works."""
    confirm = tune.confirm and tune.confirm.model_copy(update={"top": 1, "seeds": tune.confirm.seeds[:1]})
    objective = tune.objective.model_copy(update={"seeds": 1})
    trials = min(tune.trials, SMOKE_TRIALS)
    shorter = {"trials": trials, "seeds": tune.seeds[:1], "objective": objective, "confirm": confirm}
    return tune.model_copy(update=shorter)
