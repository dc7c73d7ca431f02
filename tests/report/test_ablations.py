from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from harness.charts.style import Chart
from harness.contracts import Ablation, Place
from harness.report.csv_files import ablations_csv
from harness.report.predictions import PredictionFiles, image_sets
from harness.report.sections.ablations import Effects, ablation_effects, effects_chart, effects_table, validation_sets
from harness.report.store import gather
from harness.report.variants import distinct_variants
from tests.charts.checks import rows as rows_of
from tests.report.predicted import predict
from tests.report.studies import STUDY, KeptStore, cell_of, plan_of

LABELS = np.random.default_rng(0).integers(3, size=200).tolist()


def said(wrong: int) -> list[int]:
    return [(label + 1) % 3 if place < wrong else label for place, label in enumerate(LABELS)]


def effects(store: KeptStore, order: str, split: str = "test", **wrong: tuple[int, ...]) -> Effects:
    """Finish an ablation whose rows get so many images wrong, one number a seed; the first row is the experiment."""
    labels, cells = list(wrong), {}
    for seed in range(len(wrong[labels[0]])):
        place = (Place(experiment="parts", label=labels[0]),)
        test = "once" if split == "test" else "never"
        cells[labels[0], seed] = cell_of("vgg", seed, more=place, test=test)
        cells |= {(label, seed): cell_of("parts", seed, label, test=test) for label in labels[1:]}
    ablation = Ablation(name="parts", base="vgg", order=order, rows=tuple(labels))
    store.keep(plan_of(*cells.values(), ablations=(ablation,)))
    for (label, seed), planned in cells.items():
        predict(store, planned, LABELS, said(wrong[label][seed]), thumbnails=False, split=split)
    findings = gather(store, STUDY)
    files = PredictionFiles(store)
    tested = image_sets(distinct_variants(findings), files, "test")
    (found,) = ablation_effects(findings, (*tested, *validation_sets(findings, files)))
    return found


def column(found: Effects, title: str, number: int = 0) -> list[tuple[str, str]]:
    table = effects_table(found)
    place = [place for place, each in enumerate(table.columns) if each.title == title][number]
    return [(row[place].text, row[place].detail) for row in table.rows]


def test_each_switch_has_its_change_interval_and_p_value(store: KeptStore) -> None:
    found = effects(store, "leave_one_out", base=(10,), crop=(40,), flip=(11,))
    changes = column(found, "test, to first row")
    assert [text for text, _ in changes] == ["-", "-15.00", "-0.50"]
    crop, flip = (found.pairs["test/accuracy", label, "base"] for label in ("crop", "flip"))
    assert crop.low < -0.15 < crop.high < 0
    assert changes[1][1] == f"[{crop.low * 100:+.2f}, {crop.high * 100:+.2f}]"
    assert (crop.differs, flip.differs) == (True, False)
    assert crop.adjusted == pytest.approx(2 * crop.p)
    assert column(found, "p") == [("-", ""), ("< 0.001", ""), ("1.00", "")]


def test_rows_with_test_time_augmentation_show_what_it_gives_and_those_without_a_dash(store: KeptStore) -> None:
    found = effects(store, "leave_one_out", base=(10,), tta=(10,))
    assert "with TTA %" not in {each.title for each in effects_table(found).columns}
    ((run,),) = (store.cells[name] for name in store.cells if name.startswith("vgg"))
    object.__setattr__(run, "metrics", {**run.metrics, "test/accuracy_tta": 0.97})
    (found,) = ablation_effects(gather(store, STUDY))
    assert column(found, "with TTA %") == [("97.00", ""), ("-", "")]


def test_a_cumulative_ablation_is_compared_with_the_row_above_as_well(store: KeptStore) -> None:
    found = effects(store, "cumulative", none=(60,), crop=(30,), flip=(20,))
    assert [text for text, _ in column(found, "test, to row above")] == ["-", "+15.00", "+5.00"]
    assert found.pairs["test/accuracy", "flip", "crop"].difference == pytest.approx(0.05)


def test_several_seeds_are_paired_by_seed(store: KeptStore) -> None:
    found = effects(store, "leave_one_out", base=(10, 20, 30), crop=(18, 28, 38))
    assert [text for text, _ in column(found, "test, to first row")] == ["-", "-4.00 ± 0.00"]


def test_a_sealed_ablation_is_judged_on_validation_images(store: KeptStore) -> None:
    found = effects(store, "leave_one_out", "val", base=(10,), crop=(40,))
    assert found.metrics == ("val/accuracy",)
    assert found.pairs["val/accuracy", "crop", "base"].differs
    chart = effects_chart(found)
    assert chart is not None
    assert chart.words.startswith("parts: validation accuracy")


def test_the_csv_has_each_comparison_with_all_digits(store: KeptStore) -> None:
    found = effects(store, "leave_one_out", base=(10,), crop=(40,))
    (row,) = csv.DictReader(io.StringIO(ablations_csv([found])))
    pair = found.pairs["test/accuracy", "crop", "base"]
    assert (row["row"], row["compared_to"], row["differs"]) == ("crop", "base", "true")
    assert [float(row[name]) for name in ("difference", "low", "high", "p_holm")] == [
        pair.difference,
        pair.low,
        pair.high,
        pair.adjusted,
    ]


def bars(chart: Chart | None) -> list[tuple[object, ...]]:
    """Return label, start and end in percent of the chart's bars."""
    assert chart is not None
    return [(row["label"], row["start"], row["end"]) for row in rows_of(chart) if "start" in row]


def test_bars_of_leave_one_out_start_at_the_base(store: KeptStore) -> None:
    chart = effects_chart(effects(store, "leave_one_out", base=(10,), crop=(40,), flip=(20,)))
    assert bars(chart) == [("crop", 95, 80), ("flip", 95, 90)]


def test_bars_of_a_cumulative_ablation_start_where_the_last_one_ended(store: KeptStore) -> None:
    chart = effects_chart(effects(store, "cumulative", none=(60,), crop=(30,), flip=(20,)))
    assert bars(chart) == [("crop", 70, 85), ("flip", 85, 90)]


def test_the_chart_has_its_intervals_and_is_described(store: KeptStore) -> None:
    chart = effects_chart(effects(store, "leave_one_out", base=(10,), crop=(40,), flip=(20,)))
    assert chart is not None
    assert sum("low" in row for row in rows_of(chart)) == 2
    assert "base 95.00 %; points: crop -15.00, flip -5.00" in chart.words
    assert chart.words.startswith("parts: test accuracy, each change from base")


def test_an_ablation_of_which_one_row_has_figures_has_no_chart(store: KeptStore) -> None:
    found = effects(store, "leave_one_out", base=(10,), crop=(40,))
    del store.cells["parts_crop_s0"]
    (left,) = ablation_effects(gather(store, STUDY))
    assert effects_chart(found) is not None
    assert effects_chart(left) is None
