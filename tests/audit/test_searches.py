"""Searches: the seal of their trials, the order of winner and opening, and who won."""

from typing import Any

import pytest

from harness.audit.openings import check_openings
from harness.audit.searches import check_searches, not_the_best
from harness.contracts import Goal, Objective, Tuning
from harness.track import Record, Store
from tests.audit.studies import (
    FINAL,
    STUDY,
    cell_at,
    evidence_of,
    faults,
    forge,
    forge_opening,
    log_search,
    planned,
    remarks,
)

AFTER, SAME_SECOND, BEFORE = (f"2026-11-21T{time}+00:00" for time in ("05:00:01", "05:00:00", "04:59:59"))


def found(store: Store) -> list[str]:
    findings = faults(check_searches(evidence_of(store)))
    return [what for _, what in findings]


def named(store: Store, name: str) -> Record:
    return next(record for record in store.records(STUDY) if record.name == name)


def final_run(store: Store) -> str:
    return named(store, FINAL.name).run_id


@pytest.mark.parametrize("time", [AFTER, SAME_SECOND])
def test_an_opening_after_the_winner_was_fixed_passes(empty_store: Store, time: str) -> None:
    log_search(empty_store)
    forge_opening(empty_store, FINAL.key, final_run(empty_store), time=time)
    assert found(empty_store) == []


def test_an_opening_before_the_winner_was_fixed_fails(empty_store: Store) -> None:
    log_search(empty_store)
    forge_opening(empty_store, FINAL.key, final_run(empty_store), time=BEFORE)
    said = "the test set of mlp tuned s0 was opened at 2026-11-21 04:59:59, before the winner was fixed at"
    assert found(empty_store) == [f"{said} 2026-11-21 05:00:00"]


def test_a_winner_that_the_matrix_opened_as_one_of_its_own_cells_is_told_and_passes(empty_store: Store) -> None:
    log_search(empty_store, FINAL)
    forge_opening(empty_store, FINAL.key, final_run(empty_store), time=BEFORE)
    findings = check_searches(evidence_of(empty_store))
    assert faults(findings) == []
    assert ["its winner is a cell of the matrix" in what for _, what in remarks(findings)] == [True]


def test_an_earlier_winner_with_an_opening_fails_when_the_search_goes_on(empty_store: Store) -> None:
    former = planned("mlp tuned s0", cell_at(0.2, test="once"), "key-former", stage="final")
    log_search(empty_store)
    run_id = empty_store.start_run(
        STUDY, "cell", former.name, tags={"harness.key": former.key, "harness.experiment": "mlp tuned", **former.tags}
    )
    forge_opening(empty_store, former.key, run_id, time=BEFORE)
    texts = found(empty_store)
    assert ["before the winner was fixed" in what for what in texts] == [True, False]
    assert "as its winner, but its winner is another" in texts[1]


@pytest.mark.parametrize("name", ["mlp trial 1 s0", "mlp confirm 2 s11"])
def test_an_opening_by_a_trial_or_a_confirmation_fails(empty_store: Store, name: str) -> None:
    log_search(empty_store)
    run = named(empty_store, name)
    forge_opening(empty_store, run.key, run.run_id, time=AFTER)
    findings = faults(check_searches(evidence_of(empty_store)))
    assert findings == [(name, "is a trial of a search, and opened the test set at 2026-11-21 05:00:01")]
    assert name not in {where for where, what in faults(check_openings(evidence_of(empty_store))) if "gone" in what}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"winner": 1}, "trial 1 won with a confirmed mean of 0.81, but trial 2 has 0.86"),
        ({"winner": 0}, "its winner, trial 0, has no confirmed mean with which it could win"),
        ({"winner": 2, "confirmed": ()}, "trial 2 won with a search score of 0.8, but trial 1 has 0.9"),
        ({"winner_time": ""}, "names a winner's cell, but not when the winner was fixed"),
    ],
)
def test_a_winner_that_is_not_the_best_or_has_no_time_fails(
    empty_store: Store, changes: dict[str, Any], said: str
) -> None:
    log_search(empty_store, **changes)
    assert said in found(empty_store)


def test_a_trial_beyond_a_constraint_cannot_win_and_less_loss_is_better(empty_store: Store) -> None:
    tuning = log_search(empty_store)
    infeasible = tuning.trials[1].model_copy(update={"is_feasible": False})
    rest = (tuning.trials[0], infeasible, tuning.trials[2])
    assert _best_of(tuning.model_copy(update={"trials": rest, "confirmed": ()})) == []
    loss = tuning.tune.model_copy(
        update={"objective": Objective(goals=(Goal(metric="val/loss", direction="minimize"),))}
    )
    (what,) = _best_of(tuning.model_copy(update={"tune": loss, "confirmed": ()}))
    assert what == "trial 2 won with a search score of 0.8, but trial 0 has 0.7"


def _best_of(tuning: Tuning) -> list[str]:
    return [what for what, _ in not_the_best(tuning)]


def test_a_score_that_its_runs_do_not_have_fails(empty_store: Store) -> None:
    log_search(empty_store)
    assert found(empty_store) == []
    changed = "UPDATE latest_metrics SET value = 0.95 WHERE run_uuid = ?"
    forge(empty_store, changed, named(empty_store, "mlp trial 0 s0").run_id)
    forge(empty_store, changed, named(empty_store, "mlp confirm 1 s10").run_id)
    assert found(empty_store) == [
        "trial 0 scored 0.7, but its runs have val/accuracy 0.95",
        "trial 1 was confirmed with 0.81, but its runs have val/accuracy 0.885",
    ]


def test_a_final_cell_with_other_settings_than_the_winners_fails(empty_store: Store) -> None:
    other = FINAL.model_copy(update={"cell": cell_at(0.25, test="once")})
    log_search(empty_store, final=other)
    (by_run, by_point) = found(empty_store)
    assert by_run == "the winner's cell has recipe.optimizer.lr = 0.25, mlp trial 2 s0 has 0.3"
    assert by_point == "the winner's cell has recipe.optimizer.lr = 0.25, trial 2 has 0.3"


def test_the_winner_may_be_fitted_on_more_images_and_with_another_seed(empty_store: Store) -> None:
    cell = FINAL.cell.model_copy(update={"train_on": "train+val", "seed": 7})
    log_search(empty_store, final=FINAL.model_copy(update={"cell": cell}))
    assert found(empty_store) == []
