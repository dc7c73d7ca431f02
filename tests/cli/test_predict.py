"""Image files, classified by finished runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file, save_file
from scipy.special import softmax

from harness.track import open_store
from tests.cli.homes import harness, images_of, logged_scores, record_of


@pytest.fixture(scope="module")
def digits(finished_home: Path) -> NDArray[np.uint8]:
    return images_of(finished_home)


@pytest.fixture
def folder(tmp_path: Path, digits: NDArray[np.uint8]) -> Path:
    """The first twelve test images as files, and things beside them that are no images."""
    for number, image in enumerate(digits[:12]):
        Image.fromarray(image[..., 0]).save(tmp_path / f"{number:02}.png")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / ".hidden.png").write_bytes(b"no image")
    return tmp_path


def predicted(home: Path, *arguments: object) -> dict[str, Any]:
    done = harness("predict", *arguments, "--json", "--home", home)
    assert done.exit_code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def scores_of(image: dict[str, Any]) -> dict[str, float]:
    return {guess["class"]: guess["score"] for guess in image["top"]}


@pytest.mark.parametrize("name", ["cnn s0", "hog s0"])
def test_files_get_the_scores_that_the_run_gave_to_the_same_images(
    finished_home: Path, folder: Path, name: str
) -> None:
    logged = logged_scores(finished_home, record_of(finished_home, name).run_id)
    found = predicted(finished_home, name, folder, "--top", 10)
    assert [Path(image["path"]).name for image in found["images"]] == [f"{number:02}.png" for number in range(12)]
    for image, row in zip(found["images"], logged.scores, strict=False):
        assert scores_of(image) == pytest.approx(dict(zip(logged.classes, row.tolist(), strict=True)), abs=1e-4)
        assert image["top"][0]["class"] == logged.classes[row.argmax()]


def test_five_classes_are_shown_the_likeliest_first_with_their_probabilities(finished_home: Path, folder: Path) -> None:
    every = predicted(finished_home, "cnn s0", folder / "00.png", "--top", 10)["images"][0]["top"]
    first = predicted(finished_home, "cnn s0", folder / "00.png")["images"][0]["top"]
    shares = softmax([guess["score"] for guess in every])
    assert first == every[:5]
    assert [guess["probability"] for guess in every] == pytest.approx(shares.tolist(), rel=1e-6)
    assert sorted(shares, reverse=True) == shares.tolist()


def test_margins_are_not_called_probabilities(finished_home: Path, folder: Path) -> None:
    found = predicted(finished_home, "hog s0", folder / "00.png")
    assert {guess["probability"] for guess in found["images"][0]["top"]} == {None}
    shown = harness("predict", "hog s0", folder / "00.png", "--home", finished_home).stdout
    assert "margin" in shown
    assert "%" not in shown


def test_a_picture_is_the_same_in_every_format_and_however_the_camera_was_held(
    finished_home: Path, tmp_path: Path, digits: NDArray[np.uint8]
) -> None:
    gray = Image.fromarray(digits[0, ..., 0])
    gray.save(tmp_path / "gray.png")
    gray.save(tmp_path / "lossless.webp", lossless=True)
    gray.convert("RGBA").save(tmp_path / "opaque.png")
    gray.convert("P").save(tmp_path / "palette.gif")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees to the right
    gray.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    images = predicted(finished_home, "cnn s0", tmp_path, "--top", 10)["images"]
    assert len(images) == 5
    for image in images:
        assert scores_of(image) == pytest.approx(scores_of(images[0]), abs=1e-5)


def test_large_pictures_are_resized_as_a_data_sets_are_and_that_is_said_once(
    finished_home: Path, tmp_path: Path, digits: NDArray[np.uint8]
) -> None:
    for number in range(3):
        large = Image.fromarray(digits[number, ..., 0]).resize((320, 240))
        large.save(tmp_path / f"{number}.png")
    large.resize((8, 8), Image.Resampling.BILINEAR).save(tmp_path / "3.png")
    done = harness("predict", "cnn s0", tmp_path, "--json", "--home", finished_home)
    images = json.loads(done.stdout)["images"]
    assert scores_of(images[2]) == pytest.approx(scores_of(images[3]), abs=1e-5)
    assert done.stderr.count("resized") == 1
    assert "3 of 4 resized to 8 x 8" in done.stderr
    assert "240 x 320; most of its detail is gone" in done.stderr


def test_a_file_that_is_no_image_is_named_and_the_others_are_still_shown(finished_home: Path, folder: Path) -> None:
    (folder / "empty").mkdir()
    wrong = [folder / "notes.txt", folder / "gone.png", folder / "empty"]
    done = harness("predict", "cnn s0", *wrong, folder / "03.png", "--home", finished_home)
    assert done.exit_code == 2
    assert "03.png" in done.stdout
    assert "notes.txt: unknown format" in done.stderr
    assert "gone.png: No such file" in done.stderr
    assert "empty: there is no image file in this folder" in done.stderr


def test_what_is_printed_fits_into_80_columns(
    finished_home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = harness("predict", "cnn s0", folder, "--home", finished_home).stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.count("%") == 12 * 5


def test_a_run_that_failed_has_no_model_to_predict_with(finished_home: Path, folder: Path, tmp_path: Path) -> None:
    home = shutil.copytree(finished_home, tmp_path / "copy", ignore=shutil.ignore_patterns("artifacts"))
    store = open_store(home)
    run_id = store.start_run("tiny", "cell", "broken s0", tags={"harness.key": "0123456789abcdef"})
    store.end(run_id, "FAILED", "not today")
    done = harness("predict", "broken s0", folder / "00.png", "--home", home)
    assert done.exit_code == 2
    assert f"run broken s0 ({run_id[:8]}) is FAILED: not today" in done.stderr


def test_weights_that_were_changed_after_their_evaluation_are_refused(
    finished_home: Path, folder: Path, tmp_path: Path
) -> None:
    home = shutil.copytree(finished_home, tmp_path / "copy")
    model = open_store(home).artifact(record_of(home, "cnn s0").run_id, "model")
    assert model is not None
    weights = load_file(model / "model.safetensors")
    save_file({name: np.asarray(value + 1) for name, value in weights.items()}, model / "model.safetensors")
    done = harness("predict", "cnn s0", folder / "00.png", "--home", home)
    assert done.exit_code == 1
    assert "not those that were evaluated" in done.stderr


@pytest.mark.parametrize("name", ["task.json", "cell.yaml", "model.safetensors"])
def test_a_model_without_one_of_its_files_or_with_a_changed_one_is_refused(
    name: str, finished_home: Path, folder: Path, tmp_path: Path
) -> None:
    home = shutil.copytree(finished_home, tmp_path / "copy")
    model = open_store(home).artifact(record_of(home, "cnn s0").run_id, "model")
    assert model is not None
    content = (model / name).read_bytes()
    (model / name).write_bytes(content.replace(b"0", b"1", 1))
    assert harness("predict", "cnn s0", folder / "00.png", "--home", home).exit_code == 1
    (model / name).unlink()
    done = harness("predict", "cnn s0", folder / "00.png", "--home", home)
    assert (done.exit_code, "Traceback" in done.stderr) == (1, False)
    assert name in done.stderr
