"""A cell from its images to its files, in this process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.cell.run import run_cell
from harness.contracts import Cell, Choice, Dataset, SealedSet, Validation
from harness.contracts.running import Job, Result
from harness.errors import TrainingError
from harness.measure.predictions import read_predictions
from harness.pictures.thumbnails import read_thumbnails
from tests.data.conftest import dataset
from tests.data.test_image_folder import make_tree


def run(cell: Cell, folder: Path) -> Result:
    job = Job("a", cell, folder / "cell", folder / "cache", "cpu", threads=1)
    job.folder.mkdir()
    return run_cell(job, Willing())


def test_predictions_name_groups_and_the_worst_of_them_has_its_figure(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "x_train": random.integers(256, size=(40, 4, 4), dtype=np.uint8),
        "y_train": np.arange(40) % 2,
    }
    arrays |= {"x_test": arrays["x_train"][:4], "y_test": arrays["y_train"][:4]}
    np.savez(tmp_path / "set.npz", patient=np.repeat(["a", "b", "c", "d"], 10), **arrays)
    held_out = Validation(fraction=0.5, groups="patient")
    source = dataset("npz", held_out, path=tmp_path / "set.npz")
    cell = Cell(dataset=source, model=Choice(name="logistic"), recipe=None, seed=0, test="never")
    found = run(cell, tmp_path)
    said = read_predictions(found.artifacts / "predictions" / "val.parquet")
    assert said.groups is not None
    assert len(set(said.groups)) == 2
    each = [said.right[said.groups == group].mean() for group in set(said.groups)]
    assert found.metrics["val/worst_group"] == pytest.approx(min(each))


class Willing:
    """Hears a cell, and lets its test set be opened."""

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None: ...

    def opening(self, model_digest: str, test_set: SealedSet) -> None: ...


@pytest.mark.parametrize("test", ["once", "never"])
def test_misclassified_images_go_by_their_files(tmp_path: Path, test: str) -> None:
    make_tree(tmp_path / "set" / "train")
    make_tree(tmp_path / "set" / "test", count=3, seed=1)
    source = dataset("image_folder", Validation(fraction=0.2), path=tmp_path / "set")
    cell = Cell(dataset=source, model=Choice(name="majority"), recipe=None, seed=0, test=test)
    job = Job("a", cell, tmp_path / "cell", tmp_path / "cache", "cpu", threads=1)
    job.folder.mkdir()
    sheet = read_thumbnails(run_cell(job, Willing()).artifacts / "errors")
    split = "test" if test == "once" else "train"
    assert sheet.tiles
    for tile in sheet.tiles:
        assert tile.file.startswith(f"{split}/{sheet.classes[tile.label]}/")
        assert (tmp_path / "set" / tile.file).is_file()


FITTED = '''\
import numpy as np

from harness.contracts import ClassicalModel, Classifier, FitReport, Task


class Odd(ClassicalModel):
    """Does not keep to the protocol."""

    def build(self, task: Task, seed: int) -> Classifier:
        return Fitted()


class Fitted:
    probabilistic = True

    def fit(self, train, validation, listen):
        return FitReport((), None, 0.0, None)

    def predict(self, images):
        return np.zeros({shape}, dtype=np.float32)

    def state(self):
        return {state}

    def load_state(self, state):
        pass

    def parameter_count(self):
        return 0
'''


@pytest.mark.parametrize(
    ("shape", "state", "said"),
    [
        ("(len(images), 11)", '{"a": np.zeros(1)}', r"odd: predict gives scores of shape \[200, 11\] instead of \["),
        ("len(images)", '{"a": np.zeros(1)}', r"odd: predict gives scores of shape \[200\] instead of \[200, 10\]"),
        ("(len(images), 10)", "[np.zeros(1)]", r"odd: state\(\) gives list, where a dict of NumPy arrays"),
        ("(len(images), 10)", '{"a": 1.0}', r"odd: state\(\) gives float, where a dict of NumPy arrays"),
    ],
)
def test_a_model_that_does_not_keep_to_the_protocol_is_told_so(
    tmp_path: Path, shape: str, state: str, said: str
) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "odd.py").write_text(FITTED.format(shape=shape, state=state))
    cell = Cell(
        dataset=Dataset(name="digits", validation=Validation(size=200)), model=Choice(name="odd"), recipe=None, seed=0
    )
    plugins = (tmp_path / "plugins",)
    job = Job("a", cell, tmp_path / "cell", tmp_path / "cache", "cpu", threads=1, plugins=plugins)
    job.folder.mkdir()
    with pytest.raises(TrainingError, match=said):
        run_cell(job, Willing())
