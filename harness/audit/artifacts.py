"""Check: the files and final metrics of each cell are those that it left, byte for byte.

A finished cell leaves the digest of each of its files, and the digest of that list is a tag of its run
(`harness.execute.manifest`). So an altered byte is noticed even where no figure depends on it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from harness.audit.evidence import Evidence
from harness.audit.finding import Finding, not_recorded
from harness.digests import file_digest
from harness.execute.manifest import DIGESTS, METRICS, TAG
from harness.track import Record

WEIGHTS: Final = "model/model.safetensors"


def check_artifacts(evidence: Evidence) -> tuple[Finding, ...]:
    """Return files that were altered or lost, final metrics that were altered, models that are not the opened ones."""
    found = [finding for run in evidence.shown for finding in _of_run(run, evidence.folder(run.run_id))]
    unknown = [run.name for run in evidence.shown if not run.tags.get(TAG)]
    return (*found, *not_recorded(unknown, "digests of its files"))


def _of_run(run: Record, folder: Path | None) -> Iterator[Finding]:
    if folder is None:
        yield Finding(run.name, "its artifacts are gone", run.run_id)
        return
    texts = [*_altered_model(run, folder)]
    if run.tags.get(TAG):
        texts += _altered_files(run, folder)
    yield from (Finding(run.name, text, run.run_id) for text in texts)


def _altered_model(run: Record, folder: Path) -> Iterator[str]:
    model, path = run.tags.get("harness.model_digest", ""), folder / WEIGHTS
    if model and path.is_file() and file_digest(path) != model:
        yield f"{WEIGHTS} is model {file_digest(path)}, but its figures are on record for model {model}"


def _altered_files(run: Record, folder: Path) -> Iterator[str]:
    listing = folder / DIGESTS
    if not listing.is_file() or file_digest(listing) != run.tags[TAG]:
        yield f"{DIGESTS} is {'not the one that was logged' if listing.is_file() else 'gone'}"
        return
    for name, digest in json.loads(listing.read_text()).items():
        path = folder / name
        if not path.is_file():
            yield f"{name} is gone"
        elif file_digest(path) != digest:
            yield f"{name} was altered since it was logged"
        elif name == METRICS:
            yield from _altered_metrics(run.metrics, json.loads(path.read_text()))


def _altered_metrics(logged: Mapping[str, float], kept: Mapping[str, float]) -> Iterator[str]:
    """Yield metrics that are not what the cell reported, to the last bit: databases keep float64 as it is."""
    for name, value in kept.items():
        found = logged.get(name)
        if found is None:
            yield f"{name} is not in the store any more; the cell reported {value!r}"
        elif found != value and not (math.isnan(found) and math.isnan(value)):
            yield f"{name} is {found!r} in the store, the cell reported {value!r}"
