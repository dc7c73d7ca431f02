"""Planned cells and a clock to drive a run's display with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.contracts import Cell, Choice, Dataset, Place, PlannedCell, Recipe
from tests.cli.homes import make_home


@dataclass
class Clock:
    """A clock that goes on when told to."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


def planned(model: str, seed: int = 0, epochs: int | None = 4, width: int = 8) -> PlannedCell:
    """Return a cell of a network, or of a classical model when it has no epochs."""
    recipe = None if epochs is None else Recipe(epochs=epochs)
    choice = Choice.model_validate({"name": model, "width": width})
    cell = Cell(dataset=Dataset(name="digits"), model=choice, recipe=recipe, seed=seed)
    name = f"{model} width={width} s{seed}"
    key = f"{model}-{width}-{epochs}-{seed}"
    return PlannedCell(
        name=name, cell=cell, places=(Place(experiment=model),), key=key, source_digest="0", data_fingerprint="0"
    )


@pytest.fixture(scope="session")
def finished_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with finished runs, to be read only."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_URI", "HARNESS_HOME"):
            patch.delenv(name, raising=False)
        return make_home(tmp_path_factory.mktemp("finished"))
