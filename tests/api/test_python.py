"""The Python interface: what a notebook calls."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import harness
from harness.errors import InputError, MatrixError, StoreError
from harness.track import open_store
from tests.cli.homes import images_of, logged_scores

MATRIX = """\
version: 1
study: little
dataset: {name: digits, validation: {size: 200}, limit: {train: 400, test: 120}}
seeds: [0]
defaults: {recipe: {epochs: 2, batch_size: 50, optimizer: {name: sgd, lr: 0.05}}}
experiments:
  floor: {model: majority}
  hog: {model: {name: hog_svm, pixels_per_cell: 2}}
  cnn: {model: {name: small_cnn, width: 4}, seeds: [0, 1]}
  sealed: {model: {name: mlp, hidden: 8}, test: never}
"""


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("python") / "little.yaml"
    path.write_text(MATRIX)
    return path


@pytest.fixture(scope="module")
def said() -> list[str]:
    """The lines that the run told."""
    return []


@pytest.fixture(scope="module")
def home(matrix: Path, said: list[str]) -> Path:
    """Where the file was run in this process."""
    place = matrix.parent / "home"
    finished = harness.run(matrix, home=place, executor="inline", device="cpu", tell=said.append)
    assert (finished.study, finished.state, finished.left_out) == ("little", "complete", 0)
    assert finished.page == place / "reports" / "little" / "index.html"
    return place


def test_importing_it_imports_nothing_slow() -> None:
    code = (
        "import harness, sys; print([each for each in ('mlflow', 'numpy', 'pydantic', 'torch') if each in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_reading_a_file_needs_no_torch_and_no_mlflow(matrix: Path) -> None:
    code = (
        "import harness, sys; harness.load_study(sys.argv[1]); print('torch' in sys.modules, 'mlflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, matrix], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"


def test_all_that_is_offered_is_there() -> None:
    assert all(callable(getattr(harness, name)) for name in harness.__all__)
    assert set(harness.__all__) <= set(dir(harness))
    with pytest.raises(AttributeError, match="'nothing'"):
        harness.nothing  # noqa: B018


def test_a_study_is_read_with_values_changed(matrix: Path) -> None:
    study = harness.load_study(matrix, override={"recipe.epochs": 7, "recipe.optimizer": {"name": "adam"}}, only="cnn*")
    assert [placed.name for placed in study.cells] == ["cnn s0", "cnn s1"]
    recipe = study.cells[0].cell.recipe
    assert recipe is not None and (recipe.epochs, recipe.optimizer.name) == (7, "adam")


def test_what_is_wrong_with_a_file_is_a_matrix_error_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(MATRIX.replace("epochs: 2", "epochs: 0"))
    with pytest.raises(MatrixError, match=r"bad\.yaml:5:29: defaults\.recipe\.epochs: 0 is not"):
        harness.load_study(tmp_path / "bad.yaml")
    assert issubclass(MatrixError, harness.HarnessError)


def test_a_run_tells_how_its_cells_ended_and_runs_nothing_twice(matrix: Path, home: Path, said: list[str]) -> None:
    assert said[0] == "little: 5 cells of 5 to run"
    assert len(said) == 6 and all(" finished, val/accuracy " in line for line in said[1:])
    lines: list[str] = []
    again = harness.run(matrix, home=home, executor="inline", tell=lines.append)
    assert lines == ["little: 0 cells of 5 to run"]
    assert again.state == "complete" and {each.state for each in again.cells} == {"skipped"}
    assert again.summary is not None and again.summary.headline[0].startswith("hog ")


def test_a_run_of_some_cells_is_incomplete_and_says_how_many_are_left(matrix: Path, tmp_path: Path) -> None:
    finished = harness.run(matrix, home=tmp_path, only="floor", executor="inline", device="cpu")
    assert (finished.state, finished.in_file, finished.left_out) == ("incomplete", 5, 4)


def test_results_are_a_row_a_cell_with_settings_and_metrics_by_their_names(home: Path) -> None:
    found = harness.results("little", home=home)
    assert list(found["name"]) == ["floor s0", "hog s0", "cnn s0", "cnn s1", "sealed s0"]
    assert list(found.columns[:4]) == ["name", "experiment", "seed", "key"]
    assert set(found["state"]) == {"done"} and list(found["test"])[-1] == "never"
    cnn = found[found["experiment"] == "cnn"].iloc[0]
    assert (cnn["model.name"], cnn["recipe.epochs"], cnn["recipe.optimizer.lr"]) == ("small_cnn", 2, 0.05)
    record = open_store(home).record(str(cnn["run_id"]))
    for metric in ("val/accuracy", "test/accuracy", "test/ece", "model/parameters", "time/train_seconds"):
        assert cnn[metric] == record.metrics[metric]
    assert found["test/accuracy"].isna().sum() == 1
    assert "lr" not in found.columns  # of epochs, not of cells


def test_results_are_found_by_file_and_by_what_was_read_of_it(
    matrix: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_name = harness.results("little", home=str(home))
    assert by_name.equals(harness.results(matrix, home=home))
    monkeypatch.setenv("HARNESS_HOME", str(home))
    assert by_name.equals(harness.results(harness.load_study(matrix)))


def test_what_was_never_run_is_an_input_error(home: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match='"other" was never run'):
        harness.results("other", home=home)
    with pytest.raises(InputError, match="nothing was run in"):
        harness.report("little", home=tmp_path / "empty")
    assert not (tmp_path / "empty").exists()


def test_a_report_is_written_again_byte_for_byte(matrix: Path, home: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(home, tmp_path / "home")
    before = (copy / "reports/little/index.html").read_bytes()
    shutil.rmtree(copy / "reports")
    page = harness.report(matrix, home=copy)
    assert page == copy / "reports/little/index.html"
    assert page.read_bytes() == before


def test_a_model_predicts_pixels_as_it_did_when_it_was_measured(home: Path) -> None:
    model = harness.load_model("cnn s1", home=home)
    kept, pixels = logged_scores(home, model.record.run_id), images_of(home, "little")
    found = model.predict(pixels)
    assert found.classes == kept.classes
    assert np.allclose(found.scores, kept.scores, atol=1e-4)
    assert found.probabilities is not None and np.allclose(found.probabilities.sum(axis=1), 1)
    assert found.labels == [kept.classes[k] for k in kept.scores.argmax(axis=1)]
    assert np.array_equal(model.predict(pixels[..., 0]).scores, found.scores)


def test_a_model_predicts_files_and_folders(home: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(tmp_path / name)
    found = harness.load_model("hog s0", home=home).predict(tmp_path)
    assert [path.name for path in found.paths] == ["a.png", "b.png"]
    assert found.probabilities is None and found.scores.shape == (2, 10)
    frame = found.to_frame()
    assert list(frame.columns) == ["label", *found.classes] and frame.index[0] == str(tmp_path / "a.png")
    assert list(frame["label"]) == found.labels


def test_pixels_of_another_type_or_shape_and_files_that_are_none_are_input_errors(home: Path, tmp_path: Path) -> None:
    model = harness.load_model("hog s0", home=home)
    with pytest.raises(InputError, match=r"the model takes uint8 \[N, 8, 8, 1\], not float64 \[3, 8, 8\]"):
        model.predict(np.zeros((3, 8, 8)))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"not uint8 \[3, 9, 8, 1\]"):
        model.predict(np.zeros((3, 9, 8, 1), np.uint8))
    (tmp_path / "no.png").write_text("not a picture")
    with pytest.raises(InputError, match=r"no\.png: "):
        model.predict([tmp_path / "no.png"])
    assert model.predict(np.zeros((0, 8, 8), np.uint8)).labels == []


def test_a_run_that_is_not_there_and_a_model_that_was_changed_are_told(home: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match='there is no run "cnn s7"'):
        harness.load_model("cnn s7", home=home)
    copy = shutil.copytree(home, tmp_path / "home")
    store = open_store(copy)
    run = next(record for record in store.records("little") if record.name == "cnn s0")
    store.tag(run.run_id, {"harness.model_digest": "0" * 16})
    with pytest.raises(StoreError, match="are not those that were evaluated"):
        harness.load_model("cnn s0", home=copy)
