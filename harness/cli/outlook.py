"""What `harness run` would do with a plan: which cells, on what, for how long."""

from __future__ import annotations

from dataclasses import dataclass

from harness.cli.cost import Bill, Crew, bill_of, cells_to_run, crew_for
from harness.cli.options import Work
from harness.cli.rates import Rates, rates_of
from harness.contracts import CellState, PlannedCell, StudyPlan
from harness.execute.plan import choose_devices, states
from harness.track import Store
from harness.track.environment import usable_cores


@dataclass(frozen=True, slots=True)
class Outlook:
    """The state of each planned cell and what is left to do."""

    states: tuple[CellState, ...]
    todo: tuple[PlannedCell, ...]
    crew: Crew
    rates: Rates
    bill: Bill


def with_estimates(plan: StudyPlan, outlook: Outlook) -> StudyPlan:
    """Return the plan whose cells to run carry what was foreseen of their time, for the report to hold against it."""
    todo = {planned.key for planned in outlook.todo}
    return plan.model_copy(update={"cells": tuple(_estimated(each, outlook, each.key in todo) for each in plan.cells)})


def _estimated(planned: PlannedCell, outlook: Outlook, is_to_run: bool) -> PlannedCell:
    seconds = outlook.rates.guess(planned.cell) if is_to_run else None
    if seconds is None:
        return planned
    return planned.model_copy(update={"tags": {**planned.tags, "harness.estimated_seconds": f"{seconds:.3f}"}})


def look_ahead(asked: Work, plan: StudyPlan, store: Store | None, stale: bool = False) -> Outlook:
    """Return what is left to do; without a store that is everything.

    Raises:
        InputError: there is no such device.
    """
    devices = choose_devices(asked.device)
    standing = states(plan, store) if store else tuple(CellState(each, "missing") for each in plan.cells)
    rates = rates_of(store.records(plan.study) if store else (), devices[0])
    todo = cells_to_run(standing, stale)
    crew = crew_for(asked.workers, asked.executor, devices, usable_cores(), len(todo))
    return Outlook(standing, todo, crew, rates, bill_of(todo, rates, crew.sure))
