"""Runs of other homes brought into a store, with all that belongs to them; doing it again adds nothing.

A run cannot keep its id: MLflow gives a new one. So each copy has the tag `harness.origin`, the id of the run
that it was copied from, or of the first of them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from filelock import FileLock
from mlflow.entities import Metric, Param, RunTag
from ruamel.yaml import YAML

from harness.contracts import Opening
from harness.contracts.tuned import TUNING_FILE
from harness.errors import InputError, SealError
from harness.track import embedded, ledger
from harness.track.experiments import find_or_create
from harness.track.runs import PARAMS_A_BATCH, Record, search, stored_tags
from harness.track.store import Store, existing_store, open_store, store_at

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
    info = target.client.create_run(experiment, start_time=start, tags=stored_tags(tags), run_name=record.name).info
    target.files.begin(info.run_id, info.artifact_uri)
    return str(info.run_id)


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


def _copy_artifacts(source: Store, target: Store, record: Record, ids: Mapping[str, str]) -> None:
    """Copy all files; a tuning study's account names runs, which have other ids here."""
    folder = source.artifact(record.run_id, "")
    if folder is None:
        return
    target.log_folder(ids[record.run_id], folder)
    tuning = folder / TUNING_FILE
    if tuning.is_file():
        text = _RUN_ID.sub(lambda found: ids.get(found[0], found[0]), tuning.read_text())
        target.log_text(ids[record.run_id], text, TUNING_FILE)


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
    tags = {name: value for name, value in record.tags.items() if name != ORIGIN}
    if PARENT in tags:
        tags[PARENT] = ids.get(tags[PARENT], tags[PARENT])
    return [RunTag(name, value) for name, value in stored_tags(tags).items()]


RUNNING: Final = "RUNNING"


@dataclass(frozen=True, slots=True)
class Merged:
    """What came of one home: runs copied, runs that the store had already, and test openings that are new to it.

    `running` are the names of runs that were left out, because they have not ended.
    """

    home: Path
    copied: int
    known: int
    openings: int
    running: tuple[str, ...]


def merge(home: Path, homes: Sequence[Path], tell: Callable[[str], None]) -> tuple[Merged, ...]:
    """Copy all runs that have ended, and all test openings, of some homes into the store of another.

    Args:
        home: Where they are to go; its store is made once nothing speaks against it.
        homes: Embedded stores; only their records and artifacts are read.
        tell: Hears how far it is.

    Raises:
        InputError: a home has no store, or is the target's own.
        SealError: two of the stores opened the test set of one cell with different models; nothing was written.
        StoreError: a store cannot be reached, read or written.
    """
    there = existing_store(home)
    sources = [open_home(each, there) for each in homes]
    refuse_other_openings([*([there] if there else []), *sources])
    target = there or open_store(home)
    return tuple(_merge_one(target, source, tell) for source in sources)


def open_home(home: Path, target: Store | None) -> Store:
    """Return the embedded store of another home; raises InputError if it has none or is the target's."""
    place = home.resolve()
    if not (place / embedded.DATABASE).is_file():
        inner = " (is it the .harness in it?)" if (place / ".harness" / embedded.DATABASE).is_file() else ""
        raise InputError(f"{home}: there is no store in it, no {embedded.DATABASE}{inner}")
    if target is not None and place == target.home and target.artifacts is not None:
        raise InputError(f"{home}: that is the store itself; choose where the runs are to go with --home")
    uri, artifacts = embedded.prepare(place)
    return store_at(place, uri, artifacts)


def refuse_other_openings(stores: Iterable[Store]) -> None:
    """Raise SealError if a cell opened a test set with different models, naming all such cells."""
    known: dict[str, list[tuple[Opening, Path]]] = defaultdict(list)
    faults = []
    for store in stores:
        for opening in store.openings():
            for earlier, home in known[opening.key]:
                is_other = earlier.test_set.is_same(opening.test_set) is False
                if not is_other and earlier.model_digest != opening.model_digest:
                    faults.append(f"cell {opening.key}: {_told(earlier, home)}, and {_told(opening, store.home)}")
                    break
            known[opening.key].append((opening, store.home))
    if faults:
        raise SealError(
            "nothing was merged: test sets were opened twice, with different models\n"
            + "\n".join(faults)
            + "\na cell's test set is opened once, on one machine: these homes cannot be merged"
        )


def _told(opening: Opening, home: Path) -> str:
    return f"run {opening.run_id} in {home} opened it at {opening.time} on {opening.host} with {opening.model_digest}"


def _merge_one(target: Store, source: Store, tell: Callable[[str], None]) -> Merged:
    """Make all copies, empty; then the ledger; then fill the copies. So no figure is ever without its opening."""
    records = _all_records(source)
    ids = _known_ids(target)
    ended = [record for record in records if record.status != RUNNING]
    new = [record for record in ended if record.tags.get(ORIGIN, record.run_id) not in ids]
    mapped = {record.run_id: ids[origin] for record in records if (origin := _origin(record)) in ids}
    mapped |= {record.run_id: begin_copy(target, record) for record in new}
    openings = _merge_ledger(target, source, mapped)
    for number, record in enumerate(new, 1):
        complete_copy(source, target, record, mapped)
        if number % 10 == 0 or number == len(new):
            tell(f"{source.home}: {number} of {len(new)} runs copied")
    running = tuple(record.name for record in records if record.status == RUNNING)
    return Merged(source.home, len(new), len(ended) - len(new), openings, running)


def _origin(record: Record) -> str:
    return record.tags.get(ORIGIN, record.run_id)


def _known_ids(target: Store) -> dict[str, str]:
    """Return the id in the target of each run that it has, by the id of the run it stems from.

    A copy that was never completed has no kind yet: it is deleted, to be made anew.
    """
    known = {}
    for record in _all_records(target, with_broken=True):
        if record.kind:
            known[record.run_id] = known[_origin(record)] = record.run_id
        elif ORIGIN in record.tags:
            target.client.delete_run(record.run_id)
    return known


def _all_records(store: Store, with_broken: bool = False) -> tuple[Record, ...]:
    """Return the runs of all studies, without the ledger's; those of no kind are none of ours."""
    return tuple(record for record in search(store.client, store.studies()) if record.kind or with_broken)


def _merge_ledger(target: Store, source: Store, mapped: dict[str, str]) -> int:
    """Append the openings that the target's ledger lacks, in their order; return how many."""
    added, experiment = 0, find_or_create(target.client, ledger.LEDGER, target.artifacts)
    with FileLock(target.home / "ledger.lock"):
        had = {_looked(each) for each in target.openings()}
        for opening in source.openings():
            if _looked(opening) not in had:
                moved = replace(opening, run_id=mapped.get(opening.run_id, opening.run_id))
                ledger.append(target.client, experiment, moved, opening.study)
                had.add(_looked(opening))
                added += 1
    return added


def _looked(opening: Opening) -> tuple[str, ...]:
    """Return what makes an opening the same one in two stores, whichever run it names there."""
    return opening.key, opening.model_digest, opening.test_files or opening.test_fingerprint, opening.source_digest
