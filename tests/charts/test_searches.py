"""A search's trials in turn, the front of several goals, importances; and all of it as pictures."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from harness.charts.searches import PICTURES, importance, search_fronts, search_history, tuning_pictures
from harness.contracts import Choices, Goal, Importances, Tuning
from tests.charts.checks import rows, sound, texts
from tests.report.tunings import ACCURACY, PARAMETERS, confirmed, search, trial_of, tune_of, tuning_of

LOSS = Goal(metric="val/loss", direction="minimize")
ONE_GOAL = {"history.png", "parallel.png", "slices.png", "importances.png"}


def scored(*scores: float, minimized: bool = False) -> Tuning:
    trials = [trial_of(number, score) for number, score in enumerate(scores)]
    return tuning_of(*trials, tune=tune_of(goals=(LOSS,))) if minimized else tuning_of(*trials)


def test_a_search_is_drawn_in_four_pictures_and_one_of_several_goals_in_five() -> None:
    assert set(tuning_pictures(confirmed(search()))) == ONE_GOAL
    drawn = tuning_pictures(search(goals=(ACCURACY, PARAMETERS)))
    assert list(drawn) == list(PICTURES)
    for name, file in drawn.items():
        assert np.asarray(Image.open(io.BytesIO(file)).convert("L")).std() > 5, f"{name} is empty"


def test_what_a_search_has_nothing_of_is_not_drawn() -> None:
    failed, running = trial_of(0), trial_of(1, state="running", epochs={1: 0.4})
    assert tuning_pictures(tuning_of()) == {}
    assert tuning_pictures(tuning_of(failed, running)) == {}
    pruned = trial_of(2, state="pruned", epochs={1: 0.3})
    assert set(tuning_pictures(tuning_of(failed, pruned))) == {"history.png"}


def test_one_trial_and_scores_that_are_all_the_same_can_be_drawn() -> None:
    two = tune_of(goals=(ACCURACY, PARAMETERS))
    same = [trial_of(number, 0.5, values=(0.5, 1000.0)) for number in range(2)]
    assert "pareto.png" in tuning_pictures(tuning_of(*same, tune=two, winner=0))
    assert "slices.png" in tuning_pictures(tuning_of(trial_of(0, 0.5)))


def test_names_with_dollar_signs_brackets_and_line_breaks_are_shown_as_they_stand() -> None:
    tune = tune_of(space={"model.$\\frac$": Choices(choices=("$x", "a\nb", "<i>[0]</i>"))})
    trials = [trial_of(number, 0.5 + number / 10, params={"model.$\\frac$": "$x"}) for number in range(3)]
    assert {"parallel.png", "slices.png"} <= set(tuning_pictures(tuning_of(*trials, tune=tune)))


def test_every_trial_is_in_the_history_with_its_kind_and_its_score() -> None:
    tuning = confirmed(search())
    chart = sound(lambda: search_history(tuning))
    ended = {trial.number for trial in tuning.trials if trial.state != "running"}
    assert {row["trial"] for row in rows(chart) if "score" in row} == ended
    shown = texts(chart)
    assert all(text in shown for text in ("best so far", "winner on fresh seeds", "the experiment's own (trial 0)"))
    assert f"winner (trial {tuning.winner})" in shown and "failed (" in shown


def test_trials_far_below_the_others_are_counted_and_never_drawn_on_the_scale() -> None:
    tuning = scored(0.9, 0.91, 0.92, 0.93, 0.915, 0.448, 0.486)
    chart = sound(lambda: search_history(tuning))
    placed = {row["trial"]: row["value"] for row in rows(chart) if "score" in row and "value" in row}
    low, high = next(
        layer["encoding"]["y"]["scale"]["domain"] for layer in chart.spec["layer"] if layer.get("name") == "trials"
    )
    assert set(placed) == {0, 1, 2, 3, 4} and all(low < value < high for value in placed.values())
    assert {row["trial"]: row["score"] for row in rows(chart) if "score" in row and "value" not in row} == {
        5: 0.448,
        6: 0.486,
    }
    assert "▼ 2 trials below" in texts(chart) and "down to 44.80 %" in texts(chart)
    assert "2 trials below" in chart.words


def test_losses_far_above_the_others_are_counted_at_the_top() -> None:
    chart = sound(lambda: search_history(scored(0.5, 0.51, 0.48, 0.47, 9.0, minimized=True)))
    assert "▲ 1 trial above" in texts(chart) and "up to 9.0000" in texts(chart)


def test_trials_without_a_score_stand_in_the_strip_too() -> None:
    chart = sound(lambda: search_history(tuning_of(trial_of(0, 0.5), trial_of(1, 0.6), trial_of(2))))
    assert "1 trial without a score" in texts(chart)


def test_a_front_holds_all_trials_that_may_win_and_joins_those_that_none_beats() -> None:
    tuning = search(goals=(ACCURACY, PARAMETERS))
    (drawn,) = search_fronts(tuning)
    chart = sound(lambda: search_fronts(tuning)[0])
    assert {row["kind"] for row in rows(chart) if "kind" in row} >= {"dominated", "Pareto front"}
    assert "on the Pareto front, from" in drawn.words
    assert search_fronts(scored(0.5, 0.6)) == []


def test_importances_are_bars_with_their_shares() -> None:
    found = Importances(evaluator="fANOVA", shares={"recipe.optimizer.lr": 0.7, "recipe.optimizer.name": 0.3})
    chart = sound(lambda: importance(search(), found))
    assert "lr 70 %, optimizer 30 %" in chart.words
    assert [(row["dimension"], row["share"]) for row in rows(chart)] == [("lr", 70), ("optimizer", 30)]
