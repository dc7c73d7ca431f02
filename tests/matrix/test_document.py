"""Files that extend others, and claims."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import MatrixError
from harness.matrix import load_study
from harness.plugins import Catalog
from tests.matrix.conftest import Complain, Load

TEXT = """\
experiments:
  sealed: {model: net_a, test: never}
  some: {model: {name: net_a, width: 4}, matrix: {test: [once, never]}}
  whole: {model: net_a, recipe: {epochs: 6}, train_on: train+val}
  classical: {model: fit_a}
  flipped: {model: net_b, recipe: {tta: flip}}
claims:
"""


def test_a_figure_to_rank_by_that_no_experiment_can_have_is_told(tmp_path: Path) -> None:
    text = """\
version: 1
study: a
dataset: {name: digits, validation: {size: 100}}
experiments:
  a: {model: hog_svm}
  b: {model: MODEL}
report: {metric: loss}
"""
    path = tmp_path / "matrix.yaml"
    path.write_text(text.replace("MODEL", "{name: hog_svm, C: 2}"))
    with pytest.raises(
        MatrixError, match=r'7:18: report\.metric: no experiment can have "loss": scores of hog_svm are'
    ):
        load_study(path, Catalog())
    path.write_text(text.replace("MODEL", "logistic"))
    assert load_study(path, Catalog()).report.metric == "loss"


def claim(experiment: str, metric: str) -> str:
    return TEXT + f"  - {{experiment: {experiment}, metric: {metric}, value: 0.5}}\n"


@pytest.mark.parametrize(
    ("experiment", "metric", "reason"),
    [
        ("sealed", "test/accuracy", "test: never leaves the test set sealed"),
        ("sealed", "test/ece", "test: never leaves the test set sealed"),
        ("whole", "val/accuracy", "train_on: train+val leaves no validation images"),
        ("whole", "test/accuracy_tta", "there is no test-time augmentation (recipe.tta)"),
        ("classical", "model/flops", 'FLOPs are counted for networks only, and model "fit_a" is none'),
    ],
)
def test_a_claim_that_can_never_be_measured_is_told(
    complain: Complain, experiment: str, metric: str, reason: str
) -> None:
    column = len(f"  - {{experiment: {experiment}, metric: ") + 1
    text = f'"{metric}" of {experiment} can never be measured: {reason}'
    assert complain(claim(experiment, metric)) == [f"matrix.yaml:13:{column}: claims[0].metric: {text}"]


@pytest.mark.parametrize(
    ("experiment", "metric"),
    [
        ("sealed", "val/accuracy"),
        ("some", "test/accuracy"),
        ("whole", "test/accuracy"),
        ("classical", "test/accuracy"),
        ("classical", "memory/peak_bytes"),
        ("flipped", "test/accuracy_tta"),
    ],
)
def test_a_claim_that_some_cell_can_measure_stands(load: Load, experiment: str, metric: str) -> None:
    (found,) = load(claim(experiment, metric)).claims
    assert (found.experiment, found.metric) == (experiment, metric)


@pytest.mark.parametrize(
    ("metric", "value", "problem"),
    [
        ("val/accuracy", "91.5", "91.5 is not a share from 0 to 1; write 0.915 for 91.5 %"),
        ("val/macro_f1", "-0.1", "-0.1 is not a share from 0 to 1"),
        ("val/accuracy", "101", "101 is not a share from 0 to 1"),
        ("model/parameters", "-1", "-1 is not a number of at least 0"),
        ("time/train_seconds", "-2.5", "-2.5 is not a number of at least 0"),
    ],
)
def test_a_claim_has_a_value_that_the_metric_can_have(
    complain: Complain, metric: str, value: str, problem: str
) -> None:
    (found,) = complain(TEXT + f"  - {{experiment: flipped, metric: {metric}, value: {value}}}\n")
    assert found.startswith("matrix.yaml:13:")
    assert found.endswith(f": claims[0].value: {problem}")


def test_a_seal_that_set_gives_does_not_make_claims_wrong(load: Load) -> None:
    assert load(claim("classical", "test/accuracy"), ["test=never"]).claims


def test_extends_merges_a_file_under_this_one(load: Load, tmp_path: Path) -> None:
    base = """\
version: 1
study: base
dataset: dots
seeds: [0]
defaults: {recipe: {epochs: 9, optimizer: {name: step_a, momentum: 0.5}, schedule: flat}}
experiments: {a: {model: net_a}}
budget: {hours: 1}
"""
    (tmp_path / "base.yaml").write_text(base)
    text = (
        "extends: base.yaml\nstudy: mine\ndefaults: {recipe: {optimizer: step_b}}\nexperiments: {b: {model: fit_a}}\n"
    )
    study = load(text, head="")
    assert study.name == "mine"
    assert [each.places[0].experiment for each in study.cells] == ["a", "b"]
    recipe = study.cells[0].cell.recipe
    assert recipe is not None
    assert (recipe.epochs, recipe.optimizer.name) == (9, "step_b")
    assert "momentum" not in recipe.optimizer.options
    assert study.budget.hours == 1


@pytest.mark.parametrize(
    ("name", "reason"), [(r'"a\0b"', "null byte"), ("loop.yaml", "loop"), ("x" * 5000, "too long")]
)
def test_a_path_that_no_file_can_have_is_told(complain: Complain, tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    (problem,) = complain("", head=f"version: 1\nstudy: s\nextends: {name}\n")
    assert problem.startswith("matrix.yaml:3:10: extends: ")
    assert reason in problem.lower()
    assert problem.isprintable()
