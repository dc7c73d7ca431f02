"""Every experiment file of the repository is a valid study."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.matrix import load_study
from harness.plugins import Catalog

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_experiment_file_is_valid(path: Path) -> None:
    assert load_study(path, Catalog()).cells


def test_the_quickstart_runs_the_promised_models_with_two_seeds_and_an_ablation() -> None:
    study = load_study(EXPERIMENTS / "quickstart.yaml", Catalog())
    seeds: dict[str, set[int]] = {}
    for placed in study.cells:
        seeds.setdefault(placed.cell.model.name, set()).add(placed.cell.seed)
    for model in ("hog_svm", "mlp", "small_cnn", "small_vgg", "majority", "logistic"):
        assert seeds[model] == {0, 1}
    assert len(study.ablations) == 1
    assert {placed.cell.dataset.name for placed in study.cells} == {"digits"}
