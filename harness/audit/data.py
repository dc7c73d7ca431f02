"""Checks: cells that stand side by side were fitted on the same images, and are measured on the same ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.parquet as pq

from harness.audit.evidence import Evidence, Finding
from harness.audit.figures import UNREADABLE
from harness.audit.openings import opened_set
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
            group = (split, dataset_settings(run, CARVING if split != "val" else ()))
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
