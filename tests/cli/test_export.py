"""Exported folders: used by a process that has no harness, and by the harness again."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from markdown_it import MarkdownIt
from numpy.typing import NDArray
from PIL import Image

from harness.cell.saved import load_classifier, model_digest
from harness.contracts import Cell, Choice, Dataset
from harness.data.image_files import Picture, read_picture
from harness.errors import HarnessError, printable
from harness.export.bundle import without_places, write_bundle
from harness.export.card import write_card
from harness.export.program import missing_for_onnx, write_program
from harness.matrix import cell_to_yaml
from harness.plugins import Catalog
from harness.track import open_store
from harness.track.fitted import load_fitted
from tests.cli.homes import harness, images_of, logged_scores, record_of
from tests.nasty import NASTY

STRANGER = """
import importlib.util, sys

class NotHere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"harness", "baselines"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, NotHere())
import numpy as np, torch
torch.set_num_threads(1)
spec = importlib.util.spec_from_file_location("classify", "classify.py")
classify = importlib.util.module_from_spec(spec)
spec.loader.exec_module(classify)
network, about = classify.load()
np.save("scores.npy", classify.scores(network, np.load("images.npy"), about))
assert not any(name.startswith(("harness", "baselines")) for name in sys.modules)
"""


@pytest.fixture(scope="module")
def network(finished_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an exported network."""
    folder = tmp_path_factory.mktemp("exported") / "cnn"
    done = harness("export", "cnn s0", "-o", folder, "--home", finished_home)
    assert done.exit_code == 0, done.stderr
    assert "exported: " in done.stderr
    return folder


@pytest.fixture(scope="module")
def classical(finished_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an exported SVM."""
    folder = tmp_path_factory.mktemp("exported") / "hog"
    assert harness("export", "hog s0", "-o", folder, "--home", finished_home).exit_code == 0
    return folder


def test_a_stranger_without_the_harness_gets_the_logged_test_predictions(
    finished_home: Path, network: Path, tmp_path: Path
) -> None:
    place = shutil.copytree(network, tmp_path / "downloaded")
    np.save(place / "images.npy", images_of(finished_home))
    command = [sys.executable, "-I", "-c", STRANGER]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    logged = logged_scores(finished_home, record_of(finished_home, "cnn s0").run_id)
    assert np.load(place / "scores.npy") == pytest.approx(logged.scores, abs=1e-4)
    accuracy = float((np.load(place / "scores.npy").argmax(axis=1) == logged.labels).mean())
    assert accuracy == record_of(finished_home, "cnn s0").metrics["test/accuracy"]


def test_the_example_names_the_class_of_a_file_on_the_command_line(finished_home: Path, network: Path) -> None:
    logged = logged_scores(finished_home, record_of(finished_home, "cnn s0").run_id)
    Image.fromarray(images_of(finished_home)[0, ..., 0]).save(network.parent / "first.png")
    command = [sys.executable, "-I", str(network / "classify.py"), str(network.parent / "first.png")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[1].split()[0] == logged.classes[logged.scores[0].argmax()]
    assert len(said) == 1 + 5


@pytest.fixture(scope="module")
def example(network: Path) -> ModuleType:
    import importlib.util

    spec = importlib.util.spec_from_file_location("exported_classify", network / "classify.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "CMYK", "LA", "1", "I;16"])
def test_the_example_reads_pictures_as_the_harness_does(
    example: ModuleType, tmp_path: Path, mode: str, channels: int
) -> None:
    image = colorful(mode)
    path = tmp_path / ("picture.jpg" if mode == "CMYK" else "picture.png")
    exif = Image.Exif()
    exif[0x0112] = 8
    image.save(path, exif=exif)
    about = {"channels": channels, "resize": {"height": 12, "width": 10}}
    wanted = read_picture(path, (12, 10, channels))
    assert isinstance(wanted, Picture)
    assert np.array_equal(example.read(path, about), wanted.pixels)


def colorful(mode: str) -> Image.Image:
    random = np.random.default_rng(0)
    if mode == "I;16":
        return Image.fromarray(random.integers(0, 65536, (30, 20), dtype=np.uint16))
    return Image.fromarray(random.integers(0, 256, (30, 20, 4), dtype=np.uint8), "RGBA").convert(mode)


def test_the_preprocessing_is_all_of_what_the_network_was_fitted_with(finished_home: Path, network: Path) -> None:
    about = json.loads((network / "preprocessing.json").read_text())
    task = json.loads((network / "task.json").read_text())
    assert (about["normalize"]["mean"], about["normalize"]["std"]) == (task["mean"], task["std"])
    assert about["output"]["classes"] == [str(digit) for digit in range(10)]
    assert [about["resize"][side] for side in ("height", "width")] == [8, 8]
    assert about["decode"]["channel_order"].startswith("gray")


def test_the_exported_weights_are_those_that_opened_the_test_set(finished_home: Path, network: Path) -> None:
    record = record_of(finished_home, "cnn s0")
    (opening,) = open_store(finished_home).openings([record.key])
    assert model_digest(network) == opening.model_digest
    card = (network / "README.md").read_text()
    assert opening.model_digest in card
    assert opening.time in card
    assert record.run_id in card


def test_the_card_has_the_figures_with_their_intervals(finished_home: Path, network: Path) -> None:
    card = (network / "README.md").read_text()
    metrics = record_of(finished_home, "cnn s0").metrics
    line = next(line for line in card.splitlines() if line.startswith("| test |"))
    assert f"{100 * metrics['test/accuracy']:.2f} % (" in line
    assert f"{100 * metrics['test/macro_f1']:.2f} %" in line
    assert "| 120 |" in line
    assert "## License\n\nNot stated." in card
    assert "Only some of the images were used" in card


def test_a_classical_model_is_exported_as_arrays_that_the_harness_reads_back(
    finished_home: Path, classical: Path
) -> None:
    classifier, _ = load_classifier(classical, Catalog(), torch.device("cpu"))
    logged = logged_scores(finished_home, record_of(finished_home, "hog s0").run_id)
    assert classifier.predict(images_of(finished_home)) == pytest.approx(logged.scores, abs=1e-5)
    card = (classical / "README.md").read_text()
    assert "| `coef` | 10 x 324 | float64 |" in card
    assert "margins, no probabilities" in card


def test_a_classical_model_classifies_without_the_harness(finished_home: Path, classical: Path, tmp_path: Path) -> None:
    place = shutil.copytree(classical, tmp_path / "downloaded")
    np.save(place / "images.npy", images_of(finished_home))
    command = [sys.executable, "-I", "-c", STRANGER.replace("import numpy as np, torch", "import numpy as np")]
    command[-1] = command[-1].replace("torch.set_num_threads(1)\n", "") + "\nassert 'torch' not in sys.modules"
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    logged = logged_scores(finished_home, record_of(finished_home, "hog s0").run_id)
    assert np.load(place / "scores.npy") == pytest.approx(logged.scores, abs=1e-4)
    Image.fromarray(images_of(finished_home)[0, ..., 0]).save(tmp_path / "first.png")
    command = [sys.executable, "-I", str(place / "classify.py"), str(tmp_path / "first.png")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[1].split()[0] == logged.classes[logged.scores[0].argmax()]
    assert not said[1].endswith("%"), "margins are no probabilities"


def test_the_card_is_about_this_model_and_says_nothing_of_this_machine(finished_home: Path, classical: Path) -> None:
    card = (classical / "README.md").read_text()
    assert card.splitlines()[2] == (
        "HOG features of the gray image (Dalal and Triggs 2005) and scikit-learn's LinearSVC."
    )
    assert "10 classes" not in card.replace("classifier with 10 classes", "")
    for path in classical.rglob("*"):
        if path.suffix != ".safetensors":
            assert str(finished_home.parent) not in path.read_text()


def test_of_a_cells_data_the_names_alone_are_exported() -> None:
    options = {"name": "npz", "path": "/home/somebody/private/digits.npz", "validation": {"groups": "/home/x/g.csv"}}
    cell = Cell(dataset=Dataset.model_validate(options), model=Choice(name="majority"), recipe=None, seed=0)
    text = cell_to_yaml(without_places(cell))
    assert "digits.npz" in text
    assert "g.csv" in text
    assert "/home" not in text


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_the_card_has_no_markup_but_its_own(finished_home: Path, classical: Path, tmp_path: Path, text: str) -> None:
    fitted = load_fitted(open_store(finished_home), "hog s0", ())
    record = replace(fitted.record, name=text, study=text, tags={**fitted.record.tags, "harness.hardware": text})
    task = replace(fitted.task, classes=(text, *fitted.task.classes[1:]))
    write_card(replace(fitted, record=record, task=task), open_store(finished_home), [], [text], tmp_path / "card.md")
    card = (tmp_path / "card.md").read_text()
    assert printable(card, "\n") == card
    shown = MarkdownIt("commonmark", {"html": True}).enable("table").render(card)
    assert not re.search(r"<(script|img|a|svg|em|s)\b", shown)


def test_code_that_scores_otherwise_is_not_exported(
    finished_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.export.bundle.tried_images", lambda task: np.full((2, 8, 8, 1), 7, np.uint8))
    fitted = load_fitted(open_store(finished_home), record_of(finished_home, "floor s0").run_id, ())
    fitted.classifier.load_state({"counts": np.arange(5, 15)})
    with pytest.raises(HarnessError, match=r"model.py: its scores are up to .* from the model's; it was not kept"):
        write_bundle(fitted, open_store(finished_home), tmp_path)
    assert not (tmp_path / "model.py").exists()


def test_a_sealed_run_says_that_its_test_set_was_never_opened(finished_home: Path, tmp_path: Path) -> None:
    assert harness("export", "sealed s0", "-o", tmp_path / "mlp", "--home", finished_home).exit_code == 0
    card = (tmp_path / "mlp" / "README.md").read_text()
    assert "Its test set is sealed" in card
    assert "| test |" not in card


def test_a_folder_with_files_is_left_alone_unless_forced(finished_home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    refused = harness("export", "hog s0", "-o", tmp_path, "--home", finished_home)
    assert refused.exit_code == 2
    assert "not an empty folder" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    forced = harness("export", "hog s0", "-o", tmp_path, "--force", "--json", "--home", finished_home)
    written = {file["name"] for file in json.loads(forced.stdout)["files"]}
    assert written | {"mine.txt"} == {path.name for path in tmp_path.iterdir()}


def test_a_program_that_scores_otherwise_is_not_kept(network: Path, tmp_path: Path) -> None:
    classifier, task = load_classifier(network, Catalog(), torch.device("cpu"))
    other, _ = load_classifier(network, Catalog(), torch.device("cpu"))
    with torch.no_grad():
        next(other.network.parameters()).add_(0.5)  # type: ignore[attr-defined]
    with pytest.raises(HarnessError, match=r"model.pt2: its scores are up to .* from the model's"):
        write_program(other.network, classifier, task, tmp_path / "model.pt2")  # type: ignore[attr-defined]
    assert not (tmp_path / "model.pt2").exists()


class Undecided(torch.nn.Module):
    """Looks at pixels to decide what to do, which no exported program can."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean(dim=(2, 3)) if float(images.sum()) > 0 else images.amax(dim=(2, 3))


def test_a_network_that_torch_cannot_export_is_told_as_such(network: Path, tmp_path: Path) -> None:
    classifier, task = load_classifier(network, Catalog(), torch.device("cpu"))
    with pytest.raises(HarnessError, match=r"torch\.export cannot export this network"):
        write_program(Undecided(), classifier, task, tmp_path / "model.pt2")


def test_without_the_extra_it_is_said_that_there_is_no_onnx_file(finished_home: Path, network: Path) -> None:
    if missing_for_onnx():
        assert f"no ONNX file: {missing_for_onnx()[0]}" in (network / "README.md").read_text()
        assert not (network / "model.onnx").exists()
    else:
        assert (network / "model.onnx").exists()


@pytest.mark.skipif(bool(missing_for_onnx()), reason="the extra onnx is not installed")
def test_onnx_gives_the_logged_test_predictions(finished_home: Path, network: Path, example: ModuleType) -> None:
    from importlib import import_module

    session = import_module("onnxruntime").InferenceSession(network / "model.onnx")
    about = json.loads((network / "preprocessing.json").read_text())
    images: NDArray[np.uint8] = images_of(finished_home)
    (scores,) = session.run(None, {"images": example.prepare(images, about).numpy()})
    logged = logged_scores(finished_home, record_of(finished_home, "cnn s0").run_id)
    assert scores == pytest.approx(logged.scores, abs=1e-4)
