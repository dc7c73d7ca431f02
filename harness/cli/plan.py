"""`harness plan`: every cell, where it stands, how large it is and how long it takes. Runs nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from rich.text import Text

from harness.cli.console import print_json, results, say, table, tell
from harness.cli.cost import disk_bytes
from harness.cli.dispatch import work_of
from harness.cli.options import Plan
from harness.cli.outlook import Outlook, look_ahead
from harness.cli.planned_sizes import sizes_of
from harness.cli.presence import absent_datasets
from harness.cli.sizes import Size
from harness.cli.stores import existing_store
from harness.contracts import CellState
from harness.errors import InputError
from harness.execute.plan import make_plan
from harness.matrix import Study, load_study
from harness.plugins import Catalog
from harness.words import amount, rough, scaled, size, whole

if TYPE_CHECKING:
    from harness.cli.tune_outlook import StudyOutlook

_STYLES = {"done": "green", "missing": "", "failed": "red", "running": "cyan", "stale": "yellow"}


@dataclass(frozen=True, slots=True)
class Row:
    """A planned cell as it is shown; what is not known is None. `seconds` is a guess."""

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
    plan = make_plan(replace(study, cells=here), catalog, asked.cache)
    outlook = look_ahead(asked, plan, existing_store(asked.store_home), asked.stale)
    sizes = sizes_of(plan.cells, catalog, asked.cache)
    rows = [_row(state, sizes[state.planned.key], outlook) for state in outlook.states]
    parameters = {row.key: row.parameters for row in rows}
    bytes_left = disk_bytes(parameters, outlook.todo)
    tuned = {name: each for name, each in study.tune.items() if each.start.dataset.name not in absent}
    studies = _studies(asked, replace(study, tune=tuned), catalog, outlook)
    totals = _Totals(rows, outlook, bytes_left, len(study.cells) - len(here), studies)
    if asked.json:
        print_json(totals.as_json(plan.study))
    else:
        totals.print()
    for name in sorted(absent):
        say(f"{name} is not fetched yet, so its cells are not shown; to fetch it: harness data {name}")
    for row, fault in ((row, sizes[row.key]) for row in rows):
        if isinstance(fault, InputError):
            say(f"{row.name}: {fault}")
    return 0


def _studies(asked: Plan, study: Study, catalog: Catalog, outlook: Outlook) -> tuple[StudyOutlook, ...]:
    """Return what is left of the tuning studies; without any, Optuna is not imported."""
    if not study.tune:
        return ()
    found: tuple[StudyOutlook, ...] = work_of("tune_outlook").look_at(asked, study, catalog, outlook.rates)
    return found


def _row(state: CellState, found: Size | InputError | None, outlook: Outlook) -> Row:
    planned = state.planned
    known = found if isinstance(found, Size) else None
    return Row(
        name=planned.name,
        key=planned.key,
        state=state.state,
        reason=state.reason,
        parameters=None if known is None else known.parameters,
        flops=None if known is None else known.flops,
        seconds=outlook.rates.guess(planned.cell) if planned in outlook.todo else None,
    )


@dataclass(frozen=True, slots=True)
class _Totals:
    """All that the command shows."""

    rows: Sequence[Row]
    outlook: Outlook
    disk_bytes: int
    unseen: int
    """Cells whose data set is not fetched."""
    studies: Sequence[StudyOutlook]

    def as_json(self, study: str) -> dict[str, object]:
        """Return the plan for programs; seconds and bytes are numbers."""
        bill = self.outlook.bill
        return {
            "study": study,
            "cells": [asdict(row) for row in self.rows],
            "tune": [each.as_json() for each in self.studies],
            "states": Counter(row.state for row in self.rows),
            "cells_without_data": self.unseen,
            "to_run": bill.cells,
            "workers": self.outlook.crew.workers,
            "packed": self.outlook.crew.packed,
            "device": ", ".join(self.outlook.crew.devices),
            "seconds": bill.seconds,
            "cells_of_unknown_time": bill.unknown,
            "disk_bytes": self.disk_bytes,
        }

    def print(self) -> None:
        """Print the table and, below it, the sums."""
        shown = table("cell", "state", "parameters", "FLOPs", "time", right=("parameters", "FLOPs", "time"))
        for row in self.rows:
            time = "" if row.state == "done" else "?" if row.seconds is None else rough(row.seconds)
            state = Text(row.state, style=_STYLES[row.state])
            shown.add_row(Text(row.name), state, whole(row.parameters), scaled(row.flops), time)
        out = results()
        out.print(shown)
        tell(out, self._sum())
        for study in self.studies:
            tell(out, study.text())

    def _sum(self) -> str:
        states = Counter(row.state for row in self.rows)
        parts = ", ".join(f"{number} {state}" for state, number in states.most_common())
        cells = f"{amount(len(self.rows), 'cell')}: {parts}" if self.rows else "no cells"
        bill = self.outlook.bill
        if not bill.cells:
            return f"{cells}; nothing to do"
        left = f"{cells}; to run: {bill.cells}, {size(self.disk_bytes)}"
        crew = self.outlook.crew
        if bill.unknown == bill.cells:
            return f"{left}, time unknown, {crew.text}"
        least = "at least " if bill.unknown else "at most about " if crew.packed else "about "
        return f"{left}, {least}{rough(bill.seconds)} with {crew.text}"
