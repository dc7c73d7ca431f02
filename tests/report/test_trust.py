"""What stands before any ranking: test and validation that contradict each other, learning that holds for no others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.contracts import PlannedCell
from harness.measure.diagnosis import disagreement
from harness.report.context import context_of
from harness.report.summary import summary_of
from tests.report.predicted import scores_of
from tests.report.studies import CLASSES, STUDY, KeptStore, cell_of, plan_of

LABELS = [place % 3 for place in range(300)]


def finish(store: KeptStore, planned: PlannedCell, val: float, test: float, train: float | None = None) -> None:
    """Finish a cell with so many of 300 images right in each split."""
    run = store.finish(planned, test, val, epochs=False)
    if train is not None:
        store.cells[planned.key] = [replace(run, metrics={**run.metrics, "train/accuracy_plain": train})]
    folder = store.folder / run.run_id / "predictions"
    folder.mkdir()
    for split, share in (("val", val), ("test", test)):
        said = [label if place < share * len(LABELS) else (label + 1) % 3 for place, label in enumerate(LABELS)]
        scores = scores_of(said)
        columns = {"index": np.arange(len(LABELS)), "label": np.array(LABELS)}
        columns |= {f"score_{name}": scores[:, place] for place, name in enumerate(CLASSES)}
        pq.write_table(pa.table(columns), folder / f"{split}.parquet")


def headline(store: KeptStore) -> tuple[str, ...]:
    return summary_of(context_of(store, STUDY)).headline


def test_a_contradiction_of_test_and_validation_is_the_first_line_and_nothing_is_ranked(store: KeptStore) -> None:
    cells = [cell_of("good"), cell_of("floor")]
    store.keep(plan_of(*cells))
    finish(store, cells[0], val=0.97, test=0.31)
    finish(store, cells[1], val=0.33, test=0.33)
    first, *rest = headline(store)
    assert first.startswith(
        "Test and validation contradict each other, far beyond chance: good 97.00 % on validation and 31.00 % on test"
    )
    assert "no experiment is put before another" in first
    assert not any("highest" in each or "is best" in each for each in (first, *rest))


def test_a_test_set_that_was_trained_on_contradicts_validation_too(store: KeptStore) -> None:
    planned = cell_of("leaked")
    store.keep(plan_of(planned))
    finish(store, planned, val=0.40, test=0.70)
    assert "contradict each other" in headline(store)[0]


def test_a_disagreement_beyond_chance_of_the_leading_one_comes_first_but_is_ranked(store: KeptStore) -> None:
    cells = [cell_of("best"), cell_of("other")]
    store.keep(plan_of(*cells))
    finish(store, cells[0], val=0.99, test=0.90)
    finish(store, cells[1], val=0.81, test=0.80)
    first, second, *_ = headline(store)
    assert first.startswith("Test and validation disagree by more than chance: best 99.00 % on validation and 90.00 %")
    assert second.startswith("best is best")


def test_what_chance_explains_is_not_told(store: KeptStore) -> None:
    planned = cell_of("fair")
    store.keep(plan_of(planned))
    finish(store, planned, val=0.92, test=0.88)
    assert not any("disagree" in each or "contradict" in each for each in headline(store))


def test_shuffled_training_labels_are_told_as_no_better_than_guessing(store: KeptStore) -> None:
    planned = cell_of("learned-by-heart")
    store.keep(plan_of(planned))
    finish(store, planned, val=0.34, test=0.33, train=0.95)
    assert headline(store)[0].startswith("No experiment is better than guessing on validation images")


@pytest.mark.parametrize(("gap", "told"), [(0.02, False), (0.08, True)])
def test_a_disagreement_is_one_of_two_independent_shares(gap: float, told: bool) -> None:
    found = disagreement(0.9, 0.9 - gap, (1000, 1000), guessing=0.1)
    assert (found is not None) is told
    assert found is None or (found.low < gap < found.high and not found.is_contradiction)
