"""What a report comes to at the end of a run: whatever a reader must not miss stands there too."""

from __future__ import annotations

from harness.report import summarize
from tests.report.studies import STUDY, KeptStore, cell_of, plan_of


def test_test_images_that_are_in_train_and_cells_that_are_lacking_are_warned_of(store: KeptStore) -> None:
    cells = [cell_of("mlp", 0), cell_of("hog")]
    store.keep(plan_of(*cells)).finish(cells[0], 0.5, 0.45)
    store.keep_leakage(exact=3)
    leak, gaps = summarize(store, STUDY).warnings
    assert "3 test images are in the training split too" in leak
    assert gaps == "Of 2 cells: 1 missing."


def test_without_leaks_and_gaps_nothing_is_warned_of_and_the_first_sentence_names_the_best(store: KeptStore) -> None:
    cell = cell_of("mlp", 0)
    store.keep(plan_of(cell)).finish(cell, 0.5, 0.45)
    store.keep_leakage(near=3)
    found = summarize(store, STUDY)
    assert found.warnings == ()
    assert found.headline[0].startswith("mlp is the only experiment with a test accuracy: 50.00 %")
