from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from harness.track.runs import STALE, standing


@dataclass(frozen=True)
class Run:
    status: str
    source: str = "now"
    error: Mapping[str, str] = field(default_factory=dict)

    @property
    def tags(self) -> Mapping[str, str]:
        return {"harness.source_digest": self.source, **self.error}


def test_the_newest_finished_run_of_the_same_source_stands_for_a_cell() -> None:
    runs = [Run("FINISHED"), Run("FINISHED"), Run("FINISHED", "before"), Run("FAILED"), Run("RUNNING")]
    found = standing(runs, "now")
    assert (found.state, found.reason) == ("done", "")
    assert found.run is runs[1] is found.finished


def test_a_finished_run_of_another_source_stands_as_stale() -> None:
    runs = [Run("FINISHED", "before"), Run("KILLED")]
    found = standing(runs, "now")
    assert (found.state, found.reason) == ("stale", STALE)
    assert found.run is runs[0] is found.finished


def test_a_run_from_before_digests_covered_imports_stands_as_done() -> None:
    runs = [Run("FINISHED", "0123456789abcdef"), Run("FINISHED", "v3:before")]
    assert standing(runs, "v3:now").state == "done"
    assert standing(runs, "v3:now").run is runs[0]


def test_without_a_source_all_finished_runs_are_alike() -> None:
    runs = [Run("FINISHED"), Run("FINISHED", "before")]
    assert standing(runs).state == "done"
    assert standing(runs).run is runs[1]


@pytest.mark.parametrize(
    ("status", "state", "reason"),
    [
        ("FAILED", "failed", "no reason is on record"),
        ("RUNNING", "running", "it is still running"),
        ("KILLED", "missing", "it was interrupted"),
    ],
)
def test_without_a_finished_run_the_newest_says_why_there_are_no_figures(status: str, state: str, reason: str) -> None:
    runs = [Run("FAILED", error={"harness.error": "older"}), Run(status)]
    found = standing(runs, "now")
    assert (found.state, found.reason, found.finished) == (state, reason, None)
    assert found.run is runs[1]


def test_a_failed_run_tells_its_error() -> None:
    assert standing([Run("FAILED", error={"harness.error": "out of memory"})], "now").reason == "out of memory"


def test_a_cell_that_was_never_run_is_missing() -> None:
    never: list[Run] = []
    found = standing(never, "now")
    assert (found.state, found.run, found.reason) == ("missing", None, "")
