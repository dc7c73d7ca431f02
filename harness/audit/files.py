"""Check: the files, figures, settings and marks of each cell are those that it left, byte for byte.

A finished cell leaves a manifest of all that it logged, and the manifest's digest is in the journal and is a tag of its
run (`harness.execute.recording`). So what is altered is noticed even where no figure depends on it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from harness.audit.evidence import Evidence, Finding, not_recorded
from harness.audit.searches import is_same_setting
from harness.contracts import PlannedCell
from harness.execute.recording import DIGESTS, METRICS, TAG, Manifest, read_manifest
from harness.matrix import flatten
from harness.matrix.cell import PATH_OPTIONS
from harness.matrix.paths import NEAR_FILES
from harness.seeds import file_digest
from harness.track import Record
from harness.track.runs import stored_params

WEIGHTS: Final = "model/model.safetensors"
ELSEWHERE: Final = frozenset({*NEAR_FILES, *(f"dataset.{name}" for name in PATH_OPTIONS)})
"""Settings that are paths: another machine, or another day, has its data elsewhere."""


def check_artifacts(evidence: Evidence) -> tuple[Finding, ...]:
    """Return files, final metrics, settings and tags that were altered or lost, models that are not the opened ones."""
    planned = {each.key: each for each in evidence.planned}
    found = [
        Finding(run.name, text, run.run_id)
        for run in evidence.shown
        for text in _of_run(run, evidence.folder(run.run_id), planned.get(run.key))
    ]
    unknown = [run.name for run in evidence.shown if not run.tags.get(TAG)]
    bare = [run.name for run in evidence.shown if run.tags.get(TAG) and not has_settings(evidence.folder(run.run_id))]
    return (
        *found,
        *not_recorded(unknown, "digests of its files"),
        *not_recorded(bare, "digests of its settings and tags"),
    )


def has_settings(folder: Path | None) -> bool:
    """Whether a run's manifest covers its settings and tags, as those that are in the journal do."""
    found = None if folder is None else _manifest(folder)
    return found is not None and found.params is not None


def _manifest(folder: Path) -> Manifest | None:
    try:
        return read_manifest((folder / DIGESTS).read_text())
    except (OSError, ValueError):
        return None


def _of_run(run: Record, folder: Path | None, planned: PlannedCell | None) -> Iterator[str]:
    if planned is not None:
        yield from _unlike_plan(run, planned)
    if folder is None:
        yield "its artifacts are gone"
        return
    yield from _altered_model(run, folder)
    if run.tags.get(TAG):
        yield from _altered(run, folder)


def _unlike_plan(run: Record, planned: PlannedCell) -> Iterator[str]:
    """Yield settings in which a run differs from the cell of its key; of those that an older version had, too."""
    for path, value in stored_params(flatten(planned.cell)).items():
        if path in ELSEWHERE or path.startswith("dataset.test.") or path.startswith("recipe.checkpoint"):
            continue
        logged = run.params.get(path)
        if logged is not None and not is_same_setting(logged, value):
            yield f"{path} is {logged} by its run, {value} by the plan"


def _altered_model(run: Record, folder: Path) -> Iterator[str]:
    model, path = run.tags.get("harness.model_digest", ""), folder / WEIGHTS
    if model and path.is_file() and file_digest(path) != model:
        yield f"{WEIGHTS} is model {file_digest(path)}, but its figures are on record for model {model}"


def _altered(run: Record, folder: Path) -> Iterator[str]:
    """Yield what is not as the manifest has it."""
    listing = folder / DIGESTS
    found = _manifest(folder)
    if found is None or file_digest(listing) != run.tags[TAG]:
        yield f"{DIGESTS} is {'not the one that was logged' if listing.is_file() else 'gone'}"
        return
    yield from _altered_values("", run.tags, found.tags)
    if found.params is not None:
        yield from _altered_values("setting ", run.params, found.params)
        yield from (f"setting {name} was added: {run.params[name]}" for name in run.params.keys() - found.params.keys())
    for name, digest in found.files.items():
        path = folder / name
        if not path.is_file():
            yield f"{name} is gone"
        elif file_digest(path) != digest:
            yield f"{name} was altered since it was logged"
        elif name == METRICS:
            yield from _altered_metrics(run.metrics, json.loads(path.read_text()))


def _altered_values(kind: str, stored: Mapping[str, str], kept: Mapping[str, str]) -> Iterator[str]:
    for name, value in kept.items():
        logged = stored.get(name)
        if logged is None and value:
            yield f"{kind}{name} is not in the store any more; the cell logged {value}"
        elif (logged or "") != value:
            yield f"{kind}{name} is {logged} in the store, the cell logged {value}"


def _altered_metrics(logged: Mapping[str, float], kept: Mapping[str, float]) -> Iterator[str]:
    """Yield metrics that are not what the cell reported, to the last bit: databases keep float64 as it is."""
    for name, value in kept.items():
        found = logged.get(name)
        if found is None:
            yield f"{name} is not in the store any more; the cell reported {value!r}"
        elif found != value and not (math.isnan(found) and math.isnan(value)):
            yield f"{name} is {found!r} in the store, the cell reported {value!r}"
