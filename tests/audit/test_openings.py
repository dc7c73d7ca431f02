"""The ledger against the runs."""

import pytest

from harness.audit.openings import check_openings, check_order
from harness.track import Store
from tests.audit.studies import (
    evidence_of,
    faults,
    forge,
    forge_opening,
    forget_journal,
    ledger_run,
    remarks,
    run_of,
    set_tag,
)


def found(store: Store) -> list[tuple[str, str]]:
    return faults(check_openings(evidence_of(store)))


def test_two_openings_of_one_cell_fail(store: Store) -> None:
    run = run_of(store, "deep")
    forge_opening(store, run.key, run.run_id, model_digest=run.tags["harness.model_digest"])
    twice, unknown = found(store)
    assert twice[0] == "deep s0" and "opened 2 times" in twice[1]
    assert "the journal none of this model and set" in unknown[1]


def test_a_second_opening_with_another_model_names_both_models(store: Store) -> None:
    run = run_of(store, "deep")
    forge_opening(store, run.key, run.run_id, model_digest="f" * 16)
    texts = [what for _, what in found(store)]
    assert f"its test set was opened by model {'f' * 16}, but its run's model is" in " ".join(texts)


def test_a_line_whose_run_is_gone_fails(store: Store) -> None:
    run = run_of(store, "deep")
    set_tag(store, ledger_run(store, run.key), "harness.run", "0" * 32)
    gone, other = found(store)
    assert gone[0] == "deep s0" and "is gone" in gone[1]
    assert other == ("deep s0", f"the run id of its opening is {'0' * 32} in the ledger, {run.run_id} in the journal")


def test_a_line_of_this_study_for_a_cell_that_nobody_knows_fails(store: Store) -> None:
    forge_opening(store, "a key of no cell", "0" * 32)
    ((where, what),) = found(store)
    assert where == "cell a key of no cell" and "is gone" in what


def test_a_line_with_the_run_of_another_cell_fails(store: Store) -> None:
    deep, floor = run_of(store, "deep"), run_of(store, "floor")
    set_tag(store, ledger_run(store, deep.key), "harness.run", floor.run_id)
    assert any(
        f"run floor s0 opened its test set, but that run is of cell {floor.key}" in what for _, what in found(store)
    )


def test_an_opened_cell_without_a_line_fails(store: Store) -> None:
    line = ledger_run(store, run_of(store, "deep").key)
    forge(store, "UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = ?", line)
    journal, ledger = found(store)
    assert journal[0] == "deep s0" and journal[1].endswith("; the ledger's line is gone")
    assert ledger == ("deep s0", "its test set is tagged as opened, but the ledger has no opening")


def test_test_figures_of_a_cell_that_says_it_is_sealed_fail(store: Store) -> None:
    set_tag(store, run_of(store, "deep").run_id, "harness.test", "sealed")
    ((where, what),) = found(store)
    assert where == "deep s0" and what.endswith("says of its test set: sealed")


def test_an_opening_of_a_cell_that_keeps_its_test_set_sealed_fails(store: Store) -> None:
    run = run_of(store, "pixels")
    forge_opening(store, run.key, run.run_id, model_digest=run.tags["harness.model_digest"])
    assert any(where == "pixels s0" and "test: never" in what for where, what in found(store))


@pytest.mark.parametrize(
    ("time", "said"),
    [
        ("2020-01-01T00:00:00+00:00", "before its run began"),
        ("2100-01-01T00:00:00+00:00", "after its run had ended"),
        ("yesterday", 'the ledger has "yesterday" for the time'),
    ],
)
def test_an_opening_outside_of_its_run_fails(store: Store, time: str, said: str) -> None:
    set_tag(store, ledger_run(store, run_of(store, "deep").key), "harness.time", time)
    texts = faults(check_order(evidence_of(store)))
    assert any(where == "deep s0" and said in what for where, what in texts)


def test_an_opening_before_the_fit_had_ended_fails(store: Store) -> None:
    forget_journal(store)
    set_tag(store, run_of(store, "deep").run_id, "harness.fit_ended", "2100-01-01T00:00:00+00:00")
    ((where, what),) = faults(check_order(evidence_of(store)))
    assert where == "deep s0" and "before the fit ended at 2100-01-01 00:00:00" in what


def test_a_clock_that_was_set_back_is_told_where_the_journal_has_the_order(store: Store) -> None:
    run = run_of(store, "deep")
    forge(store, "UPDATE runs SET start_time = start_time + 7200000 WHERE run_uuid = ?", run.run_id)
    set_tag(store, run.run_id, "harness.fit_ended", "2100-01-01T00:00:00+00:00")
    findings = check_order(evidence_of(store))
    assert faults(findings) == []
    began, ended = [what for _, what in remarks(findings)]
    assert "before its run began by the clock; the journal has them in order, so a clock was set back" in began
    assert "before the fit ended at 2100-01-01 00:00:00 by the clock; the journal" in ended


def test_a_fit_without_a_recorded_end_is_told_and_does_not_fail(store: Store) -> None:
    set_tag(store, run_of(store, "deep").run_id, "harness.fit_ended", "")
    findings = check_order(evidence_of(store))
    assert faults(findings) == []
    assert [where for where, _ in remarks(findings)] == ["deep s0"]


def test_a_cell_fitted_again_may_come_after_its_opening_if_it_is_the_same_model(store: Store) -> None:
    run = run_of(store, "deep")
    tags = {name: value for name, value in run.tags.items() if name.startswith("harness.")}
    late = {**tags, "harness.fit_ended": "2100-01-01T00:00:00+00:00"}
    again = store.start_run(run.study, "cell", run.name, tags=late, params={})
    store.end(again, "FINISHED")
    assert faults(check_order(evidence_of(store))) == []
    set_tag(store, again, "harness.model_digest", "f" * 16)
    ((_, what),) = faults(check_order(evidence_of(store)))
    assert "before the fit ended at 2100-01-01 00:00:00" in what
