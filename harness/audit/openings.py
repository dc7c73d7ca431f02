"""Check: each test set was opened at most once a cell, for a run that is there and says so too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from harness.audit.evidence import Evidence
from harness.audit.finding import Finding
from harness.contracts import Opening
from harness.track import Record
from harness.words import iso_moment


def check_openings(evidence: Evidence) -> tuple[Finding, ...]:
    """Return what is wrong with the ledger's lines, and runs that opened a test set without one."""
    lines: dict[str, list[Opening]] = defaultdict(list)
    for opening in evidence.openings:
        lines[opening.key].append(opening)
    silent = (finding for run in evidence.runs for finding in _without_line(run, lines[run.key]))
    return (*_twice(evidence, lines), *_wrong_lines(evidence), *_never(evidence, lines), *silent)


def _twice(evidence: Evidence, lines: dict[str, list[Opening]]) -> Iterator[Finding]:
    for key, each in lines.items():
        if len(each) > 1:
            times = ", ".join(iso_moment(opening.time) for opening in each)
            what = f"its test set was opened {len(each)} times ({times}); once a cell is all there may be"
            yield Finding(evidence.name(key), what, each[-1].run_id)


def _wrong_lines(evidence: Evidence) -> Iterator[Finding]:
    """Yield lines whose run is not there, is another cell's, or has another model."""
    for opening in evidence.openings:
        where, run = evidence.name(opening.key), evidence.by_id.get(opening.run_id)
        if run is None:
            yield Finding(
                where, f"the run that opened its test set at {iso_moment(opening.time)} is gone", opening.run_id
            )
            continue
        if run.key != opening.key:
            what = f"the ledger says that run {run.name} opened its test set, but that run is of cell {run.key}"
            yield Finding(where, what, run.run_id)
        model = run.tags.get("harness.model_digest", "")
        if model and model != opening.model_digest:
            what = f"its test set was opened by model {opening.model_digest}, but its run's model is {model}"
            yield Finding(where, what, run.run_id)


def _never(evidence: Evidence, lines: dict[str, list[Opening]]) -> Iterator[Finding]:
    """Yield cells that were to keep their test set sealed; trials are left to the check of searches."""
    asked = {planned.key for planned in evidence.planned if planned.cell.test == "never"}
    asked |= {run.key for run in evidence.runs if run.kind == "cell" and run.params.get("test") == "never"}
    for key in sorted(asked):
        if lines[key]:
            what = (
                f"was to keep its test set sealed (test: never), but it was opened at {iso_moment(lines[key][0].time)}"
            )
            yield Finding(evidence.name(key), what, lines[key][0].run_id)


def _without_line(run: Record, lines: list[Opening]) -> Iterator[Finding]:
    """Yield what a run says of its test set that the ledger does not."""
    says_opened = run.tags.get("harness.test") == "opened"
    figures = sorted(name for name in run.metrics if name.startswith("test/"))
    if not lines and (says_opened or figures):
        proof = "is tagged as opened" if says_opened else f"has {figures[0]}"
        yield Finding(run.name, f"its test set {proof}, but the ledger has no opening", run.run_id)
    elif figures and not says_opened:
        tag = run.tags.get("harness.test", "nothing")
        yield Finding(run.name, f"has {figures[0]}, but says of its test set: {tag}", run.run_id)
    known = {opening.model_digest for opening in lines}
    model = run.tags.get("harness.model_digest", "")
    is_listed = run.run_id in {opening.run_id for opening in lines}
    if says_opened and lines and not is_listed and model not in known:
        yield Finding(run.name, f"its model {model} looked at a test set that another model opened", run.run_id)
