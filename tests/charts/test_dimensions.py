"""Dimensions as axes: parallel coordinates and slices."""

from __future__ import annotations

import pytest

from harness.charts.dimensions import ABSENT, Axis, axes_of, line_of, parallel_coordinates, slices
from harness.charts.trial_marks import Scale
from harness.contracts import Choices, Range, TrialFound, Tuning
from harness.measure.trials import score_span
from tests.charts.checks import rows, sound, texts
from tests.report.tunings import AUGMENT, LR, MOMENTUM, OPTIMIZER, START, search, trial_of, tune_of, tuning_of


def score_scale(tuning: Tuning) -> Scale:
    span = score_span(tuning)
    assert span is not None
    return Scale.of(tuning.tune.objective.first, span)


def without_momentum(number: int, score: float) -> TrialFound:
    params = {path: value for path, value in START.items() if path != MOMENTUM} | {OPTIMIZER: "adamw"}
    return trial_of(number, score, params=params)


def test_axes_place_numbers_evenly_or_by_logarithm_and_choices_apart() -> None:
    even, log = Axis("a", "a", 0, 10), Axis("b", "b", 1e-4, 1, is_log=True)
    assert [even.place(2.5), log.place(0.01), log.place(1e-4)] == pytest.approx([0.25, 0.5, 0.0])
    assert [text for _, text in log.ticks] == ["0.0001", "0.001", "0.01", "0.1", "1"]
    lists = Axis("c", "c", choices=([], ["flip"], [{"crop": {"pad": 4}}, "flip"]))
    assert [place for place, _ in lists.ticks] == pytest.approx([1 / 6, 1 / 2, 5 / 6])
    assert [text for _, text in lists.ticks] == ["none", "flip", "crop(pad=4)+flip"]


def test_true_and_one_are_two_choices() -> None:
    axis = Axis("a", "a", choices=(1, True))
    assert axis.place(1) != axis.place(True)


def test_what_the_experiment_has_outside_of_the_space_gets_room_on_the_axis() -> None:
    space = {LR: Range(low=1e-3, high=1e-1, log=True), AUGMENT: Choices(choices=([], ["flip"]))}
    start = trial_of(0, 0.5, params={LR: 1.0, AUGMENT: ["cutout"]}, outside=(LR, AUGMENT))
    tuning = tuning_of(start, tune=tune_of(space=space))
    assert [axis.place_in(start) for axis in axes_of(tuning)] == pytest.approx([1.0, 5 / 6])


def test_a_trial_without_a_dimension_runs_below_its_axis() -> None:
    trial = without_momentum(1, 0.5)
    tuning = tuning_of(trial_of(0, 0.6), trial)
    line = line_of(trial, axes_of(tuning), score_scale(tuning))
    places = dict(zip([axis.title for axis in axes_of(tuning)], line, strict=False))
    assert places["momentum"] == ABSENT
    assert all(place >= 0 for title, place in places.items() if title != "momentum")
    assert "not there" in texts(sound(lambda: parallel_coordinates(tuning)))


def test_a_score_far_below_the_others_runs_below_the_scale_and_is_told() -> None:
    tuning = tuning_of(*(trial_of(number, score) for number, score in enumerate([0.9, 0.91, 0.92, 0.93, 0.1])))
    scale = score_scale(tuning)
    assert line_of(tuning.trials[4], axes_of(tuning), scale)[-1] == ABSENT
    chart = sound(lambda: parallel_coordinates(tuning))
    assert "▼ 1 trial below" in texts(chart) and "down to 10.00 %" in chart.words


def test_every_line_belongs_to_the_best_the_others_or_the_winner() -> None:
    tuning = search(60)
    chart = sound(lambda: parallel_coordinates(tuning))
    groups = {row["group"] for row in rows(chart) if "group" in row}
    assert "best 3" in groups and any(group.endswith(" others") for group in groups)
    assert all(axis.title in " ".join(chart.spec["params"][-1]["value"]) for axis in axes_of(tuning))
    assert parallel_coordinates(tuning_of(trial_of(0))) is None


def test_there_is_a_slice_for_each_dimension_and_choices_of_equal_text_stay_apart() -> None:
    space = {LR: Range(low=1e-3, high=1e-1, log=True), AUGMENT: Choices(choices=([], None))}
    params = [{LR: 0.01, AUGMENT: []}, {LR: 0.02, AUGMENT: None}, {LR: 0.1}]
    trials = [trial_of(number, 0.5 + number / 50, params=each) for number, each in enumerate(params)]
    tuning = tuning_of(*trials, tune=tune_of(space=space))
    first, second = sound(lambda: slices(tuning)[0]), sound(lambda: slices(tuning)[1])
    assert {row["across"] for row in rows(first)} == {0.01, 0.02, 0.1}
    assert {row["across"] for row in rows(second)} == {0, 1}
    assert "1 trial without it" in second.words


def test_a_slice_counts_what_is_far_below_the_others() -> None:
    tuning = tuning_of(*(trial_of(number, score) for number, score in enumerate([0.9, 0.91, 0.92, 0.93, 0.448])))
    assert "▼ 1 trial below" in texts(sound(lambda: slices(tuning)[0]))
