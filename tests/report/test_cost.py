from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness.charts.cost import SHORTEST, Line, Timed, accuracy_by_seconds
from harness.contracts import Dataset, ReportSettings
from harness.measure.machine import Energy
from harness.report import write_report
from harness.report.blocks import Items, Table
from harness.report.context import context_of
from harness.report.sections.cost import (
    MOST,
    Offers,
    Race,
    by_parameters,
    by_time,
    cost_table,
    energy_text,
    section,
    side_by_side,
    time_curves,
)
from harness.report.store import gather
from harness.report.variants import TEST, Variant, experiment_variants
from tests.report.studies import STUDY, KeptStore, Run, cell_of, plan_of


def variants_of(store: KeptStore) -> tuple[Variant, ...]:
    return experiment_variants(gather(store, STUDY))


def priced(store: KeptStore) -> list[Offers]:
    variants = variants_of(store)
    return [*by_time(variants, TEST), *by_parameters(variants, TEST)]


def table(store: KeptStore) -> Table:
    return cost_table(variants_of(store), TEST, priced(store))


def texts(store: KeptStore) -> list[str]:
    """Return what stands below the table."""
    found = section(context_of(store, STUDY))
    assert found is not None
    last = found.blocks[-1]
    assert isinstance(last, Items)
    return [*last.items]


def changed(store: KeptStore, run: Run, **changes: object) -> None:
    """Put a changed run in the place of a kept one."""
    for runs in store.cells.values():
        runs[:] = [replace(each, **changes) if each is run else each for each in runs]  # type: ignore[arg-type]


def study(store: KeptStore, **seconds: float) -> list[Run]:
    cells = {name: cell_of(name) for name in seconds}
    store.keep(plan_of(*cells.values()))
    accuracies = {"slow": 0.9, "quick": 0.8, "poor": 0.7}
    return [store.finish(cells[name], accuracies[name], seconds=each) for name, each in seconds.items()]


def test_the_front_is_marked_in_the_table_and_told_in_words(store: KeptStore) -> None:
    study(store, slow=100.0, quick=1.0, poor=10.0)
    assert [each.price for each in priced(store)] == ["time", "parameters"]
    assert priced(store)[0].words.endswith(": on the front are quick (80.00 %, 1.0 s), slow (90.00 %, 1 min 40 s)")
    assert {row[0].text: row[4].text for row in table(store).rows} == {
        "slow": "time, parameters",
        "quick": "time",
        "poor": "-",
    }


def test_times_of_two_devices_stand_in_two_charts_and_that_is_said(store: KeptStore) -> None:
    cells = [cell_of("slow"), cell_of("quick")]
    store.keep(plan_of(*cells))
    for planned, device in zip(cells, ("a CPU", "a GPU"), strict=True):
        store.finish(planned, 0.5, device=device)
    assert [each.title for each in priced(store)[:2]] == [
        "test accuracy by time of fitting on a CPU",
        "test accuracy by time of fitting on a GPU",
    ]
    assert texts(store)[0] == "Cells ran on a CPU, a GPU: times of different devices are never compared."


def test_a_fit_that_takes_no_time_has_a_place_on_the_scale(store: KeptStore) -> None:
    study(store, quick=0.0, slow=10.0)
    assert "quick (80.00 %, 1 ms or less)" in priced(store)[0].words


def test_estimated_time_stands_beside_the_actual_one(store: KeptStore) -> None:
    run, other = study(store, slow=100.0, quick=1.0)
    tags = {**run.tags, "harness.estimated_seconds": "80"}
    changed(store, run, tags=tags, metrics={**run.metrics, "time/total_seconds": 120.0})
    rows = [[value.text for value in row[5:]] for row in table(store).rows]
    assert rows == [["1 min 20 s", "2 min 00 s", "1.50"], ["-", "-", "-"]]
    assert other.metrics["time/train_seconds"] == 1.0


def test_energy_is_shown_where_it_was_counted(store: KeptStore) -> None:
    run, _ = study(store, slow=100.0, quick=1.0)
    changed(store, run, metrics={**run.metrics, "energy/joules": 5120.0})
    assert [row[-1].text for row in table(store).rows] == ["5.12e+03 J", "-"]
    assert "1 fit of 2: the whole package or GPU" in texts(store)[-1]


def test_without_energy_the_report_says_why(store: KeptStore) -> None:
    run, _ = study(store, slow=100.0, quick=1.0)
    before = energy_text(variants_of(store), store)
    assert before == "No energy was measured: these runs were made before the harness counted any."
    for each in (run, _):
        Energy({}, {"cpu": "this machine shows no RAPL counters"}).write(store.folder / each.run_id)
    after = energy_text(variants_of(store), store)
    assert after == "No energy was measured: this machine shows no RAPL counters."


def test_cells_that_ran_at_the_same_time_on_one_machine_are_counted(store: KeptStore) -> None:
    runs = study(store, slow=1.0, quick=1.0, poor=1.0)
    for run, (start, end) in zip(runs, ((0.0, 10.0), (5.0, 8.0), (10.0, 12.0)), strict=True):
        changed(store, run, start=start, end=end, tags={**run.tags, "harness.host": "here"})
    entries = [entry for variant in variants_of(store) for entry in variant.finished]
    assert side_by_side(entries) == 2


def test_a_study_without_figures_has_no_cost(store: KeptStore) -> None:
    store.keep(plan_of(cell_of("a")))
    assert section(context_of(store, STUDY)) is None


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


def charts(store: KeptStore, baseline: str = "") -> tuple[Race, ...]:
    return time_curves(experiment_variants(gather(store, STUDY)), store, baseline=baseline)


def chart_of(**lines: Line) -> Race:
    return Race("a chart", tuple(Timed(name, line, (line,)) for name, line in lines.items()), ("seconds",))


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
    drawn = accuracy_by_seconds(chart.curves, chart.title, chart.words)
    assert drawn is not None
    assert chart.words in drawn.words
    assert "hog 49.00 % after 2 min 10 s" in drawn.words


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


def test_the_chart_is_on_the_page_and_beside_the_markdown(store: KeptStore, tmp_path: Path) -> None:
    for name in ("a", "b"):
        fit(store, name, [1.0, 2.0], [0.3, 0.5])
    assert store.kept_plan is not None
    store.keep(store.kept_plan.model_copy(update={"report": ReportSettings(baseline="a")}))
    written = write_report(store, STUDY, tmp_path)
    assert 'aria-label="validation accuracy against seconds on a CPU. Highest so far' in written.html.read_text()
    assert "(<figures/cost-seconds.svg>)" in written.markdown.read_text()
    assert (tmp_path / "figures" / "cost-seconds.svg").is_file()


def test_a_seed_that_is_quicker_than_the_mean_does_not_break_the_words() -> None:
    uneven = Timed("slow start", ((3.5, 0.45), (6.0, 0.65)), (((1.0, 0.4), (4.0, 0.6)), ((3.5, 0.5), (6.0, 0.7))))
    assert Race("", (uneven,), ()).words.endswith("the highest at its end is slow start, 65.00 % after 6.0 s.")
    begun = Timed("one epoch", ((9.5, 0.5),), (((1.0, 0.4),), ((9.5, 0.5),)))
    assert "ighest at its end is one epoch, 50.00 % after 9.5 s." in Race("", (begun,), ()).words
