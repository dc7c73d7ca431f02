"""A cell from its images to its files, in this process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.cell.run import run_cell
from harness.contracts import Cell, Choice, Validation
from harness.contracts.running import Job
from harness.pictures.thumbnails import read_thumbnails
from tests.data.conftest import dataset
from tests.data.test_image_folder import make_tree


class Willing:
    """Hears a cell, and lets its test set be opened."""

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None: ...

    def opening(self, model_digest: str) -> None: ...


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
