from __future__ import annotations

import csv
import io
from typing import cast

import numpy as np
import pytest

from harness.contracts import Dataset, ReportSettings
from harness.measure.paired import wilson
from harness.measure.scores import evaluate
from harness.report.blocks import Table
from harness.report.context import Context, context_of
from harness.report.csv_files import pairs_csv
from harness.report.predictions import PredictionFiles, image_sets
from harness.report.sections.comparisons import pairs_tables
from harness.report.sections.headline import flattery, headline
from harness.report.sections.results import results_table
from harness.report.significance import Verdicts, method, verdicts
from harness.report.store import gather
from harness.report.variants import distinct_variants, experiment_variants, ranked
from tests.report.predicted import predict, scores_of
from tests.report.studies import STUDY, KeptStore, cell_of, plan_of

LABELS = np.random.default_rng(0).integers(3, size=200).tolist()


def said(wrong: int, start: int = 0) -> list[int]:
    """Return predictions that are wrong on so many images from `start` on."""
    return [(label + 1) % 3 if start <= place < start + wrong else label for place, label in enumerate(LABELS)]


def study(store: KeptStore, **wrong: tuple[int, ...]) -> Verdicts:
    """Finish experiments with so many wrong images, one number a seed; the first images are the hard ones."""
    cells = {name: [cell_of(name, seed) for seed in range(len(given))] for name, given in wrong.items()}
    store.keep(plan_of(*(planned for each in cells.values() for planned in each)))
    for name, given in wrong.items():
        for planned, count in zip(cells[name], given, strict=True):
            predict(store, planned, LABELS, said(count), thumbnails=False)
    return known(store)


def known(store: KeptStore) -> Verdicts:
    findings = gather(store, STUDY)
    return verdicts(
        ranked(experiment_variants(findings)), image_sets(distinct_variants(findings), PredictionFiles(store), "test")
    )


def lead(store: KeptStore, found: Verdicts) -> tuple[str, ...]:
    return headline(experiment_variants(gather(store, STUDY)), None, found)


def column(table: Table, title: str) -> list[str]:
    place = [each.title for each in table.columns].index(title)
    return [row[place].text for row in table.rows]


def test_a_letter_is_shared_by_what_cannot_be_told_apart(store: KeptStore) -> None:
    found = study(store, best=(10,), near=(12,), far=(60,)).sets[0]
    assert [each.name for each in found.variants] == ["best", "near", "far"]
    assert found.letters == ("a", "a", "b")
    assert found.comparisons == 3


def test_with_one_seed_each_the_p_value_is_mcnemars_corrected_for_all_pairs(store: KeptStore) -> None:
    found = study(store, best=(10,), near=(16,), far=(60,)).sets[0]
    first = found.pairs[0]
    assert [first.p, first.difference] == pytest.approx([2 * 0.5**6, 6 / 200])
    assert [pair.adjusted for pair in found.pairs] == pytest.approx(
        [first.p, 3 * 2 * 0.5**50, 2 * 2 * 0.5**44], rel=1e-5
    )
    assert method(found).startswith("3 comparisons on the same 200 test images (McNemar's exact test")


def test_the_interval_of_an_accuracy_with_one_seed_is_wilsons(store: KeptStore) -> None:
    found = study(store, best=(10,), far=(60,)).sets[0]
    interval = found.interval("test/accuracy", 0)
    assert interval is not None
    assert [interval.low, interval.high] == pytest.approx(list(wilson(0.95, 200)), abs=1e-3)


def test_loss_and_macro_f1_have_intervals_around_their_means(store: KeptStore) -> None:
    found = study(store, best=(10, 14), far=(60, 63)).sets[0]
    for metric in ("test/macro_f1", "test/loss", "test/ece"):
        interval = found.interval(metric, 0)
        assert interval is not None
        assert 0 <= interval.low < interval.high


def test_seeds_that_differ_widen_the_interval(store: KeptStore) -> None:
    found = study(store, calm=(20, 20), wild=(2, 40)).sets[0]
    wide, narrow = (found.interval("test/accuracy", found.place(each) or 0) for each in found.variants)
    names = [each.name for each in found.variants]
    assert wide is not None
    assert narrow is not None
    if names[0] == "calm":
        wide, narrow = narrow, wide
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)
    assert "a paired test over seeds and images" in method(found)


def test_seeds_that_make_no_difference_are_one_fitted_model(store: KeptStore) -> None:
    found = study(store, hog=(20, 20), logistic=(60, 60)).sets[0]
    assert found.single == found.comparisons == 1
    assert found.pairs[0].p == pytest.approx(2 * 0.5**40)


def test_variants_without_letters_are_named_with_the_reason(store: KeptStore) -> None:
    opened, sealed, missing = cell_of("opened"), cell_of("sealed", test="never"), cell_of("missing")
    silent = cell_of("silent")
    store.keep(plan_of(opened, sealed, missing, silent))
    predict(store, opened, LABELS, said(3), thumbnails=False)
    store.finish(silent, 0.5, 0.5)
    store.finish(sealed, None, 0.5)
    found = known(store)
    assert found.left_out == {
        "its test set is sealed": ["sealed"],
        "no finished cell": ["missing"],
        "no test predictions in the store": ["silent"],
    }
    table = results_table(experiment_variants(gather(store, STUDY)), None, found)
    assert column(table, "letters") == ["a", "-", "-", "-"]
    assert "no letter for missing: no finished cell" in table.notes


def test_other_test_images_are_never_compared(store: KeptStore) -> None:
    here, there = cell_of("here"), cell_of("there", dataset=Dataset(name="parquet", path="/data/other"))
    store.keep(plan_of(here, there))
    predict(store, here, LABELS, said(3), thumbnails=False)
    predict(store, there, LABELS[:100], said(3)[:100], thumbnails=False)
    found = known(store)
    assert [each.comparisons for each in found.sets] == [0, 0]
    assert lead(store, found)[-1].endswith("no two experiments answered the same test images.")


def test_the_headline_says_that_the_best_is_better_than_each_other(store: KeptStore) -> None:
    first = lead(store, study(store, best=(10,), mid=(50,), far=(90,)))[0]
    assert first.startswith("best is best: it is better than each of the 2 others at the 5 % level (95.00 % with one")


def test_the_headline_says_from_whom_the_best_cannot_be_told(store: KeptStore) -> None:
    first = lead(store, study(store, best=(10,), near=(12,), far=(60,)))[0]
    assert "but it cannot be told apart from near at the 5 % level. It is better than the other one." in first


def test_the_headline_names_the_tests_and_their_number(store: KeptStore) -> None:
    sentences = lead(store, study(store, best=(10,), near=(12,), far=(60,)))
    assert sentences[-1] == (
        "Tested by McNemar's exact test, 3 comparisons on the same 200 test images, corrected by Holm's method. "
        "With one seed each, this is about the fitted models: another seed could turn it."
    )


def test_pairs_are_told_with_interval_and_verdict(store: KeptStore) -> None:
    found = study(store, best=(10,), near=(12,), far=(60,))
    (table,) = pairs_tables(found.sets)
    assert column(table, "difference") == ["+1.00", "+25.00", "+24.00"]
    assert column(table, "verdict") == ["not told apart", "told apart", "told apart"]
    rows = list(csv.DictReader(io.StringIO(pairs_csv(found.sets))))
    assert float(rows[1]["difference"]) == pytest.approx(0.25)
    assert float(rows[1]["low"]) < 0.25 < float(rows[1]["high"])
    assert [row["differs"] for row in rows] == ["false", "true", "true"]


def test_two_names_of_the_same_cells_are_compared_once(store: KeptStore) -> None:
    found = study(store, best=(10,), far=(60,))
    variants = found.sets[0].variants
    images = image_sets(variants, PredictionFiles(store), "test")
    again = verdicts((*variants, variants[0]), images)
    assert again.sets[0].comparisons == 1


def test_letters_say_nothing_that_the_tests_deny(store: KeptStore) -> None:
    found = study(store, a=(10,), b=(14,), c=(19,), d=(25,), e=(60,)).sets[0]
    for pair in found.pairs:
        share = set(found.letters[pair.first]) & set(found.letters[pair.second])
        assert bool(share) is not pair.differs
    assert any(len(each) > 1 for each in found.letters)


def test_one_seed_against_several_is_marked_wherever_it_is_told(store: KeptStore) -> None:
    found = study(store, single=(10,), several=(58, 60, 62))
    (pair,) = found.sets[0].pairs
    assert pair.question == "fit and recipe"
    (table,) = pairs_tables(found.sets)
    assert column(table, "verdict") == ["told apart, as this fit of single"]
    assert any("cannot be said of one seed" in note for note in table.notes)
    first = lead(store, found)[0]
    assert "this one fit is better than several" in first
    assert first.endswith("what another seed would give cannot be said.")
    rows = list(csv.DictReader(io.StringIO(pairs_csv(found.sets))))
    assert rows[0]["about"] == "fit and recipe"
    results = results_table(experiment_variants(gather(store, STUDY)), None, found)
    place = [each.title for each in results.columns].index("letters")
    assert [row[place].detail for row in results.rows] == ["one fit", ""]


def test_seeds_that_make_no_difference_are_no_single_fit(store: KeptStore) -> None:
    found = study(store, hog=(20, 20), several=(58, 60, 62)).sets[0]
    assert found.pairs[0].question == "recipes"
    assert not found.is_mixed


def test_the_smallest_difference_that_could_have_shown_is_told(store: KeptStore) -> None:
    found = study(store, best=(10,), near=(12,), far=(60,))
    pair = found.sets[0].pairs[0]
    assert 0.01 < pair.visible < 0.05
    (table,) = pairs_tables(found.sets)
    assert column(table, "smallest seen")[0] == f"{100 * pair.visible:.2f}"
    assert any("Not told apart is not equal" in sentence for sentence in lead(store, found))


def test_a_macro_f1_of_one_positive_image_is_not_sure(store: KeptStore) -> None:
    labels = [0] * 31 + [1]
    planned = cell_of("all-right")
    store.keep(plan_of(planned))
    predict(store, planned, labels, labels, thumbnails=False)
    found = known(store).sets[0]
    accuracy, macro_f1 = found.interval("test/accuracy", 0), found.interval("test/macro_f1", 0)
    assert accuracy is not None and macro_f1 is not None
    assert accuracy.low == pytest.approx(wilson(1.0, 32)[0], abs=1e-5)
    assert macro_f1.low == pytest.approx(0.5, abs=0.02)


def test_groups_of_test_images_widen_intervals_and_tests(store: KeptStore) -> None:
    one, other = cell_of("one"), cell_of("other")
    store.keep(plan_of(one, other))
    groups = [place // 50 for place in range(200)]
    predict(store, one, LABELS, said(10), thumbnails=False, groups=groups)
    predict(store, other, LABELS, said(40), thumbnails=False, groups=groups)
    found = known(store).sets[0]
    assert found.groups == 4
    assert found.pairs[0].p > 0.1
    assert "4 groups of images" in method(found)


def rare(store: KeptStore, metric: str, **wrong: tuple[int, int]) -> Context:
    """Finish experiments with so many wrong images of a common and of a rare class."""
    labels, cells = [0] * 180 + [1] * 20, [cell_of(name) for name in wrong]
    store.keep(plan_of(*cells, report=ReportSettings(metric=metric)))
    for planned, (common, few) in zip(cells, wrong.values(), strict=True):
        said = [1] * common + [0] * (180 - common) + [0] * few + [1] * (20 - few)
        run = predict(store, planned, labels, said, thumbnails=False)
        figures = evaluate(scores_of(said), np.array(labels), probabilistic=True)
        cast("dict[str, float]", run.metrics).update(
            {f"test/{name}": value for name, value in figures.metrics.items() if value is not None}
        )
    return context_of(store, STUDY)


def test_what_ranks_turns_the_order_the_tests_and_the_words(store: KeptStore) -> None:
    context = rare(store, "balanced_accuracy", lazy=(0, 15), fair=(14, 2))
    (found,) = context.verdicts.sets
    assert [each.name for each in found.variants] == ["fair", "lazy"]
    assert found.pairs[0].difference == pytest.approx((166 / 180 + 18 / 20) / 2 - (1 + 5 / 20) / 2)
    assert found.pairs[0].differs
    assert found.single == 0  # McNemar's test is of shares of images
    lead = headline(context.variants, None, context.verdicts, by=context.ranking)
    assert lead[0].startswith(
        "fair is best by test balanced accuracy: it is better than lazy at the 5 % level (91.11 %"
    )
    assert "1 comparison of balanced accuracy on the same 200 test images" in " ".join(lead)
    table = results_table(context.variants, None, context.verdicts, context.ranking)
    assert column(table, "test balanced accuracy %") == ["91.11", "62.50"]
    assert [each.name for each in rare_again(store).verdicts.sets[0].variants] == ["lazy", "fair"]


def rare_again(store: KeptStore) -> Context:
    assert store.kept_plan is not None
    store.kept_plan = store.kept_plan.model_copy(update={"report": ReportSettings()})
    return context_of(store, STUDY)


def test_the_lowest_loss_is_the_best(store: KeptStore) -> None:
    context = rare(store, "loss", worse=(90, 9), better=(10, 1))
    (found,) = context.verdicts.sets
    assert [each.name for each in found.variants] == ["better", "worse"]
    (pair,) = found.pairs
    assert pair.low < pair.difference < pair.high < 0
    assert pair.low < -1  # nats are no shares
    assert "better is best by test loss" in headline(context.variants, None, context.verdicts, by=context.ranking)[0]


def test_a_classifier_without_the_figure_that_ranks_has_no_letter_and_the_reason_is_told(store: KeptStore) -> None:
    context = rare(store, "loss", margins=(10, 1), logits=(20, 1))
    for name in ("test/loss", "test/ece"):
        del cast("dict[str, float]", store.cells["margins_s0"][0].metrics)[name]
    context = context_of(store, STUDY)
    assert [each.name for each in context.verdicts.sets[0].variants] == ["logits"]
    why = "its predictions do not give test loss, which ranks: its scores are not probabilities"
    assert context.verdicts.left_out == {why: ["margins"]}


def test_the_worst_group_has_the_interval_of_its_own_images(store: KeptStore) -> None:
    planned = cell_of("a")
    store.keep(plan_of(planned, report=ReportSettings(metric="worst_group")))
    groups = np.repeat([0, 1], [40, 160]).tolist()
    predict(store, planned, LABELS, said(10), thumbnails=False, groups=groups)
    (found,) = context_of(store, STUDY).verdicts.sets
    interval = found.interval("test/worst_group", 0)
    assert interval is not None
    assert [interval.low, interval.high] == pytest.approx(list(wilson(0.75, 40)), abs=0.01)


@pytest.mark.parametrize(
    ("common", "few", "is_told"),
    [(0, 12, True), (2, 2, False)],
)
def test_accuracy_that_flatters_is_told_on_the_first_page(
    store: KeptStore, common: int, few: int, is_told: bool
) -> None:
    told = flattery(rare(store, "accuracy", a=(common, few)))
    assert told.startswith("Accuracy flatters: 90.00 % of the test images are of one class") == is_told
    assert bool(told) == is_told


def test_even_classes_do_not_flatter(store: KeptStore) -> None:
    study(store, a=(10,))
    assert not flattery(context_of(store, STUDY))
