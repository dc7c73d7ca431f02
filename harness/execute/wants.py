"""What the cells of a store still need of the disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.contracts import Dataset, StudyPlan
from harness.execute.locks import is_held
from harness.track import LEDGER, Record, Store
from harness.track.experiments import names_by_id


@dataclass(frozen=True, slots=True)
class Wants:
    """`datasets` of cells that are not finished, `sources` of all cells, and the keys that want nothing any more."""

    datasets: tuple[Dataset, ...]
    sources: frozenset[str]
    settled: frozenset[str]


def wants_of(store: Store) -> Wants:
    """Return what the newest plan of each study, running plans and running cells need.

    A cell is settled when its newest run is finished and nobody runs it. A tuning study needs its data
    set until its run is finished.
    """
    studies = [name for name in names_by_id(store.client).values() if name != LEDGER]
    records = [record for name in studies for record in store.records(name)]
    newest = {record.key: record for record in records if record.kind in {"cell", "trial"}}
    settled = {key for key, record in newest.items() if record.status == "FINISHED" and not is_held(store.home, key)}
    datasets: list[Dataset] = []
    sources = {record.tags.get("harness.dataset", "") for record in records}
    for plan in _plans(store, studies, records):
        datasets += [planned.cell.dataset for planned in plan.cells if planned.key not in settled]
        datasets += _of_tuning(plan, records)
        sources |= {planned.cell.dataset.name for planned in plan.cells}
    return Wants(tuple(dict.fromkeys(datasets)), frozenset(sources), frozenset(settled))


def _plans(store: Store, studies: list[str], records: list[Record]) -> Iterator[StudyPlan]:
    for name in studies:
        newest = store.plan(name)
        if newest is not None:
            yield newest
    for record in records:
        path = store.artifact(record.run_id, "plan.json") if _is_running_plan(record) else None
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
