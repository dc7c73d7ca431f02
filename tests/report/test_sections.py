from __future__ import annotations

import json

import pytest

from harness.contracts import Ablation, Claim, Dataset, Limit, Opening, Place, Validation
from harness.data.leakage import NOT_FOUND
from harness.measure.paired import wilson
from harness.report.blocks import Table
from harness.report.context import context_of
from harness.report.sections import claims
from harness.report.sections.ablations import ablation_effects, effects_table
from harness.report.sections.claims import claims_table, verdict
from harness.report.sections.honesty import facts
from harness.report.sections.openings import duplicates_of, ledger_of
from harness.report.significance import Interval
from harness.report.store import gather
from harness.report.variants import distinct_variants, experiment_variants
from harness.words import Spread
from tests.report.predicted import predict
from tests.report.studies import STUDY, KeptStore, cell_of, plan_of


def column(table: Table, title: str) -> list[str]:
    place = [each.title for each in table.columns].index(title)
    return [row[place].text for row in table.rows]


def claimed(store: KeptStore, *claims: Claim) -> Table:
    table = claims_table(claims, distinct_variants(gather(store, STUDY)), lambda variant, metric: None)
    assert table is not None
    return table


@pytest.mark.parametrize(
    ("measured", "judged"),
    [
        (0.915, "holds (within 1.00 points)"),
        (0.92, "holds (within 1.00 points)"),
        (0.921, "differs: higher than claimed (not within 1.00 points)"),
        (0.85, "differs: lower than claimed (not within 1.00 points)"),
    ],
)
def test_a_claim_about_a_figure_without_an_interval_is_judged_by_its_tolerance(
    store: KeptStore, measured: float, judged: str
) -> None:
    planned = cell_of("vgg")
    store.keep(plan_of(planned)).finish(planned, measured)
    table = claimed(store, Claim(experiment="vgg", metric="test/accuracy", value=0.91, source="T1, 40 epochs"))
    assert column(table, "verdict") == [judged]
    assert column(table, "source of the claim") == ["T1, 40 epochs"]
    assert column(table, "measured on") == ["digits"]


@pytest.mark.parametrize(
    ("mean", "low", "high", "judged"),
    [
        (0.91, 0.905, 0.915, "holds (within 1.00 points)"),
        (0.925, 0.902, 0.939, "undecided (the mean is not within 1.00 points, the interval is on both sides)"),
        (0.91, 0.85, 0.97, "undecided (the mean is within 1.00 points, the interval is on both sides)"),
        (0.80, 0.78, 0.82, "differs: lower than claimed (not within 1.00 points)"),
        (0.95, 0.93, 0.97, "differs: higher than claimed (not within 1.00 points)"),
    ],
)
def test_a_claim_is_judged_by_the_whole_interval(mean: float, low: float, high: float, judged: str) -> None:
    claim = Claim(experiment="vgg", metric="test/accuracy", value=0.91)
    assert verdict(claim, Spread(3, mean, 0.01), Interval(low, high)).text == judged


def test_a_claim_has_the_interval_of_new_images_and_seeds(store: KeptStore) -> None:
    labels = [place % 3 for place in range(200)]
    for split in ("test", "val"):
        planned = cell_of(split)
        store.keep(plan_of(planned, claims=(Claim(experiment=split, metric=f"{split}/accuracy", value=0.9),)))
        wrong = [(label + 1) % 3 if place < 20 else label for place, label in enumerate(labels)]
        predict(store, planned, labels, wrong, split=split, thumbnails=False)
        found = claims.section(context_of(store, STUDY))
        assert found is not None and isinstance(found.blocks[0], Table)
        row = found.blocks[0].rows[0]
        low, high = wilson(0.9, 199)
        assert row[3].detail == f"[{100 * low:.2f}, {100 * high:.2f}]"
        assert row[5].text.startswith("undecided (the mean is within 1.00 points")


def test_a_claim_about_what_was_not_run_is_not_measured(store: KeptStore) -> None:
    store.keep(plan_of(cell_of("vgg")))
    asked = [Claim(experiment=name, metric="test/accuracy", value=0.9) for name in ("vgg", "other")]
    assert column(claimed(store, *asked), "verdict") == ["not measured", "not measured"]


def ablation_study(store: KeptStore, order: str, rows: tuple[str, ...]) -> KeptStore:
    """Two seeds a row; the first row is the experiment itself, each further row is 0.1, then 0.2 worse."""
    cells = []
    for seed in (0, 1):
        place = (Place(experiment="parts", label=rows[0]),)
        cells.append((cell_of("vgg", seed, more=place), 0.9 + seed * 0.02))
        cells += [(cell_of("parts", seed, label), 0.9 - 0.1 * step) for step, label in enumerate(rows[1:], 1)]
    ablation = Ablation(name="parts", base="vgg", order=order, rows=rows)
    store.keep(plan_of(*(planned for planned, _ in cells), ablations=(ablation,)))
    for planned, accuracy in cells:
        store.finish(planned, accuracy, accuracy)
    return store


def test_ablation_differences_are_paired_by_seed(store: KeptStore) -> None:
    rows = ("base", "- crop", "- flip")
    (table,) = map(effects_table, ablation_effects(gather(ablation_study(store, "leave_one_out", rows), STUDY)))
    assert column(table, "parts") == list(rows)
    assert column(table, "test top-1 %") == ["91.00 ± 1.41", "80.00 ± 0.00", "70.00 ± 0.00"]
    assert column(table, "test, to first row") == ["-", "-11.00 ± 1.41", "-21.00 ± 1.41"]


def test_a_cumulative_ablation_shows_each_step(store: KeptStore) -> None:
    rows = ("none", "+ crop", "+ flip")
    (table,) = map(effects_table, ablation_effects(gather(ablation_study(store, "cumulative", rows), STUDY)))
    assert column(table, "test, to row above") == ["-", "-11.00 ± 1.41", "-10.00 ± 0.00"]


def test_an_ablation_pairs_only_seeds_that_both_have(store: KeptStore) -> None:
    ablation_study(store, "leave_one_out", ("base", "- crop"))
    del store.cells["vgg_s1"]
    (table,) = map(effects_table, ablation_effects(gather(store, STUDY)))
    assert column(table, "test, to first row") == ["-", "-10.00"]


def test_a_row_that_only_left_out_stays_in_the_table(store: KeptStore) -> None:
    ablation_study(store, "leave_one_out", ("base", "- crop"))
    assert store.kept_plan is not None
    wider = Ablation(name="parts", base="vgg", order="leave_one_out", rows=("base", "- crop", "- flip"))
    store.keep(store.kept_plan.model_copy(update={"ablations": (wider,)}))
    (table,) = map(effects_table, ablation_effects(gather(store, STUDY)))
    assert column(table, "cells") == ["2/2", "2/2", "left out"]


def test_ablation_rows_are_no_experiments_and_shared_cells_are_pictured_once(store: KeptStore) -> None:
    findings = gather(ablation_study(store, "leave_one_out", ("base", "- crop")), STUDY)
    assert [variant.name for variant in experiment_variants(findings)] == ["vgg"]
    assert [variant.name for variant in distinct_variants(findings)] == ["vgg", "parts - crop"]


def test_the_ledger_counts_openings_sealed_and_waiting_cells(store: KeptStore) -> None:
    opened, never, waiting = cell_of("a"), cell_of("b", test="never"), cell_of("c")
    store.keep(plan_of(opened, never, waiting)).finish(opened, 0.5)
    summary = ledger_of(gather(store, STUDY))
    expected = "The test set was opened 1 time for 1 cell; 1 cell keeps it sealed for good; 1 cell may open it yet."
    assert summary.text == expected
    assert summary.faults == ()
    assert column(summary.openings, "cell") == ["a s0"]


def test_two_openings_of_a_cell_and_figures_without_an_opening_are_faults(store: KeptStore) -> None:
    twice, silent = cell_of("twice"), cell_of("silent")
    store.keep(plan_of(twice, silent)).finish(twice, 0.5)
    store.finish(silent, 0.5)
    store.ledger = [Opening(twice.key, "one", "now", "here", "r1"), Opening(twice.key, "two", "later", "here", "r2")]
    faults = ledger_of(gather(store, STUDY)).faults
    assert faults == ("twice s0: 2 openings", "silent s0: has test figures, but no opening is in the ledger")


def test_an_opening_of_a_sealed_cell_is_a_fault(store: KeptStore) -> None:
    planned = cell_of("mlp", test="never")
    store.keep(plan_of(planned))
    store.ledger = [Opening(planned.key, "digest", "now", "here", "r1")]
    assert "was to keep its test set sealed" in ledger_of(gather(store, STUDY)).faults[0]


def test_copies_across_splits_are_a_fault_and_near_ones_are_told(store: KeptStore) -> None:
    planned = cell_of("mlp")
    store.keep(plan_of(planned)).finish(planned, 0.5)
    store.keep_leakage(exact=500, near=12)
    (found,) = duplicates_of(gather(store, STUDY), store)
    assert found.is_fault
    assert found.text.startswith("500 test images are in the training split too, and 12 more nearly so")


def test_clean_splits_are_no_fault(store: KeptStore) -> None:
    planned = cell_of("mlp")
    store.keep(plan_of(planned)).keep_leakage(near=1)
    (found,) = duplicates_of(gather(store, STUDY), store)
    said = "No test image is in the training split as it is; 1 test image is nearly in the training split."
    unseen = f"That is no proof that there is none: {NOT_FOUND}."
    assert (found.text, found.is_fault) == (f"{said} {unseen}", False)


def test_silence_of_the_search_is_no_all_clear(store: KeptStore) -> None:
    store.keep(plan_of(cell_of("mlp"))).keep_leakage(searched=False)
    (found,) = duplicates_of(gather(store, STUDY), store)
    said = "No copy of a training image was found among the test images. That is no proof that there is none:"
    assert found.text == f"{said} near copies were not looked for."


def test_near_copies_beyond_their_tolerance_are_a_fault_of_the_first_screen(store: KeptStore) -> None:
    store.keep(plan_of(cell_of("mlp"))).keep_leakage(near=6, test_images=100)
    (found,) = duplicates_of(gather(store, STUDY), store)
    assert found.is_fault
    assert found.text.startswith("6 test images are nearly in the training split, 6.00 % of them.")


def test_an_unchecked_or_unreadable_check_is_said_to_be_none(store: KeptStore) -> None:
    store.keep(plan_of(cell_of("mlp"))).keep_leakage()
    (store.folder / "matrix-0" / "leakage" / "0.json").write_text(json.dumps({"of another": "version"}))
    (found,) = duplicates_of(gather(store, STUDY), store)
    assert found.text == "Train and test were not compared for duplicates: the test set is sealed."


def test_a_later_run_without_a_check_keeps_the_earlier_one(store: KeptStore) -> None:
    store.keep(plan_of(cell_of("mlp"))).keep_leakage(exact=3)
    store.keep(plan_of(cell_of("mlp"), cell_of("hog")))
    assert duplicates_of(gather(store, STUDY), store)[0].is_fault


def test_how_it_was_run_names_seeds_split_device_and_versions(store: KeptStore) -> None:
    planned = cell_of("mlp", 3)
    store.keep(plan_of(planned)).finish(planned, 0.5, tags={"harness.git": "abc", "harness.split_digest": "d1"})
    known = {fact.name: fact.text for fact in facts(gather(store, STUDY), store)}
    assert known["seeds"] == "3"
    assert known["data"] == "digits, validation 100 images (seed 0)"
    assert (known["commit"], known["validation split digest"], known["device"]) == ("abc", "d1", "a CPU")
    assert known["versions"] == "CPython 3.11.9, torch 2.15.0, numpy 2.4.6"


def test_a_claim_about_seconds_is_held_against_each_device_by_itself(store: KeptStore) -> None:
    cells = [cell_of("vgg", seed) for seed in (0, 1)]
    store.keep(plan_of(*cells))
    for planned, device, seconds in zip(cells, ("a CPU", "a GPU"), (600.0, 60.0), strict=True):
        store.finish(planned, 0.9, device=device, seconds=seconds)
    table = claimed(store, Claim(experiment="vgg", metric="time/train_seconds", value=60, tolerance=5))
    assert column(table, "measured on") == ["digits, a CPU", "digits, a GPU"]
    assert [text.split(" (")[0] for text in column(table, "verdict")] == ["differs: higher than claimed", "holds"]


def test_a_part_of_the_data_says_nothing_of_a_claim(store: KeptStore) -> None:
    limited = Dataset(name="digits", validation=Validation(size=100), limit=Limit(train=200))
    planned = cell_of("vgg", dataset=limited)
    store.keep(plan_of(planned)).finish(planned, 0.91)
    table = claimed(store, Claim(experiment="vgg", metric="test/accuracy", value=0.91))
    assert column(table, "verdict") == ["not comparable: only a part of the data"]


def test_the_sources_of_claims_are_explained_where_they_stand(store: KeptStore) -> None:
    planned = cell_of("vgg")
    store.keep(plan_of(planned)).finish(planned, 0.91)
    table = claimed(store, Claim(experiment="vgg", metric="test/accuracy", value=0.9, source="T1, 40 epochs"))
    assert table.notes[1:] == ("T1: an end-to-end CIFAR-10 course project",)
