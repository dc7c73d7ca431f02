"""One run copied from a store to another: settings, figures by epoch, artifacts, model, tags."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from mlflow.entities import Metric, Param, RunTag
from ruamel.yaml import YAML

from harness.contracts.tuned import TUNING_FILE
from harness.track.experiments import find_or_create
from harness.track.records import Record
from harness.track.runs import PARAMS_A_BATCH
from harness.track.store import Store

ORIGIN: Final = "harness.origin"
PARENT: Final = "mlflow.parentRunId"
METRICS_A_BATCH: Final = 1000
"""MLflow takes no more in one call."""
_RUN_ID: Final = re.compile(r"\b[0-9a-f]{32}\b")


def begin_copy(target: Store, record: Record) -> str:
    """Create an empty copy of a run, in the study of the same name, and return its id; it counts for nothing yet."""
    experiment = find_or_create(target.client, record.study, target.artifacts)
    tags = {ORIGIN: record.tags.get(ORIGIN, record.run_id)}
    start = round(record.start * 1000)
    run_id: str = target.client.create_run(experiment, start_time=start, tags=tags, run_name=record.name).info.run_id
    return run_id


def complete_copy(source: Store, target: Store, record: Record, ids: Mapping[str, str]) -> None:
    """Fill a copy and end it as the run ended. The tags come last: with them it counts.

    Args:
        source: Where the run is.
        target: Where its copy is.
        record: The run.
        ids: Id in the target of each of the source's runs; parents are named by it.
    """
    run_id, client = ids[record.run_id], target.client
    run = source.client.get_run(record.run_id)
    params = [Param(name, value) for name, value in record.params.items()]
    for start in range(0, len(params), PARAMS_A_BATCH):
        client.log_batch(run_id, params=params[start : start + PARAMS_A_BATCH])
    _copy_metrics(source, target, record, run_id)
    if run.inputs.dataset_inputs:
        client.log_inputs(run_id, datasets=run.inputs.dataset_inputs)
    _copy_artifacts(source, target, record, ids)
    if run.outputs is not None and run.outputs.model_outputs:
        _copy_model(source, target, run, run_id)
    client.log_batch(run_id, tags=_tags(record, ids))
    client.set_terminated(run_id, record.status, None if record.end is None else round(record.end * 1000))


def _copy_metrics(source: Store, target: Store, record: Record, run_id: str) -> None:
    points = [
        Metric(point.key, point.value, point.timestamp, point.step)
        for name in record.metrics
        for point in source.client.get_metric_history(record.run_id, name)
    ]
    for start in range(0, len(points), METRICS_A_BATCH):
        target.client.log_batch(run_id, metrics=points[start : start + METRICS_A_BATCH])


def _copy_artifacts(source: Store, target: Store, record: Record, ids: Mapping[str, str]) -> None:
    """Copy all files; a tuning study's account names runs, which have other ids here."""
    folder = source.artifact(record.run_id, "")
    if folder is None:
        return
    target.client.log_artifacts(ids[record.run_id], str(folder))
    tuning = folder / TUNING_FILE
    if tuning.is_file():
        text = _RUN_ID.sub(lambda found: ids.get(found[0], found[0]), tuning.read_text())
        target.client.log_text(ids[record.run_id], text, TUNING_FILE)


def _copy_model(source: Store, target: Store, run: Any, run_id: str) -> None:
    """Log the model again from the copied artifacts: MLflow's own description of it names run and model ids."""
    saved = target.artifact(run_id, "model")
    if saved is not None:
        logged = source.client.get_logged_model(run.outputs.model_outputs[0].model_id)
        target.log_model(run_id, saved, _plugins(Path(logged.artifact_location)))


def _plugins(model: Path) -> tuple[Path, ...]:
    described = model / "MLmodel"
    if not described.is_file():
        return ()
    flavors = YAML(typ="safe").load(described)["flavors"]
    config: Mapping[str, Iterable[str]] = flavors["python_function"].get("config") or {}
    return tuple(Path(each) for each in config.get("plugins", ()))


def _tags(record: Record, ids: Mapping[str, str]) -> list[RunTag]:
    tags = dict(record.tags)
    if PARENT in tags:
        tags[PARENT] = ids.get(tags[PARENT], tags[PARENT])
    return [RunTag(name, value) for name, value in tags.items() if name != ORIGIN]
