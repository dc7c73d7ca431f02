"""From a study to its plan, and from a plan to where each of its cells stands. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from harness.contracts import CellState, Dataset, Placed, PlannedCell, StudyPlan
from harness.data import fingerprint
from harness.execute.locks import is_alive, is_held
from harness.plugins import Catalog
from harness.spec import Study, cell_key, sources_digest
from harness.track import Record, Store

STALE: Final = "the source of one of its components has changed since, its revision has not"


def make_plan(study: Study, catalog: Catalog, cache: Path) -> StudyPlan:
    """Return the plan: each cell with its key. Data sets are fetched and decoded where they are not cached.

    Raises:
        DataError: a data set cannot be used.
    """
    prints = _fingerprints([placed.cell.dataset for placed in study.cells], catalog, cache)
    cells = tuple(_planned(placed, prints[_text(placed.cell.dataset)], catalog) for placed in study.cells)
    return StudyPlan(
        study=study.name,
        matrix=str(study.path),
        cells=cells,
        ablations=study.ablations,
        tune=study.tune,
        claims=study.claims,
        budget=study.budget,
        report=study.report,
        partial=study.partial,
    )


def states(plan: StudyPlan, store: Store) -> tuple[CellState, ...]:
    """Return where each planned cell stands. A run whose process is gone is marked KILLED on the way."""
    records = store.cell_records(planned.key for planned in plan.cells)
    return tuple(_state(planned, records[planned.key], store) for planned in plan.cells)


def _state(planned: PlannedCell, records: Sequence[Record], store: Store) -> CellState:
    running = [record for record in records if record.status == "RUNNING"]
    is_server = store.artifacts is None
    # the lock knows best, but for processes with another home, which only a server's runs can have
    alive = [each for each in running if is_held(store.home, planned.key) or (is_server and is_alive(each))]
    if alive:
        where = f"by process {alive[-1].tags.get('harness.pid')} on {alive[-1].tags.get('harness.host')}"
        return CellState(planned, "running", alive[-1].run_id, where)
    for record in running:
        store.end(record.run_id, "KILLED", "the process that ran it is gone")
    return _settled(planned, records)


def _settled(planned: PlannedCell, records: Sequence[Record]) -> CellState:
    """Return the state of a cell that nobody runs."""
    finished = [record for record in records if record.status == "FINISHED"]
    if finished:
        fresh = [each for each in finished if each.tags.get("harness.source_digest") == planned.source_digest]
        newest = (fresh or finished)[-1]
        return CellState(planned, "done" if fresh else "stale", newest.run_id, "" if fresh else STALE)
    if not records:
        return CellState(planned, "missing")
    last = records[-1]
    if last.status == "FAILED":
        return CellState(planned, "failed", last.run_id, last.tags.get("harness.error", ""))
    return CellState(planned, "missing", last.run_id, "it was interrupted")


def _planned(placed: Placed, data_fingerprint: str, catalog: Catalog) -> PlannedCell:
    return PlannedCell(
        name=placed.name,
        cell=placed.cell,
        places=placed.places,
        key=cell_key(placed.cell, data_fingerprint, catalog),
        source_digest=sources_digest(placed.cell, catalog),
        data_fingerprint=data_fingerprint,
    )


def _fingerprints(datasets: Sequence[Dataset], catalog: Catalog, cache: Path) -> dict[str, str]:
    """Return each distinct data set's fingerprint, by its settings as text."""
    distinct = {_text(dataset): dataset for dataset in datasets}
    return {text: fingerprint(dataset, catalog, cache) for text, dataset in distinct.items()}


def _text(dataset: Dataset) -> str:
    return dataset.model_dump_json()
