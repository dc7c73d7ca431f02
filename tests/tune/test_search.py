"""What is drawn, what is run, what is told."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from harness.contracts import TrialFound
from tests.tune.conftest import HEAD, Diary, Lab
from tests.tune.fake_trials import score

TPE = "    trials: 12\n"
COUNT = {"complete", "pruned", "failed"}


def points(trials: tuple[TrialFound, ...]) -> list[tuple[str, dict[str, object]]]:
    return [(each.state, dict(each.params)) for each in trials]


def test_the_first_trial_has_the_experiments_own_settings(lab: Lab) -> None:
    found = lab.tune(TPE).tuning
    assert found.start is not None
    expected = {"recipe.optimizer.lr": 0.1, "recipe.label_smoothing": 0.0, "model.hidden": 512}
    assert dict(found.start.params) == expected
    assert found.start.outside == ()


def test_a_start_outside_of_the_space_is_run_and_may_win(lab: Lab) -> None:
    space = "    space:\n      recipe.optimizer.lr: {low: 0.5, high: 1.0}\n      model.hidden: {choices: [32, 64]}\n"
    found = lab.tune("    trials: 5\n", space).tuning
    assert found.start is not None and found.start.outside == ("recipe.optimizer.lr", "model.hidden")
    assert found.start.values == (score(found.tune.start),)
    assert found.winner == 0


@pytest.mark.slow
def test_a_search_finds_better_settings_than_it_started_with(lab: Lab) -> None:
    found = lab.tune("    trials: 25\n").tuning
    assert len(found.trials) == 25
    best = next(each for each in found.trials if each.number == found.winner)
    assert found.start is not None
    assert best.values[0] > found.start.values[0] + 0.01
    assert best.values == (max(each.values[0] for each in found.trials if each.values),)


@pytest.mark.parametrize("pruner", ["none", pytest.param("hyperband", marks=pytest.mark.slow)])
def test_the_number_of_workers_changes_nothing(lab: Lab, store_of: dict[str, Lab], pruner: str) -> None:
    tune = f"    trials: 14\n    pruner: {pruner}\n"
    alone = lab.run(lab.context(tune)).tuning
    other = store_of["other"]
    together = other.run(other.context(tune), executor="local", workers=3).tuning
    assert points(together.trials) == points(alone.trials)
    assert together.winner == alone.winner


@pytest.mark.slow
def test_an_interrupted_search_goes_on_with_the_same_points_and_repeats_nothing(
    lab: Lab, store_of: dict[str, Lab]
) -> None:
    tune = "    trials: 14\n    pruner: median\n"
    whole = lab.run(lab.context(tune)).tuning
    other = store_of["other"]
    other.trouble("interrupt", call=8)
    assert other.run(other.context(tune)).state == "interrupted"
    ended = other.run(other.context(tune))
    assert ended.state == "done"
    assert points(ended.tuning.trials) == points(whole.trials)
    assert len(other.calls) == len(lab.calls) + 1  # the interrupted fit alone is done again


def test_a_trial_whose_worker_died_is_told_failed_and_tried_again_once(lab: Lab) -> None:
    lab.trouble("die", call=3)
    found = lab.run(lab.context("    trials: 6\n"), executor="local").tuning
    assert (len(found.trials), found.retried) == (6, 1)
    assert all(each.state == "complete" for each in found.trials)
    study = optuna.load_study(study_name="study/mlp", storage=f"sqlite:///{lab.store.home / 'optuna.db'}")
    assert [each.state.name for each in study.trials].count("FAIL") == 1
    assert len(study.trials) == 7


def test_a_trial_whose_worker_dies_twice_has_failed(lab: Lab) -> None:
    for call in range(1, 20):
        lab.trouble("die", call=call)
    ended = lab.run(lab.context("    trials: 2\n"), executor="local")
    assert ended.state == "failed"
    assert [each.state for each in ended.tuning.trials] == ["failed", "failed"]
    assert "worker" in ended.message
    assert len(lab.calls) == 4


def test_a_diverging_trial_fails_and_the_search_goes_on(lab: Lab) -> None:
    lab.trouble("diverge", call=2)
    found = lab.tune("    trials: 5\n").tuning
    assert [each.state for each in found.trials].count("failed") == 1
    assert any("loss is nan" in each.note for each in found.trials)
    assert len(found.trials) == 5


def test_a_point_drawn_twice_is_not_fitted_twice(lab: Lab) -> None:
    space = "    space:\n      model.hidden: {choices: [32, 64, 512]}\n"
    found = lab.tune("    trials: 9\n", space).tuning
    assert len(found.trials) == 9
    repeated = [each for each in found.trials if each.duplicate_of is not None]
    assert len(repeated) == 6
    assert len(lab.calls) == 3 + 2  # and the winner's own fits, one a seed
    by_number = {each.number: each for each in found.trials}
    for each in repeated:
        assert each.duplicate_of is not None
        first = by_number[each.duplicate_of]
        assert (each.values, each.run_ids, each.seconds) == (first.values, first.run_ids, 0.0)


def test_a_trial_is_scored_by_the_mean_over_seeds(lab: Lab) -> None:
    found = lab.tune("    trials: 3\n    objective: {seeds: 2}\n").tuning
    assert found.start is not None
    assert found.start.values[0] == pytest.approx(score(found.tune.start) + 0.0005)
    assert len(found.start.run_ids) == 2 and found.start.seconds == 4.0


def test_a_grid_is_gone_through_once_beginning_with_the_start(lab: Lab) -> None:
    space = (
        "    space:\n      model.hidden: {choices: [32, 512]}\n"
        "      recipe.epochs: {low: 3, high: 9, step: 3, int: true}\n"
    )
    found = lab.tune("    trials: 50\n    sampler: grid\n", space).tuning
    drawn = [(each.params["model.hidden"], each.params["recipe.epochs"]) for each in found.trials]
    assert drawn[0] == (512, 9)
    assert sorted(drawn) == [(32, 3), (32, 6), (32, 9), (512, 3), (512, 6), (512, 9)]


@pytest.mark.slow
def test_several_objectives_are_all_recorded_and_the_first_decides(lab: Lab) -> None:
    tune = "    trials: 12\n    objective: {metric: [val/accuracy, model/parameters]}\n"
    found = lab.tune(tune).tuning
    assert all(len(each.values) == 2 for each in found.trials)
    best = max(found.trials, key=lambda each: each.values[0])
    assert found.winner == best.number


def test_no_trial_over_a_limit_wins(lab: Lab) -> None:
    found = lab.tune("    trials: 14\n    constraints: {model/parameters: 100000}\n").tuning
    best = next(each for each in found.trials if each.number == found.winner)
    assert best.params["model.hidden"] != 512 and best.is_feasible
    assert any(not each.is_feasible and each.values[0] > best.values[0] for each in found.trials)


def test_where_no_trial_keeps_a_limit_nothing_wins_and_nothing_is_opened(lab: Lab) -> None:
    ended = lab.tune("    trials: 4\n    constraints: {model/parameters: 10}\n")
    assert (ended.state, ended.tuning.winner) == ("failed", None)
    assert "constraints" in ended.message
    assert lab.store.openings() == []


def test_a_timeout_begins_no_further_trial(lab: Lab) -> None:
    context = lab.context("    trials: 500\n    timeout: 4\n    sampler: random\n")
    found = lab.run(context).tuning
    assert 1 < len(found.trials) < 500
    assert found.stage == "done"
    fitted = len(lab.calls)
    assert lab.run(context).state == "skipped"
    assert len(lab.calls) == fitted


def test_optuna_reads_the_study_like_any_other(lab: Lab) -> None:
    found = lab.tune("    trials: 8\n    pruner: median\n").tuning
    study = optuna.load_study(study_name="study/mlp", storage=f"sqlite:///{lab.store.home / 'optuna.db'}")
    assert study.metric_names == ["val/accuracy"]
    assert study.best_value == max(each.values[0] for each in found.trials if each.values)
    assert [each.state.name.lower() for each in study.trials] == [each.state for each in found.trials]
    assert set(study.best_params) == {"recipe.optimizer.lr", "recipe.label_smoothing", "model.hidden"}


def test_a_study_grows_by_more_trials_as_long_as_its_test_set_is_sealed(lab: Lab) -> None:
    head = HEAD.replace("mlp: {model", "mlp: {test: never, model")
    first = lab.run(lab.context("    trials: 4\n", head=head)).tuning
    diary = Diary()
    second = lab.run(lab.context("    trials: 9\n", head=head), diary=diary).tuning
    assert points(second.trials[:4]) == points(first.trials)
    assert len(second.trials) == 9
    assert diary.stages[0] == "4 of 9"


@pytest.fixture
def store_of(tmp_path: Path) -> dict[str, Lab]:
    from harness.track import open_store

    folder = tmp_path / "second"
    folder.mkdir()
    return {"other": Lab(folder, open_store(folder / "home"))}
