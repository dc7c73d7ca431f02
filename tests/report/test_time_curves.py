"""Validation accuracy against seconds: what is drawn, told and left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.contracts import Dataset, ReportSettings
from harness.report import write_report
from harness.report.label_places import Label
from harness.report.store import gather
from harness.report.time_axis import SHORTEST
from harness.report.time_curve_charts import WIDTH, labels, scale_of, time_curve_chart
from harness.report.time_curves import MOST, Line, TimeCurve, TimeCurves, time_curves
from harness.report.variants import experiment_variants
from tests.report.studies import STUDY, KeptStore, cell_of, plan_of

SVG = "{http://www.w3.org/2000/svg}"


def fit(
    store: KeptStore,
    name: str,
    seconds: Sequence[float],
    accuracies: Sequence[float],
    seed: int = 0,
    *,
    device: str = "a CPU",
    dataset: Dataset | None = None,
) -> None:
    """Keep a finished cell with the seconds and validation accuracies of its epochs."""
    planned = cell_of(name, seed, dataset=dataset)
    cells = (*(store.kept_plan.cells if store.kept_plan else ()), planned)
    store.kept_plan = plan_of(*cells)
    run = store.finish(planned, None, accuracies[-1], device=device, seconds=sum(seconds), epochs=False)
    series = {"epoch_seconds": seconds, "val/accuracy": accuracies}
    store.histories[run.run_id] = {key: tuple(enumerate(values, start=1)) for key, values in series.items()}


def without_epochs(store: KeptStore, name: str, seconds: float, accuracy: float) -> None:
    fit(store, name, [seconds], [accuracy])
    store.histories.popitem()


def charts(store: KeptStore, baseline: str = "") -> tuple[TimeCurves, ...]:
    return time_curves(experiment_variants(gather(store, STUDY)), store, baseline=baseline)


def chart_of(**lines: Line) -> TimeCurves:
    return TimeCurves("a chart", tuple(TimeCurve(name, (line,)) for name, line in lines.items()), ("seconds",))


def test_an_epochs_seconds_are_those_of_all_epochs_up_to_it(store: KeptStore) -> None:
    fit(store, "mlp", [4.0, 3.0, 3.0], [0.4, 0.5, 0.54])
    fit(store, "cnn", [90.0, 80.0], [0.43, 0.6])
    (chart,) = charts(store)
    assert {each.name: each.mean for each in chart.curves} == {
        "cnn": ((90.0, 0.43), (170.0, 0.6)),
        "mlp": ((4.0, 0.4), (7.0, 0.5), (10.0, 0.54)),
    }


def test_seeds_are_one_line_of_median_seconds_and_mean_accuracy_as_far_as_all_go(store: KeptStore) -> None:
    for seed, seconds in enumerate(([1.0, 1.0], [2.0, 2.0], [30.0, 30.0, 30.0])):
        fit(store, "mlp", seconds, [0.2 + 0.1 * seed, 0.6, 0.7][: len(seconds)], seed)
    fit(store, "cnn", [1.0], [0.1])
    curve = charts(store)[0].curves[0]
    assert [len(line) for line in curve.seeds] == [2, 2, 3]
    assert [value for point in curve.mean for value in point] == pytest.approx([2.0, 0.3, 4.0, 0.6])
    assert time_curve_chart(charts(store)[0]).count('class="seed"') == 3


def test_a_model_without_epochs_is_a_point_at_the_end_of_its_fit(store: KeptStore) -> None:
    without_epochs(store, "hog-svm", 120.0, 0.49)
    without_epochs(store, "majority", 0.0, 0.1)
    fit(store, "mlp", [30.0, 30.0], [0.5, 0.54])
    (chart,) = charts(store)
    points = {each.name: each.mean for each in chart.curves if len(each.mean) == 1}
    assert points == {"hog-svm": ((120.0, 0.49),), "majority": ((SHORTEST, 0.1),)}
    assert chart.notes[-1] == "a dot alone: the end of a fit without epochs, or whose epochs have no recorded seconds"


def test_the_essence_is_told_in_words_and_to_who_cannot_see_the_chart() -> None:
    chart = chart_of(
        mlp=((4.0, 0.4), (9.0, 0.47), (54.0, 0.54)),
        cnn=((90.0, 0.44), (500.0, 0.67), (2600.0, 0.84)),
        hog=((130.0, 0.49),),
    )
    assert chart.words == (
        "Highest so far: mlp 47.00 % by 10 s, mlp 54.00 % by 1 min, cnn 67.00 % by 10 min; "
        "the highest at its end is cnn, 84.00 % after 43 min 20 s."
    )
    label = ElementTree.fromstring(time_curve_chart(chart)).attrib["aria-label"]
    assert chart.words in label
    assert "hog 49.00 % after 2 min 10 s" in label


def test_devices_and_data_sets_have_charts_of_their_own(store: KeptStore) -> None:
    other = Dataset(name="mnist")
    for name in ("a", "b"):
        fit(store, name, [1.0, 1.0], [0.4, 0.5])
        fit(store, f"{name}-gpu", [0.1, 0.1], [0.4, 0.5], device="a GPU")
        fit(store, f"{name}-mnist", [1.0, 1.0], [0.8, 0.9], dataset=other)
    found = {chart.title: [curve.name for curve in chart.curves] for chart in charts(store)}
    assert found == {
        "validation accuracy against seconds on a CPU, digits": ["a", "b"],
        "validation accuracy against seconds on a GPU, digits": ["a-gpu", "b-gpu"],
        "validation accuracy against seconds on a CPU, mnist": ["a-mnist", "b-mnist"],
    }


def test_seeds_of_one_variant_on_two_devices_are_never_averaged(store: KeptStore) -> None:
    for name in ("a", "b"):
        fit(store, name, [8.0, 8.0], [0.4, 0.5])
        fit(store, name, [2.0, 2.0], [0.4, 0.5], 1, device="a GPU")
    assert [[curve.mean for curve in chart.curves] for chart in charts(store)] == [
        [((8.0, 0.4), (16.0, 0.5))] * 2,
        [((2.0, 0.4), (4.0, 0.5))] * 2,
    ]


def test_a_single_variant_has_no_chart(store: KeptStore) -> None:
    fit(store, "a", [1.0, 1.0], [0.4, 0.5])
    fit(store, "b", [1.0, 1.0], [0.4, 0.5], device="a GPU")
    assert charts(store) == ()


def test_where_no_epochs_are_known_there_is_no_chart_beside_the_scatter(store: KeptStore) -> None:
    for name in ("a", "b"):
        without_epochs(store, name, 5.0, 0.5)
    assert charts(store) == ()
    fit(store, "c", [1.0, 1.0], [0.4, 0.5])
    assert len(charts(store)) == 1


def test_what_has_no_validation_is_left_out_and_named(store: KeptStore) -> None:
    for name in ("a", "b", "a-all"):
        fit(store, name, [1.0, 1.0], [0.4, 0.5])
    run = store.cells["a-all_s0"][0]
    rest = {name: value for name, value in run.metrics.items() if not name.startswith("val/")}
    store.cells["a-all_s0"] = [replace(run, metrics=rest)]
    (chart,) = charts(store)
    assert [each.name for each in chart.curves] == ["a", "b"]
    assert chart.notes[-1] == "without validation, so not here: a-all"


def test_of_many_variants_the_best_and_the_baseline_are_drawn(store: KeptStore) -> None:
    for number in range(MOST + 4):
        fit(store, f"e{number:02}", [1.0, 1.0], [0.1, 0.9 - number / 100])
    (chart,) = charts(store, baseline="e15")
    assert [each.name for each in chart.curves] == [*(f"e{number:02}" for number in range(MOST - 1)), "e15"]
    assert "12 of 16 variants: those with the best validation accuracy and the baseline" in chart.notes
    assert "12 of 16 variants: those with the best validation accuracy" in charts(store, baseline="e00")[0].notes


def test_every_line_is_named_once_beside_its_end_or_in_the_legend() -> None:
    crowd = chart_of(**{f"variant_{number:02}": ((1.0, 0.5), (10.0, 0.9 + number / 1000)) for number in range(MOST)})
    placed = [label for label in labels(crowd, scale_of(crowd)) if label]
    assert 2 < len(placed) < MOST
    assert not any(_touch(one, other) for one, other in combinations(placed, 2))
    assert all(label.box[2] <= WIDTH for label in placed)
    texts = [each.text for each in ElementTree.fromstring(time_curve_chart(crowd)).iter("text")]
    assert all(texts.count(curve.name) == 1 for curve in crowd.curves)


def _touch(one: Label, other: Label) -> bool:
    (left, top, right, bottom), box = one.box, other.box
    return left < box[2] and box[0] < right and top < box[3] and box[1] < bottom


def test_a_fit_of_no_time_does_not_press_the_lines_together_and_says_its_time() -> None:
    chart = chart_of(cnn=((60.0, 0.5), (3600.0, 0.9)), majority=((SHORTEST, 0.1),))
    scale = scale_of(chart)
    assert scale.x(SHORTEST) == scale.x(6.0) < scale.x(60.0)
    assert "majority: 1 ms or less" in {label.text for label in labels(chart, scale) if label}


def test_many_epochs_make_no_large_picture() -> None:
    line = tuple((float(epoch), 0.5 + epoch / 10_000) for epoch in range(1, 3001))
    assert len(time_curve_chart(chart_of(a=line, b=line))) < 20_000


def test_the_chart_is_on_the_page_and_beside_the_markdown(store: KeptStore, tmp_path: Path) -> None:
    for name in ("a", "b"):
        fit(store, name, [1.0, 2.0], [0.3, 0.5])
    assert store.kept_plan is not None
    store.keep(store.kept_plan.model_copy(update={"report": ReportSettings(baseline="a")}))
    written = write_report(store, STUDY, tmp_path)
    assert '<svg class="scatter lines"' in written.html.read_text()
    assert "(figures/cost-seconds.svg)" in written.markdown.read_text()
    picture = ElementTree.parse(tmp_path / "figures" / "cost-seconds.svg")
    assert len(list(picture.iter(f"{SVG}polyline"))) == 2
