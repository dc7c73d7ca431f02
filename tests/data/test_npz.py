from __future__ import annotations

import os
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.contracts import Validation
from harness.data import fingerprint, load_splits, open_test
from harness.data.sources import _arrays
from harness.errors import DataError
from harness.plugins import Catalog
from tests.data.conftest import dataset, pictures


def write(path: Path, **changed: Any) -> Path:
    arrays: dict[str, Any] = {
        "x_train": pictures(20, channels=1)[..., 0],
        "y_train": np.arange(20) % 2,
        "x_test": pictures(4, seed=1, channels=1)[..., 0],
        "y_test": np.array([[0], [1], [0], [1]]),
    }
    np.savez(path, **{name: array for name, array in (arrays | changed).items() if array is not None})
    return path


def wanted(path: Path, **options: Any) -> Any:
    return dataset("npz", Validation(size=4), path=path, **options)


def test_both_splits_of_one_file(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    data = wanted(write(tmp_path / "a.npz"))
    splits = load_splits(data, catalog, cache)
    assert splits.classes == ("0", "1")
    assert np.array_equal(splits.train.images, pictures(20, channels=1)[splits.train.index])
    test = open_test(data, catalog, cache, lambda _: None)
    assert test.labels.tolist() == [0, 1, 0, 1]
    assert np.array_equal(test.images, pictures(4, seed=1, channels=1))


def test_files_one_by_one(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    for name, count in (("train", 20), ("test", 4)):
        np.savez(tmp_path / f"{name}.npz", x=pictures(count), y=np.array(["b", "a"] * (count // 2)))
    data = dataset("npz", Validation(size=4), train=tmp_path / "train.npz", test=tmp_path / "test.npz")
    assert load_splits(data, catalog, cache).classes == ("a", "b")
    assert open_test(data, catalog, cache, lambda _: None).labels.tolist() == [1, 0, 1, 0]


def test_named_classes_and_groups(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    path = write(tmp_path / "a.npz", classes=np.array(["no", "yes"]), groups=np.arange(20) // 2)
    splits = load_splits(dataset("npz", Validation(size=4, groups="groups"), path=path), catalog, cache)
    assert splits.classes == ("no", "yes")
    assert splits.validation.groups is not None
    assert len(set(splits.validation.groups)) == 2


def test_resize_and_channels(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    data = wanted(write(tmp_path / "a.npz"), resize=[3, 5], channels=3)
    assert load_splits(data, catalog, cache).train.images.shape == (16, 3, 5, 3)
    assert open_test(data, catalog, cache, lambda _: None).images.shape == (4, 3, 5, 3)


def test_missing_test_arrays_cost_no_opening(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    data = wanted(write(tmp_path / "a.npz", x_test=None))
    load_splits(data, catalog, cache)
    with pytest.raises(DataError, match=r'the test split of npz is missing: .* has no array "x_test"'):
        open_test(data, catalog, cache, lambda _: pytest.fail("opened"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x_train": np.zeros((20, 6, 6), np.float32)}, "float32; images are whole numbers 0 to 255"),
        ({"x_train": np.full((20, 6, 6), 256)}, "whole numbers 0 to 255"),
        ({"x_train": np.zeros((20, 3, 6, 6), np.uint8)}, r"\(20, 3, 6, 6\); images are \[N, H, W\] or"),
        ({"x_train": np.zeros((19, 6, 6), np.uint8)}, "19 images but 20 labels"),
        ({"y_train": np.eye(20)}, r"labels are whole numbers or text \[N\]"),
        ({"y_train": np.array([{}] * 20)}, "array y_train: .*allow_pickle"),
        ({"y_train": np.arange(20) % 3, "classes": np.array(["a", "b"])}, r"no class \(6\)"),
        ({"classes": np.array(["a", "a"])}, "class names that are there twice:\n  a"),
    ],
)
def test_wrong_arrays_are_told_apart(
    tmp_path: Path, catalog: Catalog, cache: Path, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        fingerprint(wanted(write(tmp_path / "a.npz", **changed)), catalog, cache)


def member(array: bytes, name: str = "x_train.npy") -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, array)
        for each, value in (("y_train", np.arange(20) % 2), ("x_test", pictures(4)), ("y_test", np.arange(4) % 2)):
            kept = BytesIO()
            np.save(kept, value)
            archive.writestr(f"{each}.npy", kept.getvalue())
    return file.getvalue()


def header(shape: tuple[int, ...]) -> bytes:
    file = BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (header((10**12, 8, 8)) + bytes(64), r"array x_train: its header says 64.0 TB, the file has .* B"),
        (b"these are notes and no array", "array x_train: is no array"),
        (header((20, 6, 6)) + bytes(100), "array x_train: its header says 720 B, the file has"),
        (b"\x93NUMPY\x01\x00" + b"\xff" * 40, "array x_train: "),
    ],
)
def test_an_array_is_what_its_header_says(
    content: bytes, message: str, tmp_path: Path, catalog: Catalog, cache: Path
) -> None:
    (tmp_path / "a.npz").write_bytes(member(content))
    with pytest.raises(DataError, match=message):
        fingerprint(wanted(tmp_path / "a.npz"), catalog, cache)


def test_what_unpacks_to_very_much_more_is_refused_with_the_limit(
    tmp_path: Path, catalog: Catalog, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_arrays, "FREE_BYTES", 100_000)
    (tmp_path / "a.npz").write_bytes(member(header((20, 100, 100)) + bytes(200_000)))
    with pytest.raises(DataError, match=r"that unpack to 200 kB, over 100 times as much; .* np.savez, which does not"):
        fingerprint(wanted(tmp_path / "a.npz"), catalog, cache)
    np.savez(tmp_path / "b.npz", x_train=np.zeros((20, 100, 100), np.uint8), y_train=np.arange(20) % 2)
    fingerprint(wanted(tmp_path / "b.npz"), catalog, cache)


@pytest.mark.parametrize(
    "names", ["X_train X_test Y_train Y_test", "train_images test_images train_labels test_labels"]
)
def test_other_usual_names_are_known(names: str, tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    write(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as arrays:
        own = [arrays[name] for name in ("x_train", "x_test", "y_train", "y_test")]
        np.savez(tmp_path / "b.npz", **dict(zip(names.split(), own, strict=True)))
    print_of = [fingerprint(wanted(tmp_path / f"{name}.npz"), catalog, cache) for name in "ab"]
    assert print_of[0] == print_of[1]
    assert len(open_test(wanted(tmp_path / "b.npz"), catalog, cache, lambda *_: None)) == 4


def test_names_that_are_not_known_are_told_with_the_right_ones(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    np.savez(tmp_path / "a.npz", pixels=pictures(4), digits=np.arange(4))
    told = r'has no array "x_train" \(nor X_train, train_images, x, X\); it holds digits, pixels'
    with pytest.raises(DataError, match=told):
        fingerprint(wanted(tmp_path / "a.npz"), catalog, cache)


def test_labels_that_fit_no_int64_are_told(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    path = write(tmp_path / "a.npz", y_train=np.array([0, 2**63 + 5] * 10, dtype=np.uint64))
    with pytest.raises(
        DataError, match=r"array y_train has 9223372036854775813; labels are whole numbers below 2\*\*63"
    ):
        fingerprint(wanted(path), catalog, cache)


def test_a_declared_class_without_a_training_image_is_left_out(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    data = wanted(write(tmp_path / "a.npz", classes=np.array(["a", "b", "c"])))
    assert load_splits(data, catalog, cache).classes == ("a", "b")


def test_a_pipe_is_not_waited_for(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(DataError, match="a named pipe"):
        fingerprint(wanted(tmp_path / "a.npz"), catalog, cache)


def test_a_file_that_is_no_npz_is_named(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"a\.npz: cannot be read as npz"):
        fingerprint(wanted(tmp_path / "a.npz"), catalog, cache)


def test_wrong_group_arrays_are_told(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    path = write(tmp_path / "a.npz", groups=np.arange(3))
    with pytest.raises(DataError, match="3 groups for 20 training images"):
        load_splits(dataset("npz", Validation(groups="groups"), path=path), catalog, cache)
    with pytest.raises(DataError, match='no array "group"; did you mean "groups"'):
        load_splits(dataset("npz", Validation(groups="group"), path=path), catalog, cache)
