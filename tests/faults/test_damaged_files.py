"""Files that a run keeps to save work, damaged for real between two runs: told, and made again to the same bits."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from harness import files
from harness.cell.run import run_cell
from harness.cli.options import app
from harness.contracts import Cell, Choice, Recipe, Result, SealedSet
from harness.contracts.running import Job
from harness.data import digest_of, load_splits, open_test, sealed_set
from harness.data.inspect import leakage
from harness.execute.executor import warnings_heard
from harness.files import fault_of, generations, is_sealed, publish, write_file, write_sealed
from harness.plugins import Catalog
from harness.track import open_store
from tests.data.conftest import dataset
from tests.train.conftest import AUGMENT, Diary, Pruned, assert_same_bits, classifier, recipe, shuffled_labels

DIGITS = dataset("digits")


def flip(path: Path, count: int = 64, at: int | None = None) -> None:
    """Change bytes in the middle of a file; its size and times stay as they were, as after a fault of the disk."""
    times, content = path.stat(), bytearray(path.read_bytes())
    start = len(content) // 2 if at is None else at
    content[start : start + count] = bytes(255 - byte for byte in content[start : start + count])
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def become_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "something").write_text("else")


def shuffle(path: Path) -> None:
    np.save(path, np.random.default_rng(0).permutation(np.load(path)))


def garble(path: Path) -> None:
    path.write_text("{not json")


DAMAGES: Mapping[str, Callable[[Path], object]] = {
    "flipped": flip,
    "cut": cut,
    "empty": lambda path: path.write_bytes(b""),
    "gone": Path.unlink,
    "a folder": become_folder,
}


@pytest.fixture(autouse=True)
def _as_in_a_new_process() -> None:
    """What this process knows of files that it has read is forgotten."""
    files._digest_once.cache_clear()


def decoded(cache: Path, split: str) -> Path:
    (folder,) = (each for each in (cache / "decoded").glob(f"*-{split}-*") if not each.suffix)
    return folder


def digest_of_split(cache: Path, split: str = "train") -> str:
    """Read a split as a cell does; return the digest of what was read, none of which stays mapped."""
    if split == "train":
        return digest_of(load_splits(DIGITS, Catalog(), cache).train)
    return digest_of(open_test(DIGITS, Catalog(), cache, lambda _: None))


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *((name, damage) for name in ("images.npy", "labels.npy", "meta.json", files.SEAL) for damage in DAMAGES),
        ("labels.npy", "shuffled"),
        ("meta.json", "garbled"),
        (files.SEAL, "garbled"),
    ],
)
def test_decoded_images_that_are_damaged_are_told_and_decoded_again(
    split: str, name: str, damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    digest_of_split(tmp_path)
    whole = digest_of_split(tmp_path, split)
    folder = decoded(tmp_path, split)
    {**DAMAGES, "shuffled": shuffle, "garbled": garble}[damage](folder / name)
    files._digest_once.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert digest_of_split(tmp_path, split) == whole
        if (name, damage) != (files.SEAL, "gone"):  # that is a folder of an earlier version, and it is whole
            assert [text for text in caplog.messages if str(folder) in text and name in text]
        assert fault_of(folder) == ""
        caplog.clear()
        digest_of_split(tmp_path, split)
        assert caplog.messages == []


def test_a_file_in_the_place_of_decoded_images_is_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = digest_of_split(tmp_path)
    folder = decoded(tmp_path, "train")
    shutil.rmtree(folder)
    folder.write_text("a file")
    assert digest_of_split(tmp_path) == whole
    assert "it is a file where a folder should be" in caplog.text


@pytest.mark.parametrize("is_damaged", [False, True])
def test_images_decoded_by_a_version_that_sealed_none_are_checked_by_their_fingerprint(
    is_damaged: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = digest_of_split(tmp_path)
    folder = decoded(tmp_path, "train")
    (folder / files.SEAL).unlink()
    if is_damaged:
        flip(folder / "images.npy")
    kept = (folder / "images.npy").open("rb")  # held open, so that a new file cannot get its inode
    with kept:
        assert digest_of_split(tmp_path) == whole
        assert os.path.samestat(os.fstat(kept.fileno()), (folder / "images.npy").stat()) != is_damaged
    assert bool(caplog.messages) == is_damaged


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_was_remembered_of_test_files_is_asked_again(damage: str, tmp_path: Path) -> None:
    known = sealed_set(DIGITS, Catalog(), tmp_path)
    (remembered,) = (tmp_path / "contents").iterdir()
    DAMAGES[damage](remembered)
    assert sealed_set(DIGITS, Catalog(), tmp_path) == known
    assert is_sealed(remembered)


@pytest.mark.parametrize("damage", DAMAGES)
def test_duplicates_that_were_found_are_looked_for_again(damage: str, tmp_path: Path) -> None:
    whole = leakage(DIGITS, Catalog(), tmp_path)
    (found,) = (tmp_path / "leakage").glob("*.json")
    DAMAGES[damage](found)
    assert leakage(DIGITS, Catalog(), tmp_path) == whole
    assert is_sealed(found)


class Shut(Exception):  # noqa: N818
    """What ends a cell at the opening."""


class Door:
    """Hears a cell, and lets it open its test set or not."""

    def __init__(self, is_open: bool) -> None:
        self.is_open = is_open
        self.epochs: list[int] = []

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self.epochs.append(epoch)

    def opening(self, model_digest: str, test_set: SealedSet) -> None:
        if not self.is_open:
            raise Shut


def ran(folder: Path, door: Door) -> Result:
    cell = Cell(
        dataset=DIGITS,
        model=Choice.model_validate({"name": "mlp", "hidden": 8}),
        recipe=Recipe.model_validate({"epochs": 3, "checkpoint": {"epochs": 1}}),
        seed=0,
    )
    folder.mkdir(exist_ok=True)
    return run_cell(Job("key", cell, folder / "cell", folder / "cache", "cpu", threads=1), door)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *(("model.safetensors", damage) for damage in DAMAGES),
        *(("fit.json", damage) for damage in ("empty", "gone")),
        *((name, "flipped") for name in ("cell.yaml", "task.json")),
    ],
)
def test_a_fitted_model_that_is_damaged_is_told_and_fitted_again_to_the_same_bits(
    name: str, damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, undisturbed: Result
) -> None:
    with pytest.raises(Shut):
        ran(tmp_path, Door(is_open=False))
    DAMAGES[damage](tmp_path / "cell" / "fitted" / name)
    files._digest_once.cache_clear()
    with caplog.at_level(logging.WARNING):
        result = ran(tmp_path, Door(is_open=True))
    assert result.model_digest == undisturbed.model_digest
    assert result.metrics["test/accuracy"] == undisturbed.metrics["test/accuracy"]
    assert any("fitted" in text and name in text for text in caplog.messages)


def test_a_file_in_the_place_of_a_fitted_model_is_replaced(tmp_path: Path, undisturbed: Result) -> None:
    with pytest.raises(Shut):
        ran(tmp_path, Door(is_open=False))
    shutil.rmtree(tmp_path / "cell" / "fitted")
    (tmp_path / "cell" / "fitted").write_text("a file")
    (tmp_path / "cell" / "fitted.partial").write_text("another")
    assert ran(tmp_path, Door(is_open=True)).model_digest == undisturbed.model_digest


def test_a_fitted_model_that_is_whole_is_not_fitted_again(tmp_path: Path, undisturbed: Result) -> None:
    with pytest.raises(Shut):
        ran(tmp_path, Door(is_open=False))
    door = Door(is_open=True)
    assert ran(tmp_path, door).model_digest == undisturbed.model_digest
    assert door.epochs == []


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return ran(tmp_path_factory.mktemp("undisturbed"), Door(is_open=True))


TRAIN, VALIDATION = shuffled_labels(90), shuffled_labels(40, seed=1)
SETTINGS = recipe(epochs=5, augment=AUGMENT, ema={"decay": 0.9}, keep="best", checkpoint={"epochs": 1})


def stopped_after_three_epochs(path: Path) -> None:
    with pytest.raises(Pruned):
        classifier(SETTINGS, checkpoint=path, dropout=0.4).fit(TRAIN, VALIDATION, Diary(stop_at=3))


def resumed(path: Path) -> list[int]:
    """Fit to the end; return the epochs that were taken after the resume, and see that nothing else has changed."""
    whole, diary = classifier(SETTINGS, dropout=0.4), Diary()
    whole.fit(TRAIN, VALIDATION, Diary())
    made = classifier(SETTINGS, checkpoint=path, dropout=0.4)
    made.fit(TRAIN, VALIDATION, diary)
    assert_same_bits(whole, made)
    return [epoch for epoch, _ in diary.epochs]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_told_and_the_one_before_it_gone_on_from(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "checkpoint.pt"
    stopped_after_three_epochs(path)
    DAMAGES[damage](path)
    assert resumed(path) == [1, 2, 3, 4, 5]  # the last two that were saved are told again
    assert (f"{path}: damaged checkpoint" in caplog.text) == (damage != "gone")


@pytest.mark.parametrize("damage", DAMAGES)
def test_where_both_checkpoints_are_damaged_the_fit_begins_anew(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    stopped_after_three_epochs(path)
    for each in generations(path):
        DAMAGES[damage](each)
    assert resumed(path) == [1, 2, 3, 4, 5]
    assert all(each.is_file() for each in generations(path))


def test_a_byte_changed_anywhere_in_a_checkpoint_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    stopped_after_three_epochs(path)
    content = path.read_bytes()
    assert is_sealed(path)
    for at in [*np.random.default_rng(0).integers(0, len(content), 200).tolist(), 0, len(content) - 1]:
        path.write_bytes(content)
        flip(path, 1, at)
        assert not is_sealed(path)


def test_a_checkpoint_that_is_no_archive_of_ours_is_not_executed(tmp_path: Path) -> None:
    path, made = tmp_path / "checkpoint.pt", tmp_path / "made"
    path.write_bytes(b"cposix\nsystem\n(Vtouch " + str(made).encode() + b"\ntR.")
    assert resumed(path) == [1, 2, 3, 4, 5]
    for _ in generations(path):
        write_sealed(path, lambda file: torch.save({"format": 1, "state": Path}, file))
    assert resumed(path) == [1, 2, 3, 4, 5]
    assert not made.exists()


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_file(path, lambda file: file.write(b"first"), keep=True)

    def fail(file: object) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        write_file(path, fail, keep=True)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"first"


def test_what_is_written_is_flushed_before_it_has_its_name_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut keeps a name only with the bytes that belong to it."""
    events: list[tuple[str, str]] = []
    fsync, replace = os.fsync, Path.replace

    def flushed(descriptor: int) -> None:
        events.append(("flush", Path(f"/proc/self/fd/{descriptor}").readlink().name))
        fsync(descriptor)

    def renamed(self: Path, target: Path) -> Path:
        events.append(("rename", target.name))
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(Path, "replace", renamed)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "array").write_bytes(b"numbers")
    publish(scratch, tmp_path / "folder")
    last = events.index(("rename", "folder"))
    before, after = events[:last], events[last:]
    assert {("flush", "array"), ("flush", files.SEAL), ("flush", "scratch")} <= set(before)
    assert ("flush", tmp_path.name) in after
    assert fault_of(tmp_path / "folder") == ""


MATRIX = """\
version: 1
study: tiny
dataset: {name: digits, validation: {size: 200}, limit: {train: 200, test: 100}}
seeds: [0]
experiments:
  mlp: {model: {name: mlp, hidden: 8}, recipe: {epochs: 2}}
"""


def test_a_run_ends_with_what_was_damaged_and_its_record_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "tiny.yaml").write_text(MATRIX)
    digest_of_split(tmp_path / "home" / "cache")
    flip(decoded(tmp_path / "home" / "cache", "train") / "images.npy")
    files._digest_once.cache_clear()
    asked = ["run", "tiny.yaml", "--home", "home", "--device", "cpu", "--executor", "inline"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.stderr
    (record,) = (each for each in open_store(tmp_path / "home").records("tiny") if each.kind == "cell")
    assert "images.npy does not hold what was written" in record.tags["harness.warnings"]
    (last,) = result.stderr.splitlines()[-1:]
    assert last.startswith("warning: mlp s0: ") and record.tags["harness.warnings"] in last


def test_warnings_of_workers_come_with_the_result() -> None:
    with warnings_heard() as outer, warnings_heard() as inner:
        logging.getLogger("harness.files").warning("%s is damaged", "a file")
        logging.getLogger("harness.files").warning("%s is damaged", "a file")
    assert list(inner) == ["a file is damaged"] and not outer
