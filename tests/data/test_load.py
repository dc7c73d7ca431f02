from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from harness.contracts import LabeledImages, Limit, Validation
from harness.data import concatenate, digest_of, fingerprint, load_splits, task_of
from harness.errors import DataError
from harness.plugins import Catalog
from tests.data.conftest import MakeParquet, dataset, pictures


def test_train_and_validation_are_the_training_split_without_overlap(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path
) -> None:
    splits = load_splits(dataset("parquet", path=make_parquet()), catalog, cache)
    both = concatenate(splits.train, splits.validation)
    assert np.array_equal(both.index, np.arange(60))
    assert np.array_equal(both.images, pictures(60))
    assert np.array_equal(both.labels, np.arange(60) % 3)
    assert splits.classes == ("cat", "dog", "emu")


def test_the_validation_split_has_the_wanted_size_and_is_stratified(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path
) -> None:
    splits = load_splits(dataset("parquet", path=make_parquet()), catalog, cache)
    assert np.bincount(splits.validation.labels).tolist() == [4, 4, 4]
    assert np.bincount(splits.train.labels).tolist() == [16, 16, 16]


def test_the_validation_seed_alone_decides_who_is_held_out(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path
) -> None:
    path = make_parquet()
    first, again, other = (
        load_splits(dataset("parquet", Validation(fraction=0.2, seed=seed), path=path), catalog, cache)
        for seed in (0, 0, 1)
    )
    assert first.split_digest == again.split_digest != other.split_digest
    assert not np.array_equal(first.validation.index, other.validation.index)
    assert first.fingerprint == other.fingerprint


def test_loading_reads_nothing_of_the_test_split(make_parquet: MakeParquet, catalog: Catalog, cache: Path) -> None:
    path = make_parquet()
    (path / "test.parquet").unlink()
    load_splits(dataset("parquet", path=path), catalog, cache)
    decoded = [each.name for each in (cache / "decoded").iterdir() if each.is_dir()]
    assert len(decoded) == 1
    assert decoded[0].startswith("parquet-train-")


def test_images_are_decoded_once(make_parquet: MakeParquet, catalog: Catalog, cache: Path) -> None:
    wanted = dataset("parquet", path=make_parquet())
    load_splits(wanted, catalog, cache)
    (images,) = cache.glob("decoded/*/images.npy")
    before = images.stat().st_mtime_ns
    load_splits(wanted, catalog, cache)
    assert images.stat().st_mtime_ns == before
    assert len(list(cache.glob("decoded/*/images.npy"))) == 1


def test_the_fingerprint_follows_the_images_and_not_their_files(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path, tmp_path: Path
) -> None:
    path = make_parquet()
    first = fingerprint(dataset("parquet", path=path), catalog, cache)
    shutil.copytree(path, tmp_path / "copy")
    os.utime(tmp_path / "copy" / "train.parquet", (1, 1))
    assert fingerprint(dataset("parquet", path=tmp_path / "copy"), catalog, cache) == first
    images = pictures(60)
    images[7, 0, 0, 0] ^= 1
    make_parquet.write("train", images, np.arange(60) % 3)
    assert fingerprint(dataset("parquet", path=path), catalog, cache) != first


def test_another_label_or_class_name_is_another_fingerprint() -> None:
    images, index = pictures(4), np.arange(4)
    labels = np.array([0, 1, 0, 1])
    first = digest_of(LabeledImages(images, labels, index), ("a", "b"))
    assert digest_of(LabeledImages(images, labels[::-1].copy(), index), ("a", "b")) != first
    assert digest_of(LabeledImages(images, labels, index), ("a", "c")) != first
    assert digest_of(LabeledImages(images.copy(), labels, index), ("a", "b")) == first


def test_a_cached_fingerprint_is_quick(make_parquet: MakeParquet, catalog: Catalog, cache: Path) -> None:
    wanted = dataset("parquet", path=make_parquet())
    fingerprint(wanted, catalog, cache)
    begun = time.perf_counter()
    fingerprint(wanted, catalog, cache)
    assert time.perf_counter() - begun < 0.3


def test_other_options_are_decoded_apart(make_parquet: MakeParquet, catalog: Catalog, cache: Path) -> None:
    path = make_parquet()
    own = load_splits(dataset("parquet", path=path), catalog, cache)
    small = load_splits(dataset("parquet", path=path, resize=4, channels=1), catalog, cache)
    assert own.train.images.shape[1:] == (6, 6, 3)
    assert small.train.images.shape[1:] == (4, 4, 1)
    assert own.fingerprint != small.fingerprint
    assert own.split_digest == small.split_digest


def test_a_limit_is_stratified_fixed_and_spares_validation(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path
) -> None:
    path = make_parquet()
    whole = load_splits(dataset("parquet", path=path), catalog, cache)
    first, again = (load_splits(dataset("parquet", path=path, limit=Limit(train=9)), catalog, cache) for _ in range(2))
    assert np.bincount(first.train.labels).tolist() == [3, 3, 3]
    assert np.array_equal(first.train.index, again.train.index)
    assert np.array_equal(first.validation.index, whole.validation.index)
    assert set(first.train.index) < set(whole.train.index)


def test_a_limit_below_the_number_of_classes_still_gives_that_many(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path
) -> None:
    splits = load_splits(dataset("parquet", path=make_parquet(), limit=Limit(train=2)), catalog, cache)
    assert len(splits.train) == 2


@pytest.mark.parametrize("channels", [1, 3])
def test_statistics_equal_numpys(channels: int) -> None:
    images = pictures(50, side=9, channels=channels)
    task = task_of(("a", "b"), LabeledImages(images, np.zeros(50, np.int64), np.arange(50)))
    pixels = images.reshape(-1, channels) / 255
    assert task.shape == (9, 9, channels)
    np.testing.assert_allclose(task.mean, pixels.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(task.std, pixels.std(axis=0), rtol=1e-12)


def test_statistics_do_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    images = LabeledImages(pictures(50), np.zeros(50, np.int64), np.arange(50))
    whole = task_of(("a", "b"), images)
    monkeypatch.setattr("harness.data.cache._VALUES", 300)
    assert task_of(("a", "b"), images) == whole


def test_the_statistics_of_one_gray_level_are_exact() -> None:
    images = LabeledImages(np.full((3, 4, 4, 1), 51, np.uint8), np.zeros(3, np.int64), np.arange(3))
    task = task_of(("a", "b"), images)
    assert task.mean == (0.2,)
    assert task.std == (0.0,)


def test_too_few_images_for_the_validation_split_are_told_in_numbers(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path
) -> None:
    with pytest.raises(DataError, match=r"validation wants 58 of 60 training images.* 3 to 57"):
        load_splits(dataset("parquet", Validation(size=58), path=make_parquet()), catalog, cache)


def test_wrong_options_are_told_with_their_names(catalog: Catalog, cache: Path) -> None:
    with pytest.raises(DataError, match=r"source parquet: resize.*greater than 0"):
        load_splits(dataset("parquet", path="x", resize=0), catalog, cache)
    with pytest.raises(DataError, match=r"source parquet: .*give path"):
        load_splits(dataset("parquet"), catalog, cache)


def test_cached_images_cannot_be_written_to(make_parquet: MakeParquet, catalog: Catalog, cache: Path) -> None:
    from harness.data.cache import origin_of, read_images

    images = read_images(origin_of(dataset("parquet", path=make_parquet()), catalog, cache), "train")
    with pytest.raises(ValueError, match="read-only"):
        images.images[0] = 0
