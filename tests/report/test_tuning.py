from __future__ import annotations

import pytest

from harness.contracts import Confirmation, Goal, Opening, Place, Range, Tuning
from harness.report.blocks import Block, Fact, Facts, Group, Run, Table, Text
from harness.report.context import context_of
from harness.report.sections.confusions import all_confusions
from harness.report.sections.curves import all_curves
from harness.report.sections.openings import ledger_of
from harness.report.sections.tuning import (
    budgets_table,
    importance_text,
    sampler_notes,
    section,
    unlike_notes,
    untuned_text,
    verdict,
)
from harness.report.sections.tuning_story import SAME_IMAGES, confirmation_table, settings_table, trials_table
from harness.report.store import gather
from harness.report.variants import experiment_variants
from tests.report.studies import STUDY, KeptStore, cell_of, plan_of
from tests.report.tunings import (
    ACCURACY,
    AUGMENT,
    IMPORTANCES,
    LR,
    PARAMETERS,
    confirmed,
    final_cell,
    keep_tuning,
    search,
    trial_of,
    tune_of,
    tuning_of,
)

LOSS = Goal(metric="val/loss", direction="minimize")
SPACE = {"recipe.epochs": Range(low=1, high=40, int=True)}


def column(table: Table | None, title: str) -> list[str]:
    assert table is not None
    place = [each.title for each in table.columns].index(title)
    return [row[place].text for row in table.rows]


def told(store: KeptStore) -> dict[str, str]:
    """Return the facts of the one study in the report."""
    return {fact.name: fact.text for fact in facts_of(store)}


def facts_of(store: KeptStore) -> tuple[Fact, ...]:
    (facts,) = (block for block in studied(store) if isinstance(block, Facts))
    return facts.facts


def blocks_of(store: KeptStore) -> tuple[Block, ...]:
    found = section(context_of(store, STUDY))
    assert found is not None
    return found.blocks


def studied(store: KeptStore) -> tuple[Block, ...]:
    """Return the blocks of the one search in the report."""
    (group,) = (block for block in blocks_of(store) if isinstance(block, Group))
    return group.blocks


@pytest.fixture
def planned(store: KeptStore) -> KeptStore:
    cell = cell_of("mlp")
    store.keep(plan_of(cell, tune={"mlp": tune_of(), "vgg": tune_of()})).finish(cell, 0.6, 0.61)
    return store


def test_a_study_without_tuning_has_no_such_section(store: KeptStore) -> None:
    store.keep(plan_of(cell_of("mlp")))
    assert section(context_of(store, STUDY)) is None


def test_what_is_to_be_tuned_and_has_not_begun_is_named(planned: KeptStore) -> None:
    assert blocks_of(planned) == tuple(
        Text(f"{name}: to be tuned, but its search has not begun.") for name in ("mlp", "vgg")
    )


def test_the_newest_study_of_an_experiment_counts(planned: KeptStore) -> None:
    keep_tuning(planned, tuning_of(trial_of(0, 0.5)))
    newest = keep_tuning(planned, tuning_of(trial_of(0, 0.5), trial_of(1, 0.7)))
    assert facts_of(planned)[-1].runs == (Run("mlp", newest),)
    assert "2 trials (2 complete)" in told(planned)["search"]


def test_the_winner_is_an_experiment_of_its_own_in_the_results_and_in_the_ledger(planned: KeptStore) -> None:
    final = final_cell()
    keep_tuning(planned, confirmed(search()).model_copy(update={"final": final}))
    planned.finish(final, 0.65, 0.66)
    findings = gather(planned, STUDY)
    assert [variant.name for variant in experiment_variants(findings)] == ["mlp", "mlp tuned"]
    context = context_of(planned, STUDY)
    assert [variant.name for variant in context.variants] == ["mlp tuned", "mlp"]
    assert {each.variant.name for each in context.once(all_confusions)} == {"mlp", "mlp tuned"}
    assert {each.variant.name for each in context.once(all_curves)} == {"mlp", "mlp tuned"}
    assert ledger_of(findings).text == "The test set was opened 2 times for 2 cells."
    assert told(planned)["test set"] == "Opened once, for the final fit of the winner: test accuracy 65.00 %."


def test_a_second_opening_of_the_winner_is_a_fault_of_the_ledger(planned: KeptStore) -> None:
    final = final_cell()
    keep_tuning(planned, confirmed(search()).model_copy(update={"final": final}))
    planned.finish(final, 0.65, 0.66)
    planned.ledger.append(Opening(final.key, "another", "2026-11-21T06:00:00+00:00", "host", "run-2"))
    assert ledger_of(gather(planned, STUDY)).faults == ("mlp tuned s0: 2 openings",)


def test_a_winner_that_is_a_planned_cell_anyway_stands_in_both_places(planned: KeptStore) -> None:
    plan = planned.plan(STUDY)
    assert plan is not None
    final = plan.cells[0].model_copy(update={"places": (Place(experiment="mlp tuned"),)})
    keep_tuning(planned, tuning_of(trial_of(0, 0.6), stage="done", winner=0, final=final))
    findings = gather(planned, STUDY)
    assert len(findings.entries) == 1
    assert [variant.name for variant in experiment_variants(findings)] == ["mlp", "mlp tuned"]


def test_the_story_tells_budget_winner_optimism_and_what_the_search_alone_would_have_chosen(planned: KeptStore) -> None:
    trials = [
        trial_of(0, 0.6),
        trial_of(1, 0.7),
        trial_of(2, 0.69, params={LR: 0.02}),
        trial_of(3),
        trial_of(4, 0.8, is_feasible=False),
    ]
    again = (
        Confirmation(trial=1, values=(0.61, 0.63), mean=0.62, standard_error=0.01),
        Confirmation(trial=2, values=(0.66, 0.66), mean=0.66, standard_error=0.0),
    )
    tune = tune_of(trials=5, constraints={"model/parameters": 5000.0})
    keep_tuning(planned, tuning_of(*trials, tune=tune, stage="final", confirmed=again, winner=2, retried=1))
    facts = told(planned)
    assert facts["search"] == (
        "mlp was tuned for validation accuracy by TPE with the Hyperband pruner: 5 trials (4 complete, 1 failed; of "
        "them 1 beyond a constraint (parameters at most 5,000), 1 trial tried again after a worker died) in 6 min 40 s."
        " Their 5 fits took 50 s in all."
    )
    assert facts["winner"] == "Trial 2 (lr=0.02) won with a search score of 69.00 %."
    assert facts["on fresh seeds"] == (
        "On 2 fresh seeds it reaches 66.00 ± 0.00 % (mean ± standard error). By the search alone trial 1 would have "
        "won (70.00 %); on the same seeds it reaches 62.00 ± 1.00 % (mean ± standard error): the search flattered it "
        f"(optimism of the search +8.00 points). {SAME_IMAGES}."
    )
    assert facts["own settings"] == (
        "The experiment's own settings (trial 0) scored 60.00 % in the search; the winner is 9.00 points better in the "
        "search, which flatters the winner."
    )
    assert facts["test set"] == "Still sealed: it is opened for the winner alone, once a seed."


def test_the_own_settings_are_compared_on_fresh_seeds_where_both_have_them(planned: KeptStore) -> None:
    again = [
        Confirmation(trial=number, values=(mean, mean), mean=mean, standard_error=0.0)
        for number, mean in ((0, 0.62), (1, 0.6))
    ]
    keep_tuning(
        planned,
        tuning_of(trial_of(0, 0.5, outside=(LR,)), trial_of(1, 0.7), confirmed=tuple(again), winner=1, stage="done"),
    )
    assert told(planned)["own settings"] == (
        "The experiment's own settings (trial 0) scored 50.00 % in the search, with lr outside of the space; the "
        "winner is 2.00 points worse on the same fresh seeds."
    )


@pytest.mark.parametrize(("score", "verdict"), [(0.4, "flattered it"), (0.6, "did not flatter it")])
def test_a_loss_flatters_where_the_search_saw_less_of_it(planned: KeptStore, score: float, verdict: str) -> None:
    again = (Confirmation(trial=0, values=(0.5,), mean=0.5, standard_error=None),)
    keep_tuning(
        planned, tuning_of(trial_of(0, score), tune=tune_of(goals=(LOSS,)), confirmed=again, winner=0, stage="done")
    )
    text = told(planned)["on fresh seeds"]
    assert f"reaches 0.5000 (one seed): the search {verdict} (optimism of the search {score - 0.5:+.4f})" in text


def test_a_study_that_is_not_over_says_so_first(planned: KeptStore) -> None:
    keep_tuning(planned, tuning_of(trial_of(0, 0.5), trial_of(1, state="running")))
    first, *_ = facts_of(planned)
    assert first.text == "The search is not over: 1 of 40 trials have come to an end."
    keep_tuning(planned, tuning_of(trial_of(0, 0.5), stage="confirm"))
    assert "no winner yet" in facts_of(planned)[0].text


def test_a_search_without_any_complete_trial_has_nothing_to_choose_from(planned: KeptStore) -> None:
    keep_tuning(planned, tuning_of(trial_of(0), trial_of(1, state="pruned", epochs={1: 0.2})))
    assert "nothing to choose from" in told(planned)["winner"]
    assert not any(isinstance(block, Table) for block in studied(planned))


def test_a_final_fit_that_failed_says_why(planned: KeptStore) -> None:
    final = final_cell()
    keep_tuning(planned, confirmed(search()).model_copy(update={"final": final}))
    planned.fail(final, "the test file is gone")
    assert told(planned)["test set"] == (
        "The final fit of the winner failed (the test file is gone); it has no test accuracy."
    )


def test_the_best_ten_trials_are_shown_and_a_winner_beyond_them_as_well() -> None:
    trials = [trial_of(number, 0.5 + number / 100) for number in range(12)]
    table = trials_table(tuning_of(*trials, winner=1))
    assert column(table, "trial") == [*map(str, range(11, 1, -1)), "1 (winner)"]
    assert table is not None
    assert table.notes == (
        "The best 10 of 12 trials that may win; all are in trials.csv.",
        "Trial 1 won on fresh seeds without being one of these.",
    )
    assert column(table, "augment")[0] == "flip"


def test_several_goals_are_a_pareto_front_with_each_goal_and_cost() -> None:
    values = {0: (0.5, 100.0), 1: (0.7, 900.0), 2: (0.6, 950.0)}
    trials = [trial_of(number, 0.0, values=each, costs={"time/train_seconds": 61.0}) for number, each in values.items()]
    table = trials_table(tuning_of(*trials, tune=tune_of(goals=(ACCURACY, PARAMETERS))))
    assert column(table, "trial") == ["1", "0 (own settings)"]
    assert column(table, "val. top-1 %") == ["70.00", "50.00"]
    assert column(table, "parameters") == ["900", "100"]
    assert column(table, "train time") == ["1 min 01 s", "1 min 01 s"]


def test_the_confirmation_has_each_seed_and_a_run_that_failed_leaves_a_gap() -> None:
    table = confirmation_table(confirmed(search()))
    assert column(table, "optimism") == ["+0.40 points", "+1.20 points", "+1.50 points"]
    assert column(table, "seed 11") == column(table, "mean")
    fewer = (Confirmation(trial=0, values=(0.5,), mean=0.5, standard_error=None),)
    table = confirmation_table(tuning_of(trial_of(0, 0.6), confirmed=fewer))
    assert column(table, "value 2") == ["-"]
    assert column(table, "standard error") == ["-"]
    assert table is not None and table.notes == ("Fewer values than seeds: a run failed.",)


def test_the_winners_settings_stand_beside_the_experiments() -> None:
    winner = trial_of(1, 0.7, params={LR: 0.02, AUGMENT: ["flip"]})
    table = settings_table(tuning_of(trial_of(0, 0.5, outside=(LR,)), winner, winner=1))
    assert column(table, "experiment") == ["sgd", "0.1 (outside of the space)", "0.9", "2", "flip", "0"]
    assert column(table, "winner") == ["-", "0.02", "-", "-", "flip", "-"]
    assert settings_table(tuning_of(trial_of(0, 0.5))) is None


def test_without_trial_zero_the_experiments_settings_come_from_its_cell() -> None:
    table = settings_table(
        tuning_of(trial_of(1, 0.5, params={"recipe.epochs": 3}), winner=1, tune=tune_of(space=SPACE))
    )
    assert column(table, "experiment") == ["30"]


def test_budgets_of_several_experiments_are_held_side_by_side() -> None:
    shared = trial_of(1, 0.5, duplicate_of=0, run_ids=("trial-run-0",))
    mlp = tuning_of(trial_of(0, 0.5), shared, stage="done")
    vgg = tuning_of(*map(trial_of, range(6)), stage="done").model_copy(update={"experiment": "vgg"})
    table = budgets_table((mlp, vgg))
    assert column(table, "fits") == ["1", "6"]
    assert column(table, "failed") == ["0", "6"]
    assert column(table, "time of fitting") == ["20 s", "1 min 00 s"]
    assert verdict((mlp, vgg)) == "Budgets are not equal (6 trials for vgg, 2 for mlp): the comparison favors vgg."
    assert verdict((mlp, mlp)) == "Equal budgets: 2 trials each."
    assert budgets_table((mlp,)) is None


def test_budgets_are_not_judged_before_all_searches_are_over() -> None:
    assert verdict((tuning_of(trial_of(0, 0.5)), search(stage="done"))).startswith("Not all searches are over")


def test_experiments_that_were_not_tuned_are_named() -> None:
    tunings = (tuning_of(trial_of(0, 0.5)),)
    assert untuned_text(tunings, ["mlp", "hog", "hog"]).startswith("Not tuned: hog. ")
    assert untuned_text(tunings, ["mlp"]) == ""


def test_importances_of_few_trials_come_with_a_warning() -> None:
    few = tuning_of(*(trial_of(number, 0.5) for number in range(12)), importances=IMPORTANCES)
    assert "With only 12 complete trials for 6 dimensions" in importance_text(few)
    assert "fANOVA says nothing of momentum." in importance_text(few)
    many = tuning_of(*(trial_of(number, 0.5) for number in range(60)), importances=IMPORTANCES)
    assert "With only" not in importance_text(many)
    assert "PED-ANOVA" in importance_text(many) and "fANOVA" in importance_text(many)
    assert importance_text(tuning_of(trial_of(0, 0.5))) == ""


def test_what_tuning_brought_stands_side_by_side_with_the_test_set_of_both(planned: KeptStore) -> None:
    final = final_cell()
    first = confirmed(search()).model_copy(update={"final": final})
    keep_tuning(planned, first)
    keep_tuning(planned, tuning_of(trial_of(0, 0.5), stage="done", winner=0).model_copy(update={"experiment": "vgg"}))
    planned.finish(final, 0.65, 0.66)
    gains, budgets = (block for block in blocks_of(planned) if isinstance(block, Table))
    assert budgets.caption == "What each experiment's tuning cost"
    assert column(gains, "own settings, test %") == ["60.00", "-"]
    assert column(gains, "tuned, test %") == ["65.00", "-"]
    assert column(gains, "optimism") == ["+1.20 points", "-"]
    assert column(gains, "own settings, search")[1] == "50.00 %"


def test_samplers_are_compared_where_each_searched_the_same_space_repeatedly() -> None:
    def reached(sampler: str, mean: float, trials: int = 40) -> Tuning:
        again = (Confirmation(trial=0, values=(mean, mean), mean=mean, standard_error=0.0),)
        return tuning_of(trial_of(0, 0.6), tune=tune_of(trials=trials, sampler=sampler), confirmed=again, winner=0)

    studies = [reached("tpe", 0.6), reached("tpe", 0.62), reached("random", 0.5), reached("random", 0.5)]
    assert sampler_notes(studies) == (
        "Winners on fresh seeds, mean ± standard deviation over studies: TPE 61.00 ± 1.41 % over 2 studies; "
        "random search 50.00 ± 0.00 % over 2 studies.",
    )
    assert sampler_notes([*studies[:3], reached("random", 0.5, trials=80)]) == ()


def test_the_winners_seeds_stand_together_beside_those_of_the_experiment(planned: KeptStore) -> None:
    finals = final_cell(), final_cell(seed=1)
    tuned = confirmed(search()).model_copy(update={"final": finals[0], "other_finals": finals[1:]})
    keep_tuning(planned, tuned)
    keep_tuning(planned, tuning_of(trial_of(0, 0.5), stage="done", winner=0).model_copy(update={"experiment": "vgg"}))
    for final, accuracy in zip(finals, (0.65, 0.69), strict=True):
        planned.finish(final, accuracy, accuracy)
    gains = next(block for block in blocks_of(planned) if isinstance(block, Table))
    assert column(gains, "tuned, test %") == ["67.00", "-"]
    (first, *_) = (block for block in blocks_of(planned) if isinstance(block, Group))
    facts = next(block for block in first.blocks if isinstance(block, Facts))
    assert {fact.name: fact.text for fact in facts.facts}["test set"] == (
        "Opened once for each of the winner's 2 seeds, which are the experiment's: test accuracy 67.00 ± 2.83 % "
        "(mean ± standard deviation over seeds)."
    )


def test_a_winner_on_more_images_than_its_own_settings_is_told(planned: KeptStore) -> None:
    final = final_cell()
    final = final.model_copy(update={"cell": final.cell.model_copy(update={"train_on": "train+val"})})
    tuned = confirmed(search()).model_copy(update={"final": final})
    assert unlike_notes([tuned])[0] == (
        "mlp: tuned is fitted on train+val, its own settings on train; what that brings is not by the settings"
    )


def test_an_optimism_within_its_error_is_not_made_much_of(planned: KeptStore) -> None:
    again = (Confirmation(trial=0, values=(0.58, 0.6), mean=0.59, standard_error=0.01),)
    keep_tuning(planned, tuning_of(trial_of(0, 0.595), confirmed=again, winner=0, stage="done"))
    assert "the search flattered it by no more than that error" in told(planned)["on fresh seeds"]
