"""Writing a run: parameters, data set, an epoch, final metrics, the note on top of its page."""

from __future__ import annotations

import getpass
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

from harness.contracts.metrics import EPOCH_METRICS, METRICS
from harness.words import metric_heading, metric_text

PARAMS_A_BATCH: Final = 100
LONGEST_PARAM: Final = 6000
LONGEST_TAG: Final = 8000
LONGEST_DIGEST: Final = 36

Scalar = str | int | float | bool | None


def text_of(value: Scalar) -> str:
    """Return a setting as it is written in YAML, so that `null` and `true` read as in a matrix file."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def log_params(client: Any, run_id: str, params: Mapping[str, Scalar]) -> None:
    """Log parameters; what is longer than MLflow allows is cut with an ellipsis (cell.yaml has it whole)."""
    entries = [Param(name, cut(text_of(value), LONGEST_PARAM)) for name, value in params.items()]
    for start in range(0, len(entries), PARAMS_A_BATCH):
        client.log_batch(run_id, params=entries[start : start + PARAMS_A_BATCH])


def origin(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags by which MLflow's own columns say who made a run, with what, from which commit."""
    commit = tags.get("harness.git", "none").removesuffix("+dirty")
    known = {"mlflow.source.git.commit": commit} if commit != "none" else {}
    with suppress(OSError, KeyError):  # a container may know no name for its user
        known["mlflow.user"] = getpass.getuser()
    return {"mlflow.source.name": "harness", "mlflow.source.type": "LOCAL", **known}


def log_dataset(client: Any, run_id: str, tags: Mapping[str, str]) -> None:
    """Log which data set a run was trained on, so that MLflow's tables can show it and choose by it."""
    name, fingerprint = tags.get("harness.dataset"), tags.get("harness.data_fingerprint")
    if not name or not fingerprint:
        return
    dataset = Dataset(name, fingerprint[:LONGEST_DIGEST], source_type="harness", source=json.dumps({"name": name}))
    client.log_inputs(run_id, datasets=[DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])


def log_metrics(client: Any, run_id: str, metrics: Mapping[str, float], step: int, tags: Mapping[str, str]) -> None:
    """Log metrics of one step, and tags, in one call."""
    now = int(time.time() * 1000)
    client.log_batch(
        run_id,
        metrics=[Metric(name, float(value), now, step) for name, value in metrics.items()],
        tags=[RunTag(name, cut(value, LONGEST_TAG)) for name, value in tags.items()],
    )


def log_final(client: Any, run_id: str, metrics: Mapping[str, float], step: int, tags: Mapping[str, str]) -> None:
    """Log final metrics and tags: those that epochs have too at step `step`, so that they count; the others at 0.

    MLflow's charts draw a metric as bars, not as a line of one point, where no run has it at a later step.
    """
    now = int(time.time() * 1000)
    steps = {name: step if name in EPOCH_METRICS else 0 for name in metrics}
    client.log_batch(
        run_id,
        metrics=[Metric(name, float(value), now, steps[name]) for name, value in metrics.items()],
        tags=[RunTag(name, cut(value, LONGEST_TAG)) for name, value in tags.items()],
    )


def cut(text: str, longest: int) -> str:
    """Return the text, its tail replaced by an ellipsis where it is too long."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def note(metrics: Mapping[str, float]) -> str:
    """Return the Markdown that MLflow shows above a run: the figures that one looks for first, in one row.

    MLflow leaves no room between columns.

    >>> print(note({"test/accuracy": 0.9123, "model/parameters": 288746, "best_epoch": 3}))
    | &emsp;test top-1 % | &emsp;parameters |
    |---:|---:|
    | 91.23 | 288,746 |
    """
    names = [name for name, row in METRICS.items() if row.is_headline and name in metrics]
    shown = [(f"&emsp;{metric_heading(name)}", metric_text(name, metrics[name], unit=False)) for name in names]
    if not shown:
        return ""
    titles, texts = (f"| {' | '.join(cells)} |" for cells in zip(*shown, strict=True))
    return "\n".join([titles, f"|{'---:|' * len(shown)}", texts])
