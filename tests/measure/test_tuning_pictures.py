from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import optuna
import pytest
from PIL import Image

from harness.contracts import Choices, Goal, Objective, Range, TrialFound, Tuning
from harness.measure.tuning_axes import ABSENT, Axis, axes_of, score_axis
from harness.measure.tuning_parallel import line_of
from harness.measure.tuning_pictures import PICTURES, draw_tuning
from harness.measure.tuning_points import front, points_of, ranking, running_best, score_span, strong_and_weak
from tests.report.tunings import (
    ACCURACY,
    AUGMENT,
    LR,
    MOMENTUM,
    OPTIMIZER,
    PARAMETERS,
    START,
    confirmed,
    search,
    trial_of,
    tune_of,
    tuning_of,
)

LOSS = Goal(metric="val/loss", direction="minimize")
ONE_GOAL = {"history.png", "parallel.png", "slices.png", "importances.png"}


def drawn(tuning: Tuning, folder: Path) -> set[str]:
    draw_tuning(tuning, folder)
    return {path.name for path in folder.glob("*")}


def minimizing(*trials: TrialFound) -> Tuning:
    return tuning_of(*trials, tune=tune_of(goals=(LOSS,)))


def numbers(trials: tuple[TrialFound, ...]) -> list[int]:
    return [trial.number for trial in trials]


def test_a_search_is_drawn_in_four_pictures_and_one_of_several_goals_in_five(tmp_path: Path) -> None:
    assert drawn(confirmed(search()), tmp_path / "one") == ONE_GOAL
    assert drawn(search(goals=(ACCURACY, PARAMETERS)), tmp_path / "two") == set(PICTURES)
    for path in (tmp_path / "two").glob("*.png"):
        pixels = np.asarray(Image.open(path).convert("L"))
        assert pixels.std() > 5, f"{path.name} is empty"


def test_what_a_search_has_nothing_of_is_not_drawn(tmp_path: Path) -> None:
    failed, running = trial_of(0), trial_of(1, state="running", epochs={1: 0.4})
    assert drawn(tuning_of(), tmp_path / "none") == set()
    assert drawn(tuning_of(failed, running), tmp_path / "failed") == set()
    pruned = trial_of(2, state="pruned", epochs={1: 0.3})
    assert drawn(tuning_of(failed, pruned), tmp_path / "pruned") == {"history.png"}


def test_one_trial_and_scores_that_are_all_the_same_can_be_drawn(tmp_path: Path) -> None:
    two = tune_of(goals=(ACCURACY, PARAMETERS))
    same = [trial_of(number, 0.5, values=(0.5, 1000.0)) for number in range(2)]
    assert "pareto.png" in drawn(tuning_of(*same, tune=two, winner=0), tmp_path / "same")
    assert "slices.png" in drawn(tuning_of(trial_of(0, 0.5)), tmp_path / "one")


def test_names_with_dollar_signs_and_line_breaks_are_shown_as_they_stand(tmp_path: Path) -> None:
    tune = tune_of(space={"model.$\\frac$": Choices(choices=("$x", "a\nb"))})
    trials = [trial_of(number, 0.5 + number / 10, params={"model.$\\frac$": "$x"}) for number in range(3)]
    assert {"parallel.png", "slices.png"} <= drawn(tuning_of(*trials, tune=tune), tmp_path)


def test_only_complete_feasible_trials_are_ranked_and_a_duplicate_only_once() -> None:
    trials = (
        trial_of(0, 0.5),
        trial_of(1, 0.9, is_feasible=False),
        trial_of(2, 0.7),
        trial_of(3, 0.7, duplicate_of=2),
        trial_of(4, 0.8, state="pruned", values=(), epochs={1: 0.8}),
        trial_of(5, math.nan),
        trial_of(6),
        trial_of(7, 0.7),
    )
    assert numbers(ranking(tuning_of(*trials))) == [2, 7, 0]
    assert numbers(ranking(minimizing(*trials))) == [0, 2, 7]
    assert running_best(tuning_of(*trials)) == ((0, 0.5), (2, 0.7))


def test_every_ended_trial_has_its_kind_and_a_pruned_one_the_score_seen_last() -> None:
    trials = (
        trial_of(0, 0.5),
        trial_of(1, state="pruned", epochs={1: 0.2, 2: 0.3}),
        trial_of(2, epochs={1: 0.9}),
        trial_of(3, 0.6, is_feasible=False),
        trial_of(4, 0.5, duplicate_of=0),
        trial_of(5, state="running", epochs={1: 0.1}),
    )
    found = [(point.kind, point.score) for point in points_of(tuning_of(*trials))]
    assert found == [("complete", 0.5), ("pruned", 0.3), ("failed", None), ("infeasible", 0.6), ("duplicate", 0.5)]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_pareto_front_is_optunas(seed: int) -> None:
    random = np.random.default_rng(seed)
    values = random.integers(0, 12, (60, 3)).astype(float)
    goals = (ACCURACY, PARAMETERS, LOSS)
    study = optuna.create_study(directions=[goal.direction for goal in goals])
    study.add_trials([optuna.trial.create_trial(values=list(row)) for row in values])
    trials = [trial_of(number, 0.0, values=tuple(row)) for number, row in enumerate(values)]
    found = front(tuning_of(*trials, tune=tune_of(goals=goals)))
    assert sorted(numbers(found)) == sorted(trial.number for trial in study.best_trials)
    assert [trial.values[0] for trial in found] == sorted((trial.values[0] for trial in found), reverse=True)


def test_trials_at_chance_level_do_not_press_the_others_into_a_line() -> None:
    scores = [0.1, 0.1, 0.88, 0.89, 0.9, 0.91, 0.92]
    span = score_span(tuning_of(*(trial_of(number, score) for number, score in enumerate(scores))))
    assert span is not None
    assert 0.7 < span[0] < 0.88 and 0.92 < span[1] < 0.93
    losses = [9.0, 9.0, 0.5, 0.48, 0.46, 0.44, 0.42]
    span = score_span(minimizing(*(trial_of(number, loss) for number, loss in enumerate(losses))))
    assert span is not None
    assert 0.4 < span[0] < 0.42 and 0.5 < span[1] < 1


def test_many_trials_are_thinned_to_a_hundred_and_fifty_lines_the_best_among_them() -> None:
    tuning = search(500)
    strong, weak = strong_and_weak(tuning)
    assert (len(strong), len(weak)) == (20, 130)
    assert strong == ranking(tuning)[:20]
    assert not set(numbers(strong)) & set(numbers(weak))


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
    trial = trial_of(
        1, 0.5, params={path: value for path, value in START.items() if path != MOMENTUM} | {OPTIMIZER: "adamw"}
    )
    tuning = tuning_of(trial_of(0, 0.6), trial)
    last = score_axis(tuning)
    assert last is not None
    places = dict(zip([axis.title for axis in axes_of(tuning)], line_of(trial, axes_of(tuning), last), strict=False))
    assert places["momentum"] == ABSENT
    assert all(place >= 0 for title, place in places.items() if title != "momentum")


def test_an_objective_over_several_goals_is_ranked_by_the_first() -> None:
    tune = tune_of().model_copy(update={"objective": Objective(goals=(PARAMETERS, ACCURACY))})
    trials = [trial_of(0, 0.0, values=(900.0, 0.9)), trial_of(1, 0.0, values=(100.0, 0.5))]
    assert numbers(ranking(tuning_of(*trials, tune=tune))) == [1, 0]
