"""An official validation split is used in place of a carved one, of folders, Parquet files and npz arrays alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.contracts import Dataset, Validation
from harness.data import concatenate, fingerprint, fitted_on, image_names, load_splits
from harness.data.checks import check
from harness.data.inspect import describe
from harness.errors import DataError, InputError
from harness.matrix import cell_key, load_study
from harness.plugins import Catalog
from tests.data.conftest import MakeParquet, dataset, pictures
from tests.data.test_checks import cell
from tests.data.test_image_folder import make_tree
from tests.data.test_npz import write

OWN = Validation(split="val")


@pytest.fixture(params=["tree", "apart", "parquet", "shards", "npz", "medmnist"])
def own(request: pytest.FixtureRequest, tmp_path: Path, make_parquet: MakeParquet) -> Dataset:
    """Return a data set with 6 official validation images, in each layout."""
    images, labels = pictures(6, seed=9), np.arange(6) % 3
    if request.param in {"tree", "apart"}:
        for split, count in (("train", 10), ("valid", 3), ("test", 3)):
            make_tree(tmp_path / "set" / split, count=count, seed=count)
        named = {split: tmp_path / "set" / split for split in ("train", "test")}
        return dataset("image_folder", OWN, **named if request.param == "apart" else {"path": tmp_path / "set"})
    if request.param in {"parquet", "shards"}:
        make_parquet()
        if request.param == "shards":
            (make_parquet.folder / "data").mkdir()
            make_parquet.write("data/validation-00001-of-00002", images[4:], labels[4:])
            make_parquet.write("data/validation-00000-of-00002", images[:4], labels[:4])
        else:
            make_parquet.write("val", images, labels)
        return dataset("parquet", OWN, path=make_parquet.folder)
    gray, binary = images[..., :1], (np.arange(6) % 2)[:, None]
    if request.param == "npz":
        return dataset("npz", OWN, path=write(tmp_path / "a.npz", x_val=gray, y_val=binary))
    arrays: dict[str, Any] = {
        "train_images": pictures(20, channels=1)[..., 0],
        "train_labels": (np.arange(20) % 2)[:, None],
    }
    arrays |= {"val_images": gray[..., 0], "val_labels": binary, "test_images": gray[..., 0], "test_labels": binary}
    np.savez(tmp_path / "pneumoniamnist.npz", **arrays)
    return dataset("npz", OWN, path=tmp_path / "pneumoniamnist.npz")


def test_it_is_used_whole_and_nothing_is_carved(own: Dataset, catalog: Catalog, cache: Path) -> None:
    splits = load_splits(own, catalog, cache)
    assert splits.validation.index.tolist() == list(range(len(splits.train), len(splits.train) + 6))
    on = [fitted_on(cell(own).model_copy(update={"train_on": each}), catalog, cache) for each in ("train", "train+val")]
    assert on == [len(splits.train), len(splits.train) + 6]
    both = concatenate(splits.train, splits.validation)
    assert np.array_equal(both.images[-6:], splits.validation.images) and np.array_equal(
        both.labels[-6:], splits.validation.labels
    )
    assert splits.fingerprint == fingerprint(own, catalog, cache)
    names = image_names(own, catalog, cache, "train")
    assert len(names) in {0, len(both)}
    assert describe(own, catalog, cache).train.images == len(both)


def test_it_is_in_the_fingerprint_and_the_key(own: Dataset, catalog: Catalog, cache: Path) -> None:
    carved = own.model_copy(update={"validation": Validation(size=6)})
    prints = [fingerprint(each, catalog, cache) for each in (own, carved)]
    assert prints[0] != prints[1]
    keys = {cell_key(cell(each), "same", catalog) for each in (own, carved)}
    assert len(keys) == 2


def test_without_test_files_it_is_there_all_the_same(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    for split in ("train", "val"):
        make_tree(tmp_path / "set" / split)
    own = dataset("image_folder", OWN, path=tmp_path / "set")
    assert len(load_splits(own, catalog, cache).validation) == 20
    assert "the test split of image_folder is missing" in check(own, catalog, cache).missing


def test_one_that_is_not_there_or_of_other_classes_is_told_before_anything_is_fitted(
    tmp_path: Path, catalog: Catalog, cache: Path
) -> None:
    make_tree(tmp_path / "set" / "train")
    own = dataset("image_folder", OWN, path=tmp_path / "set")
    with pytest.raises(DataError, match=r"the val split of image_folder is missing: there is no folder val, valid, va"):
        check(own, catalog, cache)
    make_tree(tmp_path / "set" / "val", classes=("ant", "bee", "wasp"))
    with pytest.raises(DataError, match="wasp: only in val"):
        check(own, catalog, cache)


def test_a_file_of_its_own_can_be_named(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    path = write(tmp_path / "a.npz")
    np.savez(tmp_path / "val.npz", x=pictures(4, channels=1), y=np.arange(4) % 2)
    own = dataset("npz", OWN, path=path, val=tmp_path / "val.npz")
    assert len(load_splits(own, catalog, cache).validation) == 4
    with pytest.raises(DataError, match=r'the val split of npz is missing: .* has no array "x_val"'):
        load_splits(dataset("npz", OWN, path=path), catalog, cache)


@pytest.mark.parametrize(
    ("validation", "said"),
    [
        ("{split: val}", '"digits" has no validation split of its own; give size or fraction, and one is carved'),
        ("{split: dev}", "dev"),
        ("{split: val, size: 3}", "split takes the data set's own validation images"),
    ],
)
def test_what_cannot_be_is_told_in_line_and_column(validation: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(
        f"version: 1\nstudy: own\ndataset: {{name: digits, validation: {validation}}}\n"
        "experiments: {a: {model: majority}}\n"
    )
    with pytest.raises(InputError, match=r"m\.yaml:3:\d+: ") as told:
        load_study(file, Catalog())
    assert said in str(told.value)


def test_setting_a_size_takes_the_split_back(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    (tmp_path / "set").mkdir()
    file.write_text(
        "version: 1\nstudy: own\ndataset: {name: image_folder, path: set, validation: {split: val}}\n"
        "experiments: {a: {model: majority}}\n"
    )
    (own,), (carved,) = (load_study(file, Catalog(), each).cells for each in ((), ("dataset.validation.size=3",)))
    assert own.cell.dataset.validation == OWN
    assert (carved.cell.dataset.validation.split, carved.cell.dataset.validation.size) == (None, 3)
