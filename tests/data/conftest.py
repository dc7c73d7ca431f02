from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from harness.contracts import Dataset, Validation
from harness.plugins import Catalog

NAMES = ("cat", "dog", "emu")


def encoded(image: NDArray[np.uint8], kind: str = "PNG") -> bytes:
    file = BytesIO()
    Image.fromarray(image if image.ndim == 3 and image.shape[2] == 3 else image.squeeze()).save(file, kind)
    return file.getvalue()


def pictures(count: int, seed: int = 0, side: int = 6, channels: int = 3) -> NDArray[np.uint8]:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (count, side, side, channels), dtype=np.uint8)


class MakeParquet:
    """Writes train.parquet and test.parquet in the layout of data set hubs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self,
        train: int = 60,
        test: int = 12,
        names: Sequence[str] | None = NAMES,
        **columns: Sequence[Any],
    ) -> Path:
        self.write("train", pictures(train), np.arange(train) % 3, names, **columns)
        self.write("test", pictures(test, seed=1), np.arange(test) % 3, names)
        return self.folder

    def write(
        self, split: str, images: Any, labels: Any, names: Sequence[str] | None = NAMES, **columns: Sequence[Any]
    ) -> Path:
        rows = [{"bytes": image if isinstance(image, bytes) else encoded(image), "path": None} for image in images]
        table = pa.table({"img": rows, "label": pa.array(list(labels)), **columns})
        if names is not None:
            listed = ", ".join(f'"{name}"' for name in names)
            text = '{"info": {"features": {"label": {"names": [' + listed + "]}}}}"
            table = table.replace_schema_metadata({"huggingface": text})
        path = self.folder / f"{split}.parquet"
        pq.write_table(table, path)
        return path


@pytest.fixture
def catalog() -> Catalog:
    return Catalog()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def make_parquet(tmp_path: Path) -> MakeParquet:
    folder = tmp_path / "parquet"
    folder.mkdir()
    return MakeParquet(folder)


def dataset(name: str, validation: Validation | None = None, **options: Any) -> Dataset:
    return Dataset(name=name, validation=validation or Validation(size=12), **options)
