"""`harness lr-find` on a small data set whose test split does not exist."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.contracts import Dataset
from harness.data import load_splits
from harness.plugins import Catalog
from tests.cli.homes import harness

MATRIX = """\
version: 1
study: rates
dataset: {name: npz, path: images.npz, validation: {size: 60}}
defaults: {recipe: {batch_size: 30, optimizer: {name: sgd, lr: 0.05}}}
experiments:
  mlp: {model: {name: mlp, hidden: 16}}
  both:
    model: {name: mlp, hidden: 8}
    matrix: {recipe.label_smoothing: [0.0, 0.1]}
  hog: {model: {name: hog_svm, pixels_per_cell: 2}}
"""
FEW = ("--steps", "60", "--device", "cpu")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HARNESS_HOME", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    write_images(tmp_path / "images.npz")
    (tmp_path / "rates.yaml").write_text(MATRIX)
    return tmp_path


def write_images(path: Path, changed: Any = ()) -> None:
    """Write training images alone, as after the test images were deleted; those at `changed` are blackened."""
    random = np.random.default_rng(0)
    labels = np.arange(240) % 4
    images = (random.integers(0, 130, (240, 8, 8, 1)) + 40 * labels[:, None, None, None]).astype(np.uint8)
    images[np.asarray(changed, dtype=np.int64)] = 0
    np.savez(path, x_train=images, y_train=labels)


def found(*arguments: object) -> dict[str, Any]:
    done = harness("lr-find", "rates.yaml", *arguments, *FEW, "--json")
    assert done.exit_code == 0, done.stderr
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


def test_a_rate_is_suggested_without_a_test_split_and_nothing_is_logged(folder: Path) -> None:
    done = harness("lr-find", "rates.yaml", "mlp", *FEW)
    assert done.exit_code == 0, done.stderr
    assert "suggestion: " in done.stdout
    assert "recipe.optimizer.lr now" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    written = {path.name for path in (folder / ".harness").iterdir()}
    assert written == {"cache", "reports"}
    with Image.open(folder / ".harness/reports/rates/lr-find.png") as picture:
        assert picture.size[0] > 800


def test_the_numbers_are_there_for_programs_and_the_picture_where_it_is_wanted(folder: Path) -> None:
    told = found("mlp", "-o", "elsewhere/mlp.png", "--from", "1e-4", "--to", "1")
    assert told["lr"][0] == pytest.approx(1e-4)
    assert len(told["lr"]) == len(told["loss"]) == len(told["smoothed"]) <= 60
    assert told["current"] == 0.05
    assert told["suggestion"] in told["rules"].values()
    assert (folder / "elsewhere/mlp.png").exists()


def test_validation_images_make_no_difference(folder: Path) -> None:
    before = found("mlp")
    dataset = Dataset.model_validate(
        {"name": "npz", "path": str(folder / "images.npz"), "validation": {"size": 60, "seed": 0}}
    )
    held_out = load_splits(dataset, Catalog(), folder / ".harness/cache").validation.index
    write_images(folder / "images.npz", held_out)
    assert found("mlp")["loss"] == before["loss"]
    write_images(folder / "images.npz", np.setdiff1d(np.arange(240), held_out)[:50])
    assert found("mlp")["loss"] != before["loss"], "else the above would prove nothing"


def test_of_several_variants_the_first_is_taken_and_named(folder: Path) -> None:
    done = harness("lr-find", "rates.yaml", "both", *FEW)
    assert "both has 2 cells; this is of both label_smoothing=0.0 s0" in done.stderr
    assert found("both label_smoothing=0.1 s0")["cell"] == "both label_smoothing=0.1 s0"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("hog",), "model hog_svm is not trained by a recipe"),
        (("hog",), "experiments that have one: both, mlp"),
        (("mlpp",), 'there is no experiment "mlpp"; did you mean "mlp"?'),
        (("mlp", "--from", "1", "--to", "0.1"), "is no range above 0"),
        (("mlp", "--steps", "3"), "--steps"),
        (("mlp", "--set", "recipe.epochs=0"), "recipe.epochs"),
    ],
)
def test_what_cannot_be_tested_is_told_and_nothing_is_written(
    folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = harness("lr-find", "rates.yaml", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert not (folder / ".harness").exists()
