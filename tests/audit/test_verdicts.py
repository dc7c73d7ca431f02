"""The audit as a whole."""

from pathlib import Path

import pytest

from harness.audit import gather_evidence, verdicts
from harness.errors import InputError
from harness.track import Store
from tests.audit.studies import STUDY, drop_tag, evidence_of, forge, forget_journal, run_of


def test_a_study_that_nobody_touched_passes_every_check(store: Store) -> None:
    found = list(verdicts(evidence_of(store)))
    assert {verdict.name for verdict in found if not verdict.is_passed} == set()
    remarks = {verdict.name: verdict.findings for verdict in found if verdict.findings}
    assert remarks.keys() <= {"leakage"}, "two of the digits are alike once one is shifted by a pixel"
    assert not any(finding.is_fault for findings in remarks.values() for finding in findings)


def test_runs_of_an_earlier_version_are_told_as_not_recorded_and_pass(store: Store) -> None:
    forget_journal(store)
    failed = [verdict.name for verdict in verdicts(evidence_of(store)) if not verdict.is_passed]
    assert failed == ["report"], "it names the last entry of the journal"
    for tag in ("harness.fit_ended", "harness.artifacts_digest"):
        drop_tag(store, tag)
    found = {verdict.name: verdict for verdict in verdicts(evidence_of(store)) if verdict.findings}
    assert found["order"].is_passed and found["artifacts"].is_passed
    (fit,), (files,) = found["order"].findings, found["artifacts"].findings
    assert "not recorded: when the fit ended" in fit.what and fit.where == "floor s0 and 1 more"
    assert "not recorded: digests of its files" in files.what and files.where == "floor s0 and 2 more"


def test_a_study_that_was_never_run_cannot_be_audited(store: Store) -> None:
    with pytest.raises(InputError, match='"nothing" was never run'):
        gather_evidence(store, "nothing", Path("nowhere"))


def test_the_figures_that_count_are_those_of_the_runs_that_the_report_shows(store: Store) -> None:
    shown = {run.name for run in evidence_of(store).shown}
    assert shown == {"floor s0", "pixels s0", "deep s0"}
    forge(store, "UPDATE runs SET status = 'FAILED' WHERE run_uuid = ?", run_of(store, "deep").run_id)
    assert {run.name for run in evidence_of(store).shown} == {"floor s0", "pixels s0"}
    assert evidence_of(store).plan.study == STUDY
