"""Check: the epochs in the store are those that the fit itself wrote down in `model/fit.json`.

They cannot be computed again without fitting again; but the curves of the report and its times come from them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from harness.audit.evidence import Evidence
from harness.audit.finding import Finding
from harness.contracts.metrics import EPOCH_METRICS, TRAIN_SECONDS

FIT: Final = "model/fit.json"


def check_fits(evidence: Evidence) -> tuple[Finding, ...]:
    """Return runs whose curves or seconds of fitting in the store are not what their fit recorded."""
    found = []
    for run in evidence.shown:
        folder = evidence.folder(run.run_id)
        fit = None if folder is None else _read(folder / FIT)
        if fit is None:
            continue  # `check_artifacts` says so where it was there once
        names = [name for name in EPOCH_METRICS if any(name in epoch for epoch in fit["history"])]
        logged = evidence.store.history(run.run_id, names) if names else {}
        texts = [*_wrong_epochs(fit["history"], logged), *_wrong_seconds(fit, run.metrics)]
        found += [Finding(run.name, text, run.run_id) for text in texts]
    return tuple(found)


def _read(path: Path) -> Any:
    try:
        fit = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return fit if isinstance(fit, dict) and "history" in fit else None


def _wrong_epochs(
    history: Sequence[Mapping[str, float]], logged: Mapping[str, Sequence[tuple[int, float]]]
) -> Iterator[str]:
    """Yield each metric's first epoch that differs."""
    for name, points in logged.items():
        found, wanted = dict(points), {epoch: each[name] for epoch, each in enumerate(history, 1) if name in each}
        for epoch in sorted({*found, *wanted}):
            mine, fits = found.get(epoch), wanted.get(epoch)
            if mine is None or fits is None or not _is_same(mine, fits):
                yield f"{name} of epoch {epoch} is {_text(mine)} in the store, {_text(fits)} in {FIT}"
                break


def _wrong_seconds(fit: Mapping[str, Any], metrics: Mapping[str, float]) -> Iterator[str]:
    logged, wanted = metrics.get(TRAIN_SECONDS), fit.get("train_seconds")
    if logged is not None and wanted is not None and not _is_same(logged, wanted):
        yield f"{TRAIN_SECONDS} is {_text(logged)} in the store, {_text(wanted)} in {FIT}"


def _is_same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def _text(value: float | None) -> str:
    return "missing" if value is None else f"{value:.8g}"
