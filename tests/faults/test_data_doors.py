"""Data sets that mean harm or are made otherwise, on the command line: one sentence, exit 2, no wait, no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
COMMAND = (sys.executable, "-m", "harness.cli")
PATIENCE = 240
"""Seconds: a wait for ever is what this is to tell from a machine that is busy."""


def picture(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of two classes that is right in all."""
    for split, shift in (("train", 0), ("test", 500)):
        for place, name in enumerate(("a", "b")):
            for index in range(12 if split == "train" else 4):
                picture(tmp_path / "set" / split / name / f"{index}.png", shift + place * 100 + index)
    return tmp_path / "set"


def matrix(folder: Path, experiment: str = "floor: {model: majority}", source: str = "image_folder") -> Path:
    path = folder.parent / "m.yaml"
    dataset = f"{{name: {source}, path: {folder.name}, validation: {{fraction: 0.25}}}}"
    path.write_text(f"version: 1\nstudy: case\ndataset: {dataset}\nseeds: [0]\nexperiments:\n  {experiment}\n")
    return path


def harness(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def told(folder: Path, *commands: str, experiment: str = "floor: {model: majority}") -> list[tuple[int, str]]:
    """Return the exit codes of commands on a matrix file, and all that they say on stderr."""
    file = matrix(folder, experiment)
    done = [harness(command, file, "--home", folder.parent / "home") for command in commands]
    return [(each.returncode, each.stderr) for each in done]


def test_a_class_of_one_side_alone_is_told_before_anything_is_fitted(folder: Path) -> None:
    picture(folder / "test" / "c" / "0.png", 1)
    for code, said in told(folder, "validate", "plan", "data", "run"):
        assert code == 2
        assert "classes differ between train and test:\n  c: only in test" in said
    assert not (folder.parent / "home" / "checkpoints").exists()


def test_a_missing_test_folder_is_a_mistake_where_it_is_to_be_opened_and_fits_go_on(folder: Path) -> None:
    (folder / "test").rename(folder.parent / "away")
    for code, said in told(folder, "validate", "plan"):
        assert (code, "the test split of image_folder is missing" in said) == (2, True)
    sealed = told(folder, "validate", "plan", experiment="floor: {model: majority, test: never}")
    assert [(code, "Warning: the test split of image_folder is missing" in said) for code, said in sealed] == [
        (0, True),
        (0, True),
    ]
    ((code, said),) = told(folder, "run")
    assert code == 1
    assert said.index("Warning: the test split of image_folder is missing") < said.index("floor s0")
    (folder.parent / "away").rename(folder / "test")
    assert told(folder, "run")[0][0] == 0


def test_postscript_among_the_images_starts_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = folder.parent / "started"
    program = folder.parent / "bin" / "gs"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {started}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    (folder / "train" / "a" / "0.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\nshowpage\n")
    ((code, said),) = told(folder, "plan")
    assert (code, "a/0.png: PostScript, which is not opened" in said) == (2, True)
    assert not started.exists()


def test_a_pipe_among_the_images_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "train" / "a" / "x.png")
    ((code, said),) = told(folder, "data")
    assert (code, "a/x.png: a named pipe, not a file" in said) == (2, True)


def test_a_pipe_in_place_of_the_data_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "set")
    done = harness("plan", matrix(tmp_path / "set", source="npz"), "--home", tmp_path / "home")
    assert (done.returncode, "a named pipe, neither a file nor a folder" in done.stderr) == (2, True)


def test_a_file_name_that_is_no_utf_8_is_named(folder: Path) -> None:
    picture(folder / "train" / "a" / "0.png", 0).rename(
        os.fsdecode(os.fsencode(folder / "train" / "a") + b"/caf\xe9.png")
    )
    for code, said in told(folder, "validate", "plan", "data"):
        assert (code, "names that are no UTF-8 (1); rename them:\n  a/caf\\xe9.png" in said) == (2, True)


def test_an_accent_may_be_composed_in_one_split_and_not_in_the_other(folder: Path) -> None:
    for split, form in (("train", "NFC"), ("test", "NFD")):
        (folder / split / "a").rename(folder / split / unicodedata.normalize(form, "café"))  # type: ignore[arg-type]
    done = harness("data", matrix(folder), "--home", folder.parent / "home", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["test"]["counts"] == {"b": 4, unicodedata.normalize("NFC", "café"): 4}


def test_what_other_programs_left_refuses_nothing(folder: Path) -> None:
    picture(folder / "train" / "__MACOSX" / "a" / "._0.png", 1)
    (folder / "train" / "a" / "@eaDir").mkdir()
    (folder / "train" / "b" / "Thumbs.db").write_bytes(b"")
    for code, said in told(folder, "validate", "plan", "data"):
        assert code == 0, said
        assert f"Warning: passed over in {folder / 'train'}: @eaDir/, Thumbs.db, __MACOSX/" in said


def test_a_model_that_images_have_no_room_for_is_told_by_plan(folder: Path) -> None:
    ((code, said),) = told(folder, "plan", experiment="hog: {model: {name: hog_svm, pixels_per_cell: 16}}")
    assert code == 0
    assert "hog s0: hog_svm: images of 16 x 16 pixels have no room for a block" in said


def test_a_class_of_one_image_is_told_by_plan(folder: Path) -> None:
    for path in sorted((folder / "train" / "b").iterdir())[1:]:
        path.unlink()
    for code, said in told(folder, "validate", "plan"):
        assert (code, "on both sides of the validation split:\n  b: 1 image" in said) == (2, True)


def test_copies_within_a_split_are_named_by_their_files(folder: Path) -> None:
    (folder / "train" / "b" / "copy.png").write_bytes((folder / "train" / "a" / "3.png").read_bytes())
    done = harness("data", folder, "--home", folder.parent / "home")
    assert "train image train/b/copy.png (b) equals train image train/a/3.png (a)" in done.stdout


def copies(images: NDArray[np.uint8], kind: str) -> NDArray[np.uint8]:
    return {"mirrored": images[:, :, ::-1], "shifted": np.roll(images, 2, axis=2)}[kind]


@pytest.mark.parametrize("kind", ["mirrored", "shifted"])
def test_moved_copies_in_the_test_split_are_counted_and_named(kind: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (120, 9, 9, 3), dtype=np.uint8)
    drawn = [Image.fromarray(image).resize((32, 32), Image.Resampling.BICUBIC) for image in coarse]
    images = np.stack([np.asarray(image) for image in drawn])
    train, rest = images[:90], images[90:]
    test = np.concatenate([copies(train[:40], kind), rest])
    labels = {"y_train": np.arange(90) % 2, "y_test": np.arange(70) % 2}
    np.savez(tmp_path / "a.npz", x_train=train, x_test=test, y_train=labels["y_train"], y_test=labels["y_test"])
    done = harness("data", tmp_path / "a.npz", "--home", tmp_path / "home", "--json")
    near = json.loads(done.stdout)[0]["leakage"]["near_across"]
    assert near["images"] == near[kind] == 40
    shown = harness("data", tmp_path / "a.npz", "--home", tmp_path / "home").stdout
    assert f"is, {kind}" in shown
    assert "seldom found are copies that are turned" in shown
