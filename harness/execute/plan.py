"""From a study to its plan, where each of its cells stands, and how it is to be run. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from harness.contracts import Cell, CellState, Dataset, Placed, PlannedCell, StudyPlan
from harness.data import fingerprint, sealed_set
from harness.data.seal import present_test_files
from harness.execute.locks import is_alive, is_held
from harness.matrix import Study, cell_key, fit_key, may_name_files, sources_digest
from harness.matrix.identity import canonical
from harness.measure.environment import usable_cores
from harness.plugins import Catalog
from harness.track import Record, Store
from harness.track.runs import is_of_other_test_set, standing_of

MOST_ON_A_GPU: Final = 8


def make_plan(study: Study, catalog: Catalog, cache: Path, *, smoke: bool = False) -> StudyPlan:
    """Return the plan: each cell with its key. Data sets are fetched and decoded where they are not cached.

    Of the test sets that cells are to open the files are digested, where they are at hand; no pixel is decoded. A
    `smoke` run opens none.

    Raises:
        DataError: a data set cannot be used.
    """
    prints = _fingerprints([placed.cell.dataset for placed in study.cells], catalog, cache)
    opening = [placed.cell.dataset for placed in study.cells if placed.cell.test == "once" and not smoke]
    tests = {text: sealed_set(dataset, catalog, cache).files for text, dataset in _distinct(opening).items()}
    cells = tuple(_planned(placed, prints, tests, catalog) for placed in study.cells)
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
        override=study.override,
    )


def follow(study: Study, logged: Sequence[StudyPlan], catalog: Catalog) -> StudyPlan:
    """Return what a file asks for by the plans that were logged of its study: no data set is read, nor any weights.

    A cell that no plan has is there without a run; where its data were never planned, nobody can know its key.

    Args:
        study: The file.
        logged: All plans of the study, the one to go by first.
        catalog: Where the components' revisions and defaults are declared.
    """
    known: dict[str, PlannedCell] = {}
    prints: dict[str, list[str]] = {}
    for planned in (planned for plan in logged for planned in plan.cells):
        known.setdefault(planned.key, planned)
        if may_name_files(planned.cell.model.options):
            known.setdefault(cell_key(planned.cell, planned.data_fingerprint, catalog, reads=False), planned)
        for text in _data_texts(planned.cell, catalog):
            prints.setdefault(text, []).append(planned.data_fingerprint)
    cells = tuple(_followed(placed, known, prints, catalog) for placed in study.cells)
    newest = logged[0]
    told = {name: getattr(study, name) for name in ("ablations", "tune", "claims", "budget", "report", "override")}
    found = StudyPlan(study=study.name, matrix=newest.matrix, cells=cells, **told)
    return newest if found.is_same(newest) else found


def _data_texts(cell: Cell, catalog: Catalog) -> tuple[str, str]:
    """Return a cell's data set as text: as it is written, and without what may differ from machine to machine."""
    return _text(cell.dataset), json.dumps(canonical(cell, catalog)["dataset"], sort_keys=True)


def _followed(
    placed: Placed, known: Mapping[str, PlannedCell], prints: Mapping[str, Sequence[str]], catalog: Catalog
) -> PlannedCell:
    texts = _data_texts(placed.cell, catalog)
    possible = dict.fromkeys(each for text in texts for each in prints.get(text, ())) or {"": None}
    keys = {cell_key(placed.cell, each, catalog, reads=False): each for each in possible}
    key = next((key for key in keys if key in known), next(iter(keys)))
    if key in known:
        return known[key].model_copy(update={"name": placed.name, "places": placed.places})
    return PlannedCell(
        name=placed.name,
        cell=placed.cell,
        places=placed.places,
        key=key,
        source_digest=sources_digest(placed.cell, catalog),
        data_fingerprint=keys[key],
    )


def _planned(placed: Placed, prints: Mapping[str, str], tests: Mapping[str, str], catalog: Catalog) -> PlannedCell:
    data_fingerprint = prints[_text(placed.cell.dataset)]
    return PlannedCell(
        name=placed.name,
        cell=placed.cell,
        places=placed.places,
        key=cell_key(placed.cell, data_fingerprint, catalog),
        source_digest=sources_digest(placed.cell, catalog),
        data_fingerprint=data_fingerprint,
        fit=fit_key(placed.cell, data_fingerprint, catalog),
        test_files=tests.get(_text(placed.cell.dataset), "") if placed.cell.test == "once" else "",
    )


def _fingerprints(datasets: Sequence[Dataset], catalog: Catalog, cache: Path) -> dict[str, str]:
    """Return each distinct data set's fingerprint, by its settings as text."""
    return {text: fingerprint(dataset, catalog, cache) for text, dataset in _distinct(datasets).items()}


def _distinct(datasets: Sequence[Dataset]) -> dict[str, Dataset]:
    return {_text(dataset): dataset for dataset in datasets}


def _text(dataset: Dataset) -> str:
    return dataset.model_dump_json()


def changed_since(cells: Iterable[PlannedCell], cache: Path) -> tuple[Dataset, ...]:
    """Return the data sets whose test files are at hand and hold something else than when they were planned."""
    catalog = Catalog()
    planned = {each.cell.dataset.images: each for each in cells if each.test_files}
    found = {images: present_test_files(each.cell.dataset, catalog, cache) for images, each in planned.items()}
    return tuple(each.cell.dataset for images, each in planned.items() if found[images] not in ("", each.test_files))


def states(plan: StudyPlan, store: Store) -> tuple[CellState, ...]:
    """Return where each planned cell stands. A run whose process is gone is marked KILLED on the way."""
    records = store.cell_records(planned.key for planned in plan.cells)
    return tuple(_state(planned, records[planned.key], store) for planned in plan.cells)


def _state(planned: PlannedCell, records: Sequence[Record], store: Store) -> CellState:
    running = [record for record in records if record.status == "RUNNING" and not is_of_other_test_set(record, planned)]
    is_server = store.artifacts is None
    # the lock knows best, but for processes with another home, which only a server's runs can have
    alive = [each for each in running if is_held(store, planned.key) or (is_server and is_alive(each))]
    if alive:
        where = f"by process {alive[-1].tags.get('harness.pid')} on {alive[-1].tags.get('harness.host')}"
        return CellState(planned, "running", alive[-1].run_id, where)
    for record in running:
        store.end(record.run_id, "KILLED", "the process that ran it is gone")
    settled = standing_of(planned, [_killed(record) for record in records])
    return CellState(planned, settled.state, settled.run.run_id if settled.run else None, settled.reason)


def _killed(record: Record) -> Record:
    return replace(record, status="KILLED") if record.status == "RUNNING" else record


@dataclass(frozen=True, slots=True)
class RunSettings:
    """`home` is the store's; `cache` is home/cache unless named. `retry` counts further tries after the first."""

    home: Path
    device: str = "auto"
    """auto, cpu, cuda (all GPUs) or cuda:N."""
    workers: int = 1
    packed: bool = False
    """Whether measuring finds how many of the workers are busy (GPUs only, see `packing`); else all are."""
    retry: int = 0
    fail_fast: bool = False
    smoke: bool = False
    rerun_stale: bool = False
    plugins: tuple[Path, ...] = ()
    cache: Path | None = None
    cell_timeout: float | None = None
    """Seconds after which a cell is ended as failed."""
    address: str | None = None
    """Where the executor's cluster is, if it has one."""
    gpu_share: float = 1.0
    """Part of a GPU that each cell is given on a cluster."""

    @property
    def cache_folder(self) -> Path:
        """Where decoded data sets are."""
        return self.cache or self.home / "cache"

    @property
    def threads(self) -> int:
        """CPU threads of each worker: two with one thread each beat one with two, and two with two are far worse.

        A network's fit has other last bits with another number of them, so a cell that was begun keeps its own.
        """
        return max(1, usable_cores() // self.workers)


def most_on_a_gpu(count: int) -> int:
    """Return how many cells packing ever runs side by side on each of so many GPUs: each needs a core to be fed by."""
    return max(1, min(MOST_ON_A_GPU, usable_cores() // count))
