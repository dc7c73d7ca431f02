"""The winner: confirmed on fresh seeds, fixed, fitted, and the test set opened for it alone, once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.charts.searches import tuning_pictures
from harness.contracts import Confirmation, TrialFound, Tuning
from harness.errors import InputError
from harness.execute.plan import make_plan
from harness.matrix import load_study
from harness.plugins import Catalog
from harness.tune.study import winner
from harness.tune.trials import find_study
from tests.tune.conftest import HEAD, SPACE, Diary, Lab
from tests.tune.fake_trials import score

CONFIRMED = "    trials: 10\n    confirm: {top: 3, seeds: [10, 11, 12]}\n"


def of(found: Tuning, number: int | None) -> TrialFound:
    return next(each for each in found.trials if each.number == number)


@pytest.mark.slow
def test_the_best_few_run_again_on_fresh_seeds_and_the_best_mean_wins(lab: Lab) -> None:
    found = lab.tune(CONFIRMED).tuning
    best = sorted(found.trials, key=lambda each: -each.values[0])[:3]
    assert [each.trial for each in found.confirmed] == [each.number for each in best]
    for each in found.confirmed:
        assert len(each.values) == len(each.run_ids) == 3
        seeds = [lab.store.record(run_id).tags["harness.seed"] for run_id in each.run_ids]
        assert seeds == ["10", "11", "12"]
    means = {each.trial: each.mean for each in found.confirmed}
    assert found.winner == max(means, key=lambda number: means[number] or 0)
    assert found.favorite == best[0]
    assert found.optimism == pytest.approx(best[0].values[0] - (means[best[0].number] or 0))


@pytest.mark.slow
def test_the_standard_error_is_the_standard_deviation_over_the_root_of_the_number_of_seeds(lab: Lab) -> None:
    first = lab.tune(CONFIRMED).tuning.confirmed[0]
    # seeds 10, 11 and 12 add 3, 4 and 5 thousandths: standard deviation 0.001
    assert first.standard_error == pytest.approx(0.001 / 3**0.5)


def test_the_winner_is_fitted_with_each_seed_of_the_experiment_and_each_opens_the_test_set_once(lab: Lab) -> None:
    ended = lab.tune(CONFIRMED)
    finals = ended.tuning.finals
    assert [each.cell.seed for each in finals] == [0, 1]
    assert len({each.cell.model_copy(update={"seed": 0}).model_dump_json() for each in finals}) == 1
    assert sorted(each.key for each in lab.store.openings()) == sorted(each.key for each in finals)


def test_the_winners_runs_alone_open_the_test_set(lab: Lab) -> None:
    ended = lab.tune(CONFIRMED)
    assert ended.tuning.final is not None and ended.final is not None
    (opening,) = lab.store.openings([ended.tuning.final.key])
    assert opening.time >= ended.tuning.winner_time
    records = lab.store.records("study")
    trials = [each for each in records if each.kind == "trial"]
    assert len(trials) == 10 + 9
    assert {each.tags["harness.test"] for each in trials} == {"sealed"}
    assert {each.parent for each in trials} == {each.run_id for each in records if each.kind == "study"}
    final = lab.store.record(opening.run_id)
    assert (final.kind, final.tags["harness.test"], final.name) == ("cell", "opened", "mlp tuned s0")
    assert final.metrics["test/accuracy"] == pytest.approx(score(ended.tuning.final.cell) - 0.01)


def test_the_winner_has_the_settings_of_its_trial(lab: Lab) -> None:
    found = lab.tune(CONFIRMED).tuning
    params = of(found, found.winner).params
    assert found.final is not None and found.final.cell.recipe is not None
    assert found.final.cell.recipe.optimizer.options["lr"] == params["recipe.optimizer.lr"]
    assert found.final.cell.model.options["hidden"] == params["model.hidden"]
    assert (found.final.cell.seed, found.final.cell.test, found.final.cell.train_on) == (0, "once", "train")


@pytest.mark.slow
def test_without_the_test_file_all_but_the_last_step_runs_and_that_step_ends_later(lab: Lab) -> None:
    context = lab.context(CONFIRMED)
    lab.store.home.joinpath("cache").mkdir()
    missing = lab.store.home / "cache" / "no test file"
    missing.touch()
    failed = lab.run(context)
    assert failed.state == "failed" and "no such file" in failed.message
    assert failed.tuning.winner is not None and len(failed.tuning.confirmed) == 3
    assert lab.store.openings() == []
    fitted = len(lab.calls)

    missing.unlink()
    ended = lab.run(context)
    assert ended.state == "done"
    assert ended.tuning.winner == failed.tuning.winner
    assert ended.tuning.winner_time == failed.tuning.winner_time
    assert len(lab.calls) == fitted + 2
    assert len(lab.store.openings()) == 2


def test_a_study_that_is_done_is_left_alone(lab: Lab) -> None:
    context = lab.context(CONFIRMED)
    lab.run(context)
    fitted, diary = len(lab.calls), Diary()
    ended = lab.run(context, diary=diary)
    assert (ended.state, len(lab.calls), diary.outcomes) == ("skipped", fitted, [])


@pytest.mark.parametrize(
    "changed",
    [
        CONFIRMED.replace("10\n", "12\n"),
        CONFIRMED.replace("top: 3", "top: 2"),
        CONFIRMED + "    final: {train_on: train+val}\n",
    ],
)
def test_nothing_is_chosen_again_once_the_test_set_is_open(lab: Lab, changed: str) -> None:
    lab.run(lab.context(CONFIRMED))
    fitted = len(lab.calls)
    with pytest.raises(
        InputError, match=r"matrix.yaml:9:3: tune.mlp: trial \d+ won this study and opened the test set"
    ):
        lab.run(lab.context(changed))
    assert len(lab.calls) == fitted


@pytest.mark.parametrize(
    ("before", "after", "difference"),
    [
        ("low: 1.0e-4", "low: 1.0e-3", "space.recipe.optimizer.lr.low was 0.0001, is 0.001"),
        ("[32, 64, 512]", "[32, 64]", "space.model.hidden.choices was"),
        ("epochs: 9", "epochs: 8", "settings.recipe.epochs was 9, is 8"),
        ("seeds: [0, 1]", "seeds: [4, 1]", "objective.seeds was"),
        ("trials: 4", "trials: 4\n    sampler: random", 'sampler was "tpe", is "random"'),
    ],
)
def test_a_study_of_another_space_under_the_same_name_is_refused(
    lab: Lab, before: str, after: str, difference: str
) -> None:
    tune = "    trials: 4\n"
    lab.run(lab.context(tune))
    fitted = len(lab.calls)
    parts = [each.replace(before, after) for each in (tune, SPACE, HEAD)]
    assert parts != [tune, SPACE, HEAD]
    with pytest.raises(InputError) as error:
        lab.run(lab.context(*parts))
    assert "matrix.yaml:9:3: tune.mlp: there is a tuning study study/mlp already" in str(error.value)
    assert difference in str(error.value)
    assert len(lab.calls) == fitted


def test_a_search_of_an_earlier_version_whose_winner_has_one_seed_is_done(lab: Lab) -> None:
    context = lab.context(CONFIRMED)
    lab.run(context)
    stored = find_study(context, lab.store.home)
    assert stored is not None and stored.choice is not None
    stored.choose(stored.choice.model_copy(update={"keys": ()}))
    fitted = len(lab.calls)
    ended = lab.run(context)
    assert (ended.state, len(lab.calls), len(ended.tuning.finals)) == ("skipped", fitted, 1)


def test_best_yaml_is_a_matrix_file_of_the_very_cells_that_won(lab: Lab, tmp_path: Path) -> None:
    context = lab.context(CONFIRMED)
    finals = lab.run(context).tuning.finals
    (run,) = [each for each in lab.store.records("study") if each.kind == "study"]
    text = lab.store.artifact(run.run_id, "best.yaml")
    assert text is not None
    assert [placed.cell for placed in load_study(text, Catalog()).cells] == [each.cell for each in finals]
    plan = make_plan(load_study(text, Catalog()), Catalog(), tmp_path / "cache")
    assert plan.cells[0].source_digest == finals[0].source_digest


def test_the_study_is_logged_with_its_trials_its_pictures_and_its_history(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.tune.logging.tuning_pictures", tuning_pictures)
    found = lab.tune(CONFIRMED).tuning
    (run,) = [each for each in lab.store.records("study") if each.kind == "study"]
    assert run.status == "FINISHED"
    assert run.tags["harness.experiment"] == "mlp" and run.tags["harness.winner"] == str(found.winner)
    logged = lab.store.artifact(run.run_id, "tuning.json")
    assert logged is not None
    assert Tuning.model_validate(json.loads(logged.read_text())) == found
    for picture in ("history.png", "parallel.png", "slices.png", "importances.png"):
        assert lab.store.artifact(run.run_id, picture) is not None, picture
    history = lab.store.history(run.run_id, ["search/val/accuracy", "search/best_val_accuracy"])
    assert [step for step, _ in history["search/val/accuracy"]] == list(range(10))
    bests = [value for _, value in history["search/best_val_accuracy"]]
    assert bests == sorted(bests)
    assert {each.evaluator for each in found.importances} == {"PED-ANOVA", "fANOVA"}
    for each in found.importances:
        assert sum(each.shares.values()) == pytest.approx(1)
        assert next(iter(each.shares)) == "recipe.optimizer.lr"


def test_an_experiment_that_never_opens_its_test_set_is_tuned_without_opening_it(lab: Lab) -> None:
    ended = lab.tune("    trials: 4\n", head=HEAD.replace("mlp: {model", "mlp: {test: never, model"))
    assert ended.state == "done" and ended.tuning.winner is not None
    assert lab.store.openings() == []


def test_a_trial_that_failed_on_a_fresh_seed_does_not_win_over_one_that_did_not(lab: Lab) -> None:
    tune = lab.context(CONFIRMED).tune
    lucky = Confirmation(trial=1, values=(0.99,), mean=0.99, standard_error=None)
    whole = Confirmation(trial=2, values=(0.90, 0.91, 0.92), mean=0.91, standard_error=0.006)
    nothing = Confirmation(trial=3, values=(), mean=None, standard_error=None)
    assert winner([lucky, whole, nothing], tune) == 2
    assert winner([nothing], tune) is None
