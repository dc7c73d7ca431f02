"""A run of another store copied into ours, with all that belongs to it and nothing else.

A run cannot keep its id: MLflow gives a new one. So each copy has the tag `harness.origin`, the id of the run
that it was copied from, or of the first of them.

The other store may be a stranger's. Its files are copied where they are regular files of its own; where an address or a
symbolic link leads elsewhere, the place is named and left alone. Nothing of it is run: its models are described anew,
without the folders of components that it says they need.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from mlflow.entities import Metric, Param, RunTag

from harness.contracts.tuned import TUNING_FILE
from harness.track.experiments import find_or_create
from harness.track.runs import PARAMS_A_BATCH, Record, stored_tags
from harness.track.store import Store
from harness.track.within import Files, files_of

ORIGIN: Final = "harness.origin"
PARENT: Final = "mlflow.parentRunId"
METRICS_A_BATCH: Final = 1000
"""MLflow takes no more in one call."""
RUN_ID: Final = re.compile(r"\b[0-9a-f]{32}\b")


def origin_of(record: Record) -> str:
    """Return the id of the run that a run was copied from, its own if it was not."""
    return record.tags.get(ORIGIN, record.run_id)


def begin_copy(target: Store, record: Record) -> str:
    """Create an empty copy of a run, in the study of the same name, and return its id; it counts for nothing yet."""
    experiment = find_or_create(target.client, record.study, target.artifacts)
    tags = {ORIGIN: origin_of(record)}
    start = round(record.start * 1000)
    info = target.client.create_run(experiment, start_time=start, tags=stored_tags(tags), run_name=record.name).info
    target.files.begin(info.run_id, info.artifact_uri)
    return str(info.run_id)


def files_to_copy(source: Store, record: Record) -> Files:
    """Return the files of a run of an embedded store, as far as they are its own."""
    return files_of(Path(record.artifacts), source.home)


def complete_copy(source: Store, target: Store, record: Record, ids: Mapping[str, str], files: Files) -> None:
    """Fill a copy and end it as the run ended. The tags come last: with them it counts.

    Args:
        source: Where the run is.
        target: Where its copy is.
        record: The run.
        ids: Id in the target of each of the source's runs; parents are named by it.
        files: The run's files.
    """
    run_id, client = ids[record.run_id], target.client
    run = source.client.get_run(record.run_id)
    params = [Param(name, value) for name, value in record.params.items()]
    for start in range(0, len(params), PARAMS_A_BATCH):
        client.log_batch(run_id, params=params[start : start + PARAMS_A_BATCH])
    _copy_metrics(source, target, record, run_id)
    if run.inputs.dataset_inputs:
        client.log_inputs(run_id, datasets=run.inputs.dataset_inputs)
    _copy_artifacts(target, Path(record.artifacts), files, ids, run_id)
    saved = target.artifact(run_id, "model") if run.outputs is not None and run.outputs.model_outputs else None
    if saved is not None:
        target.log_model(run_id, saved)
    client.log_batch(run_id, tags=_tags(record, ids))
    ended = round(record.end * 1000) if record.end is not None else None
    client.set_terminated(run_id, record.status, ended)
    if ended is not None:
        target.files.end(run_id, ended)


def _copy_metrics(source: Store, target: Store, record: Record, run_id: str) -> None:
    points = [
        Metric(point.key, point.value, point.timestamp, point.step)
        for name in record.metrics
        for point in source.client.get_metric_history(record.run_id, name)
    ]
    for start in range(0, len(points), METRICS_A_BATCH):
        target.client.log_batch(run_id, metrics=points[start : start + METRICS_A_BATCH])


def _copy_artifacts(target: Store, folder: Path, files: Files, ids: Mapping[str, str], run_id: str) -> None:
    """Copy the regular files; a tuning study's account names runs, which have other ids here."""
    if not files.regular:
        return
    with _only(files, folder) as clean:
        target.log_folder(run_id, clean)
        tuning = clean / TUNING_FILE
        if tuning.is_file():
            text = tuning.read_text(encoding="utf-8", errors="replace")
            target.log_text(run_id, RUN_ID.sub(lambda found: ids.get(found[0], found[0]), text), TUNING_FILE)


@contextmanager
def _only(files: Files, folder: Path) -> Iterator[Path]:
    """Give a folder that has the regular files and nothing else: the folder itself if that is so."""
    if not files.strange:
        yield folder
        return
    with TemporaryDirectory() as beside:
        for path in files.regular:
            copy = Path(beside) / path.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy, follow_symlinks=False)
        yield Path(beside)


def _tags(record: Record, ids: Mapping[str, str]) -> list[RunTag]:
    tags = {name: value for name, value in record.tags.items() if name != ORIGIN}
    if PARENT in tags:
        tags[PARENT] = ids.get(tags[PARENT], tags[PARENT])
    return [RunTag(name, value) for name, value in stored_tags(tags).items()]
