"""How far decoding and the search for duplicates say that they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from harness.data import decode, load_splits
from harness.data.inspect import leakage
from harness.phases import Advance, shown_by
from harness.plugins import Catalog
from tests.data.conftest import MakeParquet, dataset, pictures


class Counted:
    """Remembers each phase with its steps: how many there were to be, how many were done."""

    def __init__(self) -> None:
        self.phases: dict[str, tuple[int | None, int]] = {}

    @contextmanager
    def phase(self, text: str, total: int | None) -> Iterator[Advance]:
        done = [0]

        def advance(count: int) -> None:
            done[0] += count

        yield advance
        self.phases[text] = (total, done[0])

    def remark(self, text: str) -> None:
        raise AssertionError(text)


@pytest.mark.parametrize("processes", [1, 2])
def test_every_decoded_image_is_counted_in_whatever_process(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    monkeypatch.setattr(decode, "MANY", 10)
    monkeypatch.setattr("harness.data.sources._tables.MANY", 10)
    monkeypatch.setattr(decode, "process_count", lambda: processes)
    make_parquet.write("train", pictures(240), np.arange(240) % 3)
    counted = Counted()
    with shown_by(counted):
        load_splits(dataset("parquet", path=make_parquet.folder), catalog, cache)
    assert counted.phases == {
        "parquet: train split: reading the headers of 240 images": (240, 240),
        "parquet: train split: decoding 240 images": (240, 240),
    }


def test_the_search_for_duplicates_reaches_its_end_and_is_made_once(catalog: Catalog, cache: Path) -> None:
    counted = Counted()
    for _ in range(2):
        with shown_by(counted):
            leakage(dataset("digits"), catalog, cache)
    ((text, (total, done)),) = counted.phases.items()
    assert text == "looking for duplicates among 1,797 images"
    assert total == done
