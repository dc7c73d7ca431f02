"""The images to train on: those of a folder, or random ones that have something to learn."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.parquet

from harness.contracts import Dataset, LabeledImages, Limit, Splits, Validation
from harness.data import load_splits
from harness.plugins import Catalog

CLASSES: Final = 10
JPEG: Final = repr(b"\xff\xd8\xff")[2:-1]
_BLOTS: Final = 4
"""Side of a class's pattern, which is enlarged to the image's."""


def patterned(count: int, side: int, seed: int = 0) -> LabeledImages:
    """Return noise over a faint pattern of each class: uint8 [N, side, side, 3], ten classes.

    Patterns are the same for every seed, so that training and validation images go together.
    """
    patterns = np.random.default_rng(0).normal(0, 24, (CLASSES, _BLOTS, _BLOTS, 3))
    enlarged = np.kron(patterns, np.ones((1, -(-side // _BLOTS), -(-side // _BLOTS), 1)))[:, :side, :side]
    random = np.random.default_rng(seed + 1)
    labels = random.integers(0, CLASSES, count)
    noise = random.standard_normal((count, side, side, 3), dtype=np.float32) * 50 + 128
    noise += enlarged.astype(np.float32)[labels]
    return LabeledImages(noise.clip(0, 255).astype(np.uint8), labels, np.arange(count))


def random_splits(count: int, held_out: int, side: int) -> Splits:
    """Return that many training and validation images of random patterns."""
    names = tuple(str(label) for label in range(CLASSES))
    return Splits(names, patterned(count, side), patterned(held_out, side, seed=1), "random", "random")


def dataset_of(folder: Path, count: int | None, held_out: int) -> Dataset:
    """Return the data set of a folder with `train.parquet` and `test.parquet`.

    Args:
        folder: Where the files are.
        count: Training images that are used, None for all.
        held_out: Images that the validation split takes from the training split.
    """
    limit = Limit(train=count) if count else None
    named = {"name": "parquet", "path": str(folder.absolute())}
    return Dataset.model_validate({**named, "validation": Validation(size=held_out, seed=0), "limit": limit})


def read_splits(dataset: Dataset, catalog: Catalog, cache: Path) -> Splits:
    """Return training and validation images of the folder.

    Raises:
        DataError: the training files are missing or at fault.
    """
    return load_splits(dataset, catalog, cache)


def described(folder: Path | None) -> str:
    """Say which images these are, as published figures are for others."""
    if folder is None:
        return "random images with a pattern for each class, not CIFAR-10"
    files = sorted(folder.glob("train*.parquet"))
    if not files:
        return f"{folder.name} (no train.parquet)"
    first = next(pyarrow.parquet.ParquetFile(files[0]).iter_batches(1)).to_pylist()
    kind = "as JPEG, not the original images" if JPEG in repr(first) else "as stored"
    return f"{folder.name}, {kind}"
