from __future__ import annotations

import multiprocessing
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.contracts import LabeledImages
from harness.data import decode, fingerprint, load_splits
from harness.data.cache import check_decoded, origin_of, read_images, read_meta
from harness.data.parallel import map_in_processes
from harness.errors import DataError
from harness.plugins import Catalog
from tests.data.conftest import MakeParquet, dataset, pictures

BUILD = """
import pickle, sys
from harness.data import load_splits
from harness.plugins import Catalog
wanted, cache = pickle.load(sys.stdin.buffer)
print(load_splits(wanted, Catalog(), cache).fingerprint)
"""


def test_two_processes_that_build_it_at_once_get_the_same_whole_folder(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path
) -> None:
    wanted = dataset("parquet", path=make_parquet(train=600))
    request = pickle.dumps((wanted, cache))
    both = [
        subprocess.Popen([sys.executable, "-c", BUILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in "12"
    ]
    for process in both:
        assert process.stdin is not None
        process.stdin.write(request)
        process.stdin.close()
        process.stdin = None
    prints = [process.communicate()[0].decode().strip() for process in both]
    assert prints == [fingerprint(wanted, catalog, cache)] * 2
    left = sorted(path.name.partition("-")[2].partition("-")[0] for path in (cache / "decoded").iterdir())
    assert left == ["train", "train"]  # the folder and its lock, nothing partial


def test_a_build_that_fails_leaves_nothing_behind(make_parquet: MakeParquet, catalog: Catalog, cache: Path) -> None:
    path = make_parquet()
    make_parquet.write("train", [b"no image", *pictures(5)], [0, 0, 1, 1, 2, 2])
    with pytest.raises(DataError):
        load_splits(dataset("parquet", path=path), catalog, cache)
    assert [each for each in (cache / "decoded").iterdir() if each.is_dir()] == []


def test_what_a_killed_build_left_is_built_again(make_parquet: MakeParquet, catalog: Catalog, cache: Path) -> None:
    wanted = dataset("parquet", path=make_parquet())
    expected = fingerprint(wanted, catalog, cache)
    (folder,) = (each for each in (cache / "decoded").iterdir() if each.is_dir())
    folder.rename(f"{folder}.partial")
    (Path(f"{folder}.partial") / "labels.npy").write_bytes(b"half")
    assert fingerprint(wanted, catalog, cache) == expected
    assert not Path(f"{folder}.partial").exists()


def test_images_are_memory_mapped(make_parquet: MakeParquet, catalog: Catalog, cache: Path) -> None:
    origin = origin_of(dataset("parquet", path=make_parquet()), catalog, cache)
    assert isinstance(read_images(origin, "train").images, np.memmap)
    assert read_meta(origin, "train").counts == (20, 20, 20)


def test_several_processes_decode_what_one_does(
    make_parquet: MakeParquet, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = dataset("parquet", path=make_parquet())
    one = fingerprint(wanted, catalog, tmp_path / "one")
    monkeypatch.setattr(decode, "MANY", 10)
    monkeypatch.setattr("harness.data.sources._tables.MANY", 10)
    monkeypatch.setattr(decode, "process_count", lambda: 2)
    assert fingerprint(wanted, catalog, tmp_path / "several") == one


def test_several_processes_name_the_damaged_images(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "MANY", 10)
    monkeypatch.setattr("harness.data.sources._tables.MANY", 10)
    monkeypatch.setattr(decode, "process_count", lambda: 2)
    make_parquet.write("train", [*pictures(30), b"no image"], [*np.arange(30) % 3, 0])
    with pytest.raises(DataError, match=r"\(1\); read are .*:\n  train.parquet: row group 0, row 30: unknown format"):
        load_splits(dataset("parquet", path=make_parquet.folder), catalog, cache)


def test_answers_come_in_the_order_of_the_arguments() -> None:
    assert map_in_processes(abs, [-3, 1, -2, 5, -4], 2) == [3, 1, 2, 5, 4]


def test_what_a_dead_process_leaves_is_done_here(tmp_path: Path) -> None:
    import os

    assert map_in_processes(os.path.basename, ["a/b", "c/d"], 2) == ["b", "d"]
    assert map_in_processes(_only_here, [os.getpid(), os.getpid()], 2) == ["here", "here"]


def _only_here(process: int) -> str:
    import os

    if os.getpid() != process:
        os._exit(1)
    return "here"


def _in_daemon(connection: object) -> None:
    connection.send(map_in_processes(abs, [-1, -2], 2))  # type: ignore[attr-defined]


def test_a_daemon_worker_can_decode_in_processes_too() -> None:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_in_daemon, args=(there,), daemon=True)
    process.start()
    assert here.poll(30)
    assert here.recv() == [1, 2]
    process.join()


@pytest.mark.parametrize("name", ["a\x1b[2J", "a\u202eb", "a\nb", " ", "x" * 201])
def test_a_class_has_a_name_that_can_be_shown(name: str) -> None:
    images = np.zeros((2, 4, 4, 1), np.uint8)
    decoded = LabeledImages(images, np.array([0, 1]), np.arange(2))
    check_decoded("set", "train", decoded, ("b", "<i>c</i>"), None)
    with pytest.raises(DataError, match="class names are 1 to 200 printable characters; not so:"):
        check_decoded("set", "train", decoded, (name, "b"), None)
