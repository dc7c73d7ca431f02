"""Writing a run: parameters, an epoch, final metrics, the note on top of its page."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from mlflow.entities import Metric, Param, RunTag

PARAMS_A_BATCH: Final = 100
LONGEST_PARAM: Final = 6000
LONGEST_TAG: Final = 8000

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


def log_metrics(client: Any, run_id: str, metrics: Mapping[str, float], step: int, tags: Mapping[str, str]) -> None:
    """Log metrics of one step, and tags, in one call."""
    now = int(time.time() * 1000)
    client.log_batch(
        run_id,
        metrics=[Metric(name, float(value), now, step) for name, value in metrics.items()],
        tags=[RunTag(name, cut(value, LONGEST_TAG)) for name, value in tags.items()],
    )


def cut(text: str, longest: int) -> str:
    """Return the text, its tail replaced by an ellipsis where it is too long."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def note(metrics: Mapping[str, float]) -> str:
    """Return the Markdown table of final metrics that MLflow shows above a run."""
    rows = [f"| {name} | {value:,.6g} |" for name, value in sorted(metrics.items())]
    return "\n".join(["| metric | value |", "|---|---:|", *rows])
