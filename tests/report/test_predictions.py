from __future__ import annotations

import numpy as np
import pytest

from harness.measure.scores import evaluate
from harness.report.predictions import PredictionFiles
from harness.report.store import Entry, gather
from tests.report.predicted import predict, scores_of
from tests.report.studies import STUDY, KeptStore, cell_of, plan_of

TRUTH = (0, 0, 1, 1, 2, 2)
SAID = (1, 0, 1, 0, 2, 2)


@pytest.fixture
def entries(store: KeptStore) -> tuple[Entry, ...]:
    """Two cells that answered the same test images, and one whose test set stays sealed."""
    cells = [cell_of("a"), cell_of("b"), cell_of("sealed", test="never")]
    store.keep(plan_of(*cells))
    for planned in cells[:2]:
        predict(store, planned, TRUTH, SAID)
    predict(store, cells[2], TRUTH, SAID, split="val")
    return gather(store, STUDY).entries


def test_a_file_is_read_once_a_report(store: KeptStore, entries: tuple[Entry, ...]) -> None:
    files = PredictionFiles(store)
    first = files.of(entries[0], "test")
    assert first is not None
    (store.folder / "run-a_s0" / "predictions" / "test.parquet").unlink()
    assert files.of(entries[0], "test") is first
    assert PredictionFiles(store).of(entries[0], "test") is None


def test_the_same_images_are_the_same_object(store: KeptStore, entries: tuple[Entry, ...]) -> None:
    files = PredictionFiles(store)
    found = [files.of(entry, "test") for entry in entries[:2]]
    assert found[0] is not None and found[1] is not None
    assert found[0].images is found[1].images


def test_what_is_read_gives_the_figures_that_the_cell_reported(store: KeptStore, entries: tuple[Entry, ...]) -> None:
    found = PredictionFiles(store).of(entries[0], "test")
    figures = evaluate(scores_of(SAID), np.array(TRUTH), probabilistic=True)
    assert found is not None and found.confidence is not None
    assert found.right.mean() == figures.accuracy
    assert found.values["loss"].mean() == pytest.approx(figures.loss)
    assert {name: found.values[name].mean() for name in figures.others} == pytest.approx(figures.others)
    assert found.confidence.min() > 0.9


def test_a_sealed_test_set_has_no_predictions(store: KeptStore, entries: tuple[Entry, ...]) -> None:
    files = PredictionFiles(store)
    assert files.of(entries[2], "test") is None
    assert files.size(entries[2], "test") is None
    assert files.size(entries[2], "val") == (6, 3)
