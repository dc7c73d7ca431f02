from __future__ import annotations

import gzip
import io
import pickle
import re
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from harness.data.sources._published import known_to_torchvision
from harness.errors import DataError
from harness.plugins import Catalog
from tests.data.conftest import pictures

PUBLISHED = ("cifar10", "cifar100", "fashion_mnist", "mnist", "svhn")


def source(name: str) -> Any:
    return Catalog().realize("source", name, {})


def rows(images: Any) -> Any:
    return images.transpose(0, 3, 1, 2).reshape(len(images), -1)


def write_tar(path: Path, **members: Any) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for name, value in members.items():
            content = pickle.dumps(value)
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def test_cifar10_batches_are_read_in_their_order(tmp_path: Path) -> None:
    images = pictures(12, side=32)
    batches = {
        f"cifar-10-batches-py/data_batch_{part}": {
            "data": rows(images[2 * part - 2 : 2 * part]),
            "labels": [part, part + 1],
        }
        for part in (5, 3, 1, 2, 4)
    }
    test = {"cifar-10-batches-py/test_batch": {"data": rows(images[10:]), "labels": [0, 9]}}
    names = {"cifar-10-batches-py/batches.meta": {"label_names": ["plane", "car"]}}
    write_tar(tmp_path / "cifar-10-python.tar.gz", **test, **batches, **names)
    train = source("cifar10").read("train", tmp_path, tmp_path)
    assert np.array_equal(train.images, images[:10])
    assert train.labels.tolist() == [1, 2, 2, 3, 3, 4, 4, 5, 5, 6]
    assert np.array_equal(source("cifar10").read("test", tmp_path, tmp_path).images, images[10:])
    assert source("cifar10").classes(tmp_path) == ("plane", "car")


def test_cifar100_has_the_fine_classes(tmp_path: Path) -> None:
    images = pictures(3, side=32)
    train = {"data": rows(images), "fine_labels": [3, 99, 0], "coarse_labels": [0, 1, 2]}
    meta = {"fine_label_names": ["apple"], "coarse_label_names": ["fruit"]}
    members = {"cifar-100-python/train": train, "cifar-100-python/meta": meta}
    write_tar(tmp_path / "cifar-100-python.tar.gz", **members)
    assert source("cifar100").read("train", tmp_path, tmp_path).labels.tolist() == [3, 99, 0]
    assert source("cifar100").classes(tmp_path) == ("apple",)


def test_an_archive_without_a_batch_is_an_error(tmp_path: Path) -> None:
    write_tar(tmp_path / "cifar-100-python.tar.gz", **{"cifar-100-python/meta": {}})
    with pytest.raises(DataError, match="missing in it:\n  cifar-100-python/train"):
        source("cifar100").read("train", tmp_path, tmp_path)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_idx_files_are_read_by_split(tmp_path: Path, name: str) -> None:
    images = pictures(3, side=28, channels=1)
    for start, count in (("train", 2), ("t10k", 1)):
        part = images[:count] if start == "train" else images[2:]
        header = b"\0\0\x08\x03" + np.array([count, 28, 28], ">i4").tobytes()
        (tmp_path / f"{start}-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + part.tobytes()))
        header = b"\0\0\x08\x01" + np.array([count], ">i4").tobytes()
        (tmp_path / f"{start}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(header + bytes(range(count))))
    train = source(name).read("train", tmp_path, tmp_path)
    assert np.array_equal(train.images, images[:2])
    assert train.labels.tolist() == [0, 1]
    assert np.array_equal(source(name).read("test", tmp_path, tmp_path).images, images[2:])
    assert len(source(name).classes(tmp_path)) == 10


def test_svhn_labels_the_digit_zero_as_zero(tmp_path: Path) -> None:
    images = pictures(3, side=32)
    content = {"X": images.transpose(1, 2, 3, 0), "y": np.array([[10], [1], [9]], np.uint8)}
    scipy.io.savemat(tmp_path / "train_32x32.mat", content)
    train = source("svhn").read("train", tmp_path, tmp_path)
    assert np.array_equal(train.images, images)
    assert train.labels.tolist() == [0, 1, 9]


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_stamp_needs_no_file_and_tells_the_splits_apart(name: str, tmp_path: Path) -> None:
    assert source(name).stamp("train", tmp_path) != source(name).stamp("test", tmp_path)


def test_torchvision_still_knows_the_addresses_and_checksums() -> None:
    checksum = re.compile("[0-9a-f]{32}")
    for name in ("CIFAR10", "CIFAR100"):
        known = known_to_torchvision(name)
        assert known.url.endswith(known.filename)
        assert checksum.fullmatch(known.tgz_md5)
    for name in ("MNIST", "FashionMNIST"):
        known = known_to_torchvision(name)
        assert known.mirrors
        assert {file for file, _ in known.resources} >= {"train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"}
    assert known_to_torchvision("FashionMNIST").classes == list(source("fashion_mnist").classes(Path()))
    assert known_to_torchvision("SVHN").split_list["test"][1] == "test_32x32.mat"
