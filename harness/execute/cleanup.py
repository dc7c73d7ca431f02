"""What a home keeps that nothing needs any more: found first, removed on request, never while it is in use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from harness.contracts import Dataset, StudyPlan
from harness.contracts.running import FEATURES
from harness.contracts.study import PLAN_FILE
from harness.data.cache import decoded_folders, origin_of
from harness.errors import HarnessError
from harness.execute.locks import is_held, lock_of
from harness.plugins import Catalog
from harness.track import Record, Store

Kind = Literal["checkpoint", "decoded images", "broken decoding", "features", "download", "artifact copy"]


@dataclass(frozen=True, slots=True)
class Leftover:
    """A folder that nothing needs, its size on disk, and the locks that whoever uses it would hold."""

    kind: Kind
    path: Path
    size_bytes: int
    reason: str
    locks: tuple[Path, ...] = ()


def leftovers(stores: Sequence[Store], cache: Path, catalog: Catalog) -> tuple[Leftover, ...]:
    """Return what can go. Cells that run, in any of the stores, need all that they might use.

    Args:
        stores: The home's store, and that of its smoke runs.
        cache: The data sets that they share.
        catalog: Finds the data sets' sources; what it does not know is kept.
    """
    needs = [_needs_of(store) for store in stores]
    found = [*_decoded(needs, cache, catalog), *_features(needs, cache), *_downloads(needs, cache)]
    for store, each in zip(stores, needs, strict=True):
        found += [*_checkpoints(store, each), *_artifact_copies(store)]
    return tuple(found)


def remove(leftover: Leftover) -> bool:
    """Remove a leftover; False, with nothing touched, if some process has taken it up since it was found."""
    with ExitStack() as held:
        try:
            for path in leftover.locks:
                held.enter_context(FileLock(path).acquire(timeout=0))
        except Timeout:
            return False
        shutil.rmtree(leftover.path, ignore_errors=True)
    return True


def _checkpoints(store: Store, needs: _Needs) -> Iterator[Leftover]:
    for folder in _folders(store.home / "checkpoints"):
        if folder.name in needs.settled and not is_held(store, folder.name):
            lock = lock_of(store, folder.name)
            yield Leftover("checkpoint", folder, _size_of(folder), "its cell is finished", (lock,))


def _decoded(needs: Sequence[_Needs], cache: Path, catalog: Catalog) -> Iterator[Leftover]:
    datasets = [single for each in needs for dataset in each.datasets for single in dataset.test_sets.values()]
    needed = [folder for dataset in datasets for folder in _folders_of(dataset, catalog, cache)]
    for folder in _folders(cache / "decoded"):
        is_broken = folder.suffix == ".partial"
        whole = folder.with_suffix("") if is_broken else folder
        lock = whole.with_name(f"{whole.name}.lock")
        if _is_taken(lock):
            continue
        if is_broken:
            yield Leftover("broken decoding", folder, _size_of(folder), "whoever decoded it is gone", (lock,))
        elif not any(folder == each or (each.name.endswith("-*") and folder.match(each.name)) for each in needed):
            reason = "no unfinished cell needs it"
            yield Leftover("decoded images", folder, _size_of(folder), reason, (lock,))


def _features(needs: Sequence[_Needs], cache: Path) -> Iterator[Leftover]:
    """Yield what frozen networks said of images, a folder a network, once nothing is left to be fitted."""
    if not any(each.datasets for each in needs):
        for folder in _folders(cache / FEATURES):
            yield Leftover("features", folder, _size_of(folder), "no cell is unfinished")


def _folders_of(dataset: Dataset, catalog: Catalog, cache: Path) -> tuple[Path, ...]:
    """Return the folders of a data set, or a pattern for all of its source where that cannot be told."""
    try:
        return decoded_folders(origin_of(dataset, catalog, cache))
    except HarnessError:
        return (cache / "decoded" / f"{dataset.name}-*",)


def _downloads(needs: Sequence[_Needs], cache: Path) -> Iterator[Leftover]:
    used = {name for each in needs for name in each.sources}
    for folder in _folders(cache / "raw"):
        locks = tuple(folder.glob("*.lock"))
        if folder.name not in used and not any(map(_is_taken, locks)):
            reason = "no study here has its data set"
            yield Leftover("download", folder, _size_of(folder), reason, locks)


def _artifact_copies(store: Store) -> Iterator[Leftover]:
    """Yield copies of a server's artifacts whose run is not in the store."""
    for folder in _folders(store.home / "downloads"):
        try:
            store.record(folder.name)
        except HarnessError:
            yield Leftover("artifact copy", folder, _size_of(folder), "its run is not in this store")


def _size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder; a file with several names counts where it would be freed."""
    files = [os.lstat(Path(where) / name) for where, _, names in os.walk(folder) for name in names]
    return sum(file.st_size for file in files if file.st_nlink == 1)


def _folders(parent: Path) -> list[Path]:
    return sorted(each for each in parent.glob("*") if each.is_dir() and not each.is_symlink())


def _is_taken(lock: Path) -> bool:
    """Whether some process holds the lock; a lock that was never made is not."""
    if not lock.exists():
        return False
    try:
        FileLock(lock).acquire(timeout=0).lock.release()
    except Timeout:
        return True
    return False


@dataclass(frozen=True, slots=True)
class _Needs:
    """`datasets` of cells that are not finished, `sources` of all cells, and the keys that want nothing any more."""

    datasets: tuple[Dataset, ...]
    sources: frozenset[str]
    settled: frozenset[str]


def _needs_of(store: Store) -> _Needs:
    """Return what the newest plan of each study, running plans and running cells need.

    A cell is settled when its newest run is finished and nobody runs it. A tuning study needs its data
    set until its run is finished.
    """
    studies = list(store.studies().values())
    records = [record for name in studies for record in store.records(name)]
    newest = {record.key: record for record in records if record.kind in {"cell", "trial"}}
    settled = {key for key, record in newest.items() if record.status == "FINISHED" and not is_held(store, key)}
    datasets: list[Dataset] = []
    sources = {record.tags.get("harness.dataset", "") for record in records}
    for plan in _plans(store, studies, records):
        datasets += [planned.cell.dataset for planned in plan.cells if planned.key not in settled]
        datasets += _of_tuning(plan, records)
        sources |= {planned.cell.dataset.name for planned in plan.cells}
    return _Needs(tuple(dict.fromkeys(datasets)), frozenset(sources), frozenset(settled))


def _plans(store: Store, studies: list[str], records: list[Record]) -> Iterator[StudyPlan]:
    for name in studies:
        newest = store.plan(name)
        if newest is not None:
            yield newest
    for record in records:
        path = store.artifact(record.run_id, PLAN_FILE) if _is_running_plan(record) else None
        if path is not None:
            yield StudyPlan.model_validate_json(path.read_text())


def _is_running_plan(record: Record) -> bool:
    return record.kind == "matrix" and record.status == "RUNNING"


def _of_tuning(plan: StudyPlan, records: list[Record]) -> list[Dataset]:
    over = {
        record.tags.get("harness.experiment")
        for record in records
        if record.kind == "study" and record.study == plan.study and record.status == "FINISHED"
    }
    return [tune.start.dataset for name, tune in plan.tune.items() if name not in over]
