"""What the harness promises of figures: no signal gives chance, copied images show, the seal holds without the file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from typer.testing import CliRunner, Result

from harness.cli.options import app

Arrays = dict[str, NDArray[np.generic]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for all: creating one takes seconds."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def digits() -> Arrays:
    pixels, labels = load_digits(return_X_y=True)
    images = (pixels.reshape(-1, 8, 8, 1) * 15.9375).astype(np.uint8)
    order = np.random.default_rng(0).permutation(len(labels))
    images, labels = images[order], labels[order]
    return {"x_train": images[:1200], "y_train": labels[:1200], "x_test": images[1200:], "y_test": labels[1200:]}


def harness(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


def write_matrix(folder: Path, study: str, source: str, path: Path, experiments: str) -> Path:
    matrix = folder / "matrix.yaml"
    matrix.write_text(
        f"version: 1\nstudy: {study}\nseeds: [0]\n"
        f"dataset: {{name: {source}, path: {path}, validation: {{fraction: 0.2, seed: 0}}}}\n"
        f"experiments:\n{experiments}"
    )
    return matrix


def test_shuffled_labels_end_at_chance_on_the_test_set(digits: Arrays, home: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    shuffled = digits | {name: random.permutation(digits[name]) for name in ("y_train", "y_test")}
    np.savez(tmp_path / "shuffled.npz", **shuffled)
    experiments = "  logistic: {model: logistic}\n  mlp: {model: mlp, recipe: {epochs: 3, optimizer: {lr: 0.01}}}\n"
    matrix = write_matrix(tmp_path, "shuffled", "npz", tmp_path / "shuffled.npz", experiments)

    ended = harness("run", matrix, "--home", home, "--json")

    assert ended.exit_code == 0, ended.output
    four_deviations = 4 * np.sqrt(0.1 * 0.9 / len(digits["y_test"]))
    for cell in json.loads(ended.stdout)["cells"]:
        assert abs(cell["metrics"]["test/accuracy"] - 0.1) < four_deviations


def test_training_images_copied_into_test_are_reported(digits: Arrays, home: Path, tmp_path: Path) -> None:
    copied = dict(digits)
    copied["x_test"] = np.concatenate([digits["x_test"], digits["x_train"][:500]])
    copied["y_test"] = np.concatenate([digits["y_test"], digits["y_train"][:500]])
    np.savez(tmp_path / "copied.npz", **copied)  # type: ignore[arg-type]
    matrix = write_matrix(tmp_path, "copied", "npz", tmp_path / "copied.npz", "  floor: {model: majority}\n")

    described = harness("data", matrix, "--home", home, "--json")
    ended = harness("run", matrix, "--home", home)

    assert described.exit_code == 0, described.output
    assert json.loads(described.stdout)[0]["leakage"]["exact_across"]["images"] == 500
    assert ended.exit_code == 0, ended.output
    for name in ("results.md", "index.html"):
        report = (home / "reports" / "copied" / name).read_text()
        assert "500 test images are in the training split too" in report


def test_without_its_test_file_all_but_the_opening_works_and_a_rerun_finishes_without_refitting(
    digits: Arrays, home: Path, tmp_path: Path
) -> None:
    for split in ("train", "test"):
        write_parquet(tmp_path / f"{split}.parquet", digits[f"x_{split}"], digits[f"y_{split}"])
    matrix = write_matrix(tmp_path, "unsealed", "parquet", tmp_path, "  logistic: {model: logistic}\n")
    (tmp_path / "test.parquet").rename(tmp_path / "elsewhere")

    failed = harness("run", matrix, "--home", home, "--json")
    (tmp_path / "elsewhere").rename(tmp_path / "test.parquet")
    finished = harness("run", matrix, "--home", home, "--json")
    again = harness("run", matrix, "--home", home, "--json")

    (first,), (second,), (third,) = (json.loads(each.stdout)["cells"] for each in (failed, finished, again))
    assert (failed.exit_code, finished.exit_code, again.exit_code) == (1, 0, 0)
    assert first["state"] == "failed" and "test.parquet" in first["message"]
    assert second["state"] == "finished" and second["metrics"]["test/accuracy"] > 0.9
    assert second["run_id"] == first["run_id"]  # the same run went on
    assert third["state"] == "skipped"


def write_parquet(path: Path, images: NDArray[np.generic], labels: NDArray[np.generic]) -> None:
    from io import BytesIO

    from PIL import Image

    def encoded(image: NDArray[np.generic]) -> dict[str, bytes | str]:
        file = BytesIO()
        Image.fromarray(np.asarray(image[..., 0], np.uint8)).save(file, "PNG")
        return {"bytes": file.getvalue(), "path": ""}

    pq.write_table(pa.table({"img": [encoded(image) for image in images], "label": labels}), path)
