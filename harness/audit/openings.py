"""Checks of test openings: one a cell, after the fit, on the same images and labels as every other cell.

The worker writes down when a fit ended before it asks for the opening (`FitReport.ended`, the tag
`harness.fit_ended`). Where workers run on other machines their clocks have to agree to a second.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.parquet as pq

from harness.audit.evidence import Evidence, Finding, not_recorded, remark
from harness.audit.figures import UNREADABLE
from harness.contracts import Opening, SealedSet, looks
from harness.contracts.metrics import metric_of
from harness.data.seal import CHANGED_SINCE
from harness.execute.plan import changed_since
from harness.report.variants import dataset_name
from harness.track import Record
from harness.words import iso_moment, iso_second

FIT_ENDED = "harness.fit_ended"


def check_order(evidence: Evidence) -> tuple[Finding, ...]:
    """Return openings before the end of the fit, or outside of the time of the run that they belong to."""
    findings = tuple(finding for opening in evidence.openings for finding in _of_opening(evidence, opening))
    unknown = [run.name for run in evidence.runs if _is_finished_opening(run) and not run.tags.get(FIT_ENDED)]
    return (*findings, *not_recorded(unknown, "when the fit ended"))


def _of_opening(evidence: Evidence, opening: Opening) -> Iterator[Finding]:
    where, second, when = evidence.name_of(opening), iso_second(opening.time), iso_moment(opening.time)
    if second is None:
        yield Finding(where, f'the ledger has "{opening.time}" for the time of its opening', opening.run_id)
        return
    run = evidence.by_id.get(opening.run_id)
    if run is not None:
        yield from _outside(where, second, when, run)
    for each in evidence.by_key.get(opening.key, ()):
        ended = iso_second(each.tags.get(FIT_ENDED, ""))
        if _is_of_other_set(each, opening) or (run is not None and _is_the_same_model_again(each, opening)):
            continue
        if ended is not None and _is_finished_opening(each) and second < ended:
            what = f"its test set was opened at {when}, before the fit ended at {iso_moment(each.tags[FIT_ENDED])}"
            yield Finding(where, what, each.run_id)


def _is_of_other_set(run: Record, opening: Opening) -> bool:
    """Whether a run of the cell is known to have opened another test set than the opening's."""
    return opened_set(run).is_same(opening.test_set) is False


def opened_set(run: Record) -> SealedSet:
    """Return the test set that a run opened, as far as it is on record."""
    return SealedSet(run.tags.get("harness.test_files", ""), run.tags.get("harness.test_fingerprint", ""))


def _is_the_same_model_again(each: Record, opening: Opening) -> bool:
    """Whether a run other than the one that opened fitted, bit by bit, what was opened: it could not learn from it."""
    return each.run_id != opening.run_id and each.tags.get("harness.model_digest") == opening.model_digest


def _outside(where: str, second: int, when: str, run: Record) -> Iterator[Finding]:
    if second < int(run.start):
        yield Finding(where, f"its test set was opened at {when}, before its run began", run.run_id)
    if run.status == "FINISHED" and run.end is not None and second > run.end:
        yield Finding(where, f"its test set was opened at {when}, after its run had ended", run.run_id)


def _is_finished_opening(run: Record) -> bool:
    return run.status == "FINISHED" and run.tags.get("harness.test") == "opened"


DATASET = "dataset."
FINGERPRINT = "harness.data_fingerprint"
SPLIT = "harness.split_digest"


def check_splits(evidence: Evidence) -> tuple[Finding, ...]:
    """Return runs whose training data or validation split is not that of the others with the same settings."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for run in evidence.shown:
        groups[dataset_settings(run)].append(run)
    return tuple(finding for runs in groups.values() for finding in _of_group(runs)) + tuple(_unplanned(evidence))


def dataset_settings(run: Record, without: Iterable[str] = ()) -> str:
    """Return a run's data set with all its settings as text, but for those that begin with one of `without`."""
    left_out = tuple(f"{DATASET}{name}" for name in without)
    settings = {path: value for path, value in run.params.items() if path.startswith(DATASET)}
    return ", ".join(f"{path}={settings[path]}" for path in sorted(settings) if not path.startswith(left_out))


def _of_group(runs: list[Record]) -> Iterator[Finding]:
    first = runs[0]
    for run in runs[1:]:
        for tag, what in ((FINGERPRINT, "training data"), (SPLIT, "validation split")):
            mine, others = run.tags.get(tag, ""), first.tags.get(tag, "")
            if mine != others:
                text = f"its {what} is {mine or 'not recorded'}, that of {first.name} is {others or 'not recorded'}"
                yield Finding(run.name, text, run.run_id)


def _unplanned(evidence: Evidence) -> Iterator[Finding]:
    planned = {each.key: each.data_fingerprint for each in evidence.planned}
    for run in evidence.shown:
        wanted, found = planned.get(run.key, ""), run.tags.get(FINGERPRINT, "")
        if wanted and found != wanted:
            yield Finding(run.name, f"was fitted on data {found or 'not recorded'}, planned was {wanted}", run.run_id)


CARVING: Final = ("validation", "limit.train")
"""Settings of a data set on which its test images do not depend."""


def check_labels(evidence: Evidence) -> tuple[Finding, ...]:
    """Return runs whose images or labels are not those of the first run with the same data set settings."""
    first: dict[tuple[str, str], tuple[str, str]] = {}
    opened: dict[str, Record] = {}
    found = []
    for run in evidence.shown:
        if opened_set(run).fingerprint:
            earlier = opened.setdefault(dataset_settings(run, CARVING), run)
            mine, others = opened_set(run).fingerprint, opened_set(earlier).fingerprint
            if mine != others:
                what = f"its test images have digest {mine}, those of {earlier.name} {others}: they are other images"
                found.append(Finding(run.name, what, run.run_id))
        folder = evidence.folder(run.run_id)
        for split, digest in _digests(folder) if folder is not None else ():
            group = (split, dataset_settings(run, CARVING if split == "test" else ()))
            name, wanted = first.setdefault(group, (run.name, digest))
            if digest != wanted:
                what = f"its {split} predictions are of other images or labels than those of {name}"
                found.append(Finding(run.name, what, run.run_id))
    return tuple(found)


def _digests(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield each split with the digest of its images' positions and labels, in their order."""
    for path in sorted((folder / "predictions").glob("*.parquet")):
        try:
            table = pq.read_table(path, columns=["index", "label"])
        except UNREADABLE:
            continue  # `check_figures` says so
        numbers = np.stack([table.column(name).to_numpy() for name in ("index", "label")]).astype("<i8")
        yield path.stem.removesuffix("_tta"), sha256(numbers.tobytes()).hexdigest()


def check_openings(evidence: Evidence) -> tuple[Finding, ...]:
    """Return what is wrong with the ledger's lines, and runs that opened a test set without one."""
    lines: dict[str, list[Opening]] = defaultdict(list)
    for opening in evidence.openings:
        lines[opening.key].append(opening)
    silent = (
        finding
        for run in evidence.runs
        for finding in _without_line(run, [each for each in lines[run.key] if not _is_of_other_set(run, each)])
    )
    return (*_twice(evidence), *_wrong_lines(evidence), *_never(evidence, lines), *silent, *_changed(evidence))


def _twice(evidence: Evidence) -> Iterator[Finding]:
    for each in looks(evidence.openings):
        if len(each) > 1:
            times = ", ".join(iso_moment(opening.time) for opening in each)
            what = f"its test set was opened {len(each)} times ({times}); once a cell is all there may be"
            yield Finding(evidence.name_of(each[0]), what, each[-1].run_id)


def _changed(evidence: Evidence) -> Iterator[Finding]:
    """Yield data sets whose test files are at hand and are not those that were planned and opened."""
    for dataset in changed_since(evidence.planned, evidence.store.home / "cache"):
        yield remark(dataset_name(dataset), CHANGED_SINCE)


def _wrong_lines(evidence: Evidence) -> Iterator[Finding]:
    """Yield lines whose run is not there, is another cell's, or has another model."""
    for opening in evidence.openings:
        where, run = evidence.name_of(opening), evidence.by_id.get(opening.run_id)
        if run is None:
            yield Finding(
                where, f"the run that opened its test set at {iso_moment(opening.time)} is gone", opening.run_id
            )
            continue
        if run.key != opening.key:
            what = f"the ledger says that run {run.name} opened its test set, but that run is of cell {run.key}"
            yield Finding(where, what, run.run_id)
        source = run.tags.get("harness.source_digest", "")
        if opening.source_digest and source != opening.source_digest:
            what = f"its test set was opened by source {opening.source_digest}, but its run is of source {source}"
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
    figures = sorted(name for name in run.metrics if metric_of(name).split == "test")
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
