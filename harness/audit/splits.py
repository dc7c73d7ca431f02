"""Check: cells on the same data set were fitted and validated on the same images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from harness.audit.evidence import Evidence
from harness.audit.finding import Finding
from harness.track import Record

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
