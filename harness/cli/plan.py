"""`harness plan`: every cell, where it stands, how large it is and how long it takes. Runs nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.text import Text

from harness.cli.console import print_json, results, say, shown_path, table, tell, warn
from harness.cli.options import Plan
from harness.contracts import CellState, Dataset, PlannedCell
from harness.contracts.metrics import FLOPS, PARAMETERS, TOTAL_SECONDS
from harness.data import fitted_on
from harness.data.checks import check_all, dark
from harness.data.inspect import known_copies
from harness.errors import HarnessError
from harness.execute.estimate import Estimate, disk_bytes, estimate
from harness.execute.plan import make_plan
from harness.matrix import Study, load_study, remarks_of
from harness.plugins import Catalog
from harness.track import Store, existing_store
from harness.words import amount, duration, rough, scaled, size, whole

if TYPE_CHECKING:
    from harness.tune.searches import SearchEstimate

MOST_NAMED: Final = 3
_STYLES: Final = {"done": "green", "missing": "", "failed": "red", "running": "cyan", "stale": "yellow"}
_UNFINISHED: Final = frozenset({".part", ".partial", ".lock"})


@dataclass(frozen=True, slots=True)
class Row:
    """A planned cell as it is shown; what is not known is None. `seconds` is what it took, or a guess."""

    name: str
    key: str
    state: str
    reason: str
    parameters: int | None
    flops: int | None
    seconds: float | None


def perform(asked: Plan) -> int:
    """Print the plan as a table or as JSON; exit code 0 whatever is left to do.

    Raises:
        InputError: the matrix file has problems, or a data set cannot be used.
    """
    catalog = Catalog(asked.plugins)
    study = load_study(asked.matrix, catalog, asked.override, asked.only)
    absent = absent_datasets((placed.cell.dataset for placed in study.cells), catalog, asked.cache)
    here = tuple(placed for placed in study.cells if placed.cell.dataset.name not in absent)
    present = replace(study, cells=here)
    plan = make_plan(present, catalog, asked.cache)
    store = existing_store(asked.store_home)
    found = estimate(
        plan,
        store,
        device=asked.device,
        workers=asked.workers,
        executor=asked.executor,
        stale=asked.stale,
        smoke=asked.smoke,
    )
    tuned = {name: each for name, each in study.tune.items() if each.start.dataset.name not in absent}
    checked = check_all((each.cell for each in found.todo), catalog, asked.cache, may_open=not asked.smoke)
    checked += dark((each.cell.dataset for each in found.todo), catalog, asked.cache)
    checked += known_copies((each.cell.dataset for each in found.todo), catalog, asked.cache)
    checked += check_all((each.start for each in tuned.values()), catalog, asked.cache, may_open=False)
    measured = _measured(found.states, store)
    rest = [state.planned for state in found.states if PARAMETERS not in measured.get(state.planned.key, {})]
    sizes = _Sizes.of(rest, catalog, asked.cache)
    found = replace(found, flops=sizes.flops)
    rows = [_row(state, measured.get(state.planned.key), sizes, found) for state in found.states]
    bytes_left = disk_bytes({row.key: row.parameters for row in rows}, found.todo)
    searches = _searches(asked, replace(study, tune=tuned), catalog, store, found)
    remarks = () if asked.smoke else remarks_of(present, partial(fitted_on, catalog=catalog, cache=asked.cache))
    faults = tuple(f"{row.name}: {sizes.faults[row.key]}" for row in rows if row.key in sizes.faults)
    totals = _Totals(
        rows,
        found,
        bytes_left,
        len(study.cells) - len(here),
        searches,
        (*found.deletions, *remarks, *dict.fromkeys(checked), *faults),
    )
    if asked.json:
        print_json(totals.as_json(plan.study))
    else:
        totals.print()
    for name in sorted(absent):
        has_to_be_named = any(field.is_required() for field in catalog.declare("source", name).model_fields.values())
        what = shown_path(asked.matrix) if has_to_be_named else name
        say(f"{name} is not fetched yet, so its cells are not shown; to fetch it: harness data {what}")
    warn(totals.warnings)
    return 0


def absent_datasets(datasets: Iterable[Dataset], catalog: Catalog, cache: Path) -> frozenset[str]:
    """Return the names of the downloaded data sets that are not in the cache, raw or decoded.

    A plan says that they would have to be fetched first, instead of doing it.
    """
    names = {dataset.name for dataset in datasets}
    return frozenset(
        name for name in names if catalog.declare("source", name).downloads and not _is_cached(name, cache)
    )


def _is_cached(name: str, cache: Path) -> bool:
    found = [*(cache / "raw" / name).glob("*"), *(cache / "decoded").glob(f"{name}-train-*")]
    return any(path.suffix not in _UNFINISHED for path in found)


def _measured(states: Sequence[CellState], store: Store | None) -> dict[str, Mapping[str, float]]:
    """Return the metrics by key of the cells that have run: they tell size and time, and need no torch."""
    ids = {state.run_id: state.planned.key for state in states if state.state in {"done", "stale"} and state.run_id}
    if store is None or not ids:
        return {}
    records = store.cell_records(ids.values())
    return {key: each.metrics for key, mine in records.items() for each in mine if ids.get(each.run_id) == key}


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Parameters and operations by key of cells whose network was built, and why others' could not be."""

    parameters: Mapping[str, int]
    flops: Mapping[str, int]
    faults: Mapping[str, HarnessError]

    @classmethod
    def of(cls, cells: Sequence[PlannedCell], catalog: Catalog, cache: Path) -> _Sizes:
        """Build the networks of some cells; without any, torch is not imported."""
        if not cells:
            return cls({}, {}, {})
        sizes = import_module("harness.cell.sizes").sizes_of(cells, catalog, cache)
        faults = {key: each for key, each in sizes.items() if isinstance(each, HarnessError)}
        built = {key: each for key, each in sizes.items() if each is not None and key not in faults}
        parameters = {key: each.parameters for key, each in built.items()}
        return cls(parameters, {key: each.flops for key, each in built.items()}, faults)


def _row(state: CellState, measured: Mapping[str, float] | None, sizes: _Sizes, found: Estimate) -> Row:
    planned, known = state.planned, measured or {}
    parameters, flops = known.get(PARAMETERS), known.get(FLOPS)
    took = None if planned in found.todo else known.get(TOTAL_SECONDS)
    return Row(
        name=planned.name,
        key=planned.key,
        state=state.state,
        reason=state.reason,
        parameters=sizes.parameters.get(planned.key) if parameters is None else int(parameters),
        flops=sizes.flops.get(planned.key) if flops is None else int(flops),
        seconds=found.seconds_of(planned) if took is None else took,
    )


def _searches(
    asked: Plan, study: Study, catalog: Catalog, store: Store | None, found: Estimate
) -> tuple[SearchEstimate, ...]:
    """Return what is left of the searches; without any, Optuna is not imported."""
    if not study.tune:
        return ()
    left: tuple[SearchEstimate, ...] = import_module("harness.tune.searches").estimates(
        study, catalog, store, asked.cache, rates=found.rates, smoke=asked.smoke
    )
    return left


@dataclass(frozen=True, slots=True)
class _Totals:
    """All that the command shows."""

    rows: Sequence[Row]
    estimate: Estimate
    disk_bytes: int
    unseen: int
    """Cells whose data set is not fetched."""
    searches: Sequence[SearchEstimate]
    warnings: Sequence[str]
    """What the file asks for in vain, and cells that cannot be run."""

    def as_json(self, study: str) -> dict[str, object]:
        """Return the plan for programs; seconds and bytes are numbers."""
        found = self.estimate
        return {
            "study": study,
            "cells": [asdict(row) for row in self.rows],
            "tune": [each.as_json() for each in self.searches],
            "states": Counter(row.state for row in self.rows),
            "cells_without_data": self.unseen,
            "to_run": len(found.todo),
            "workers": found.workers.count,
            "packed": found.workers.packed,
            "device": ", ".join(found.workers.devices),
            "seconds": found.seconds,
            "cells_of_unknown_time": found.unknown,
            "disk_bytes": self.disk_bytes,
            "warnings": self.warnings,
        }

    def print(self) -> None:
        """Print the table and, below it, the sums."""
        shown = table("cell", "state", "parameters", "FLOPs", "time", right=("parameters", "FLOPs", "time"))
        todo = {planned.id for planned in self.estimate.todo}
        for row, found in zip(self.rows, self.estimate.states, strict=True):
            state, is_todo = Text(row.state, style=_STYLES[row.state]), found.planned.id in todo
            shown.add_row(Text(row.name), state, whole(row.parameters), scaled(row.flops), _time(row, is_todo))
        out = results()
        out.print(shown)
        for reason in dict.fromkeys(row.reason for row in self.rows if row.state == "missing" and row.reason):
            names = [row.name for row in self.rows if row.state == "missing" and row.reason == reason]
            tell(out, f"missing, {', '.join(names[:MOST_NAMED])}{' ...' if names[MOST_NAMED:] else ''}: {reason}")
        tell(out, self._sum())
        for search in self.searches:
            tell(out, search.text())

    def _sum(self) -> str:
        states = Counter(row.state for row in self.rows)
        parts = ", ".join(f"{number} {state}" for state, number in states.most_common())
        cells = f"{amount(len(self.rows), 'cell')}: {parts}" if self.rows else "no cells"
        found = self.estimate
        if not found.todo:
            return f"{cells}; nothing to do"
        fits = f" with {amount(len(found.fits), 'fit')}" if len(found.fits) < len(found.todo) else ""
        left = f"{cells}; to run: {len(found.todo)}{fits}, {size(self.disk_bytes)}"
        workers = found.workers
        if found.unknown == len(found.todo):
            return f"{left}, time unknown, {workers.text}"
        least = "at least " if found.unknown else "at most about " if workers.packed else "about "
        return f"{left}, {least}{rough(found.seconds)} with {workers.text}"


def _time(row: Row, is_to_run: bool) -> Text:
    """Return what a cell took, or is guessed to take."""
    if row.seconds is None:
        return Text("?" if is_to_run else "")
    return Text(f"about {rough(row.seconds)}") if is_to_run else Text(duration(row.seconds), style="dim")
