"""After the cells: duplicates across the splits of each data set whose test split was opened."""

from __future__ import annotations

from harness.contracts import Dataset, StudyPlan, Validation
from harness.data.inspect import leakage
from harness.errors import DataError
from harness.execute.cell_run import Surroundings
from harness.execute.settings import RunSettings
from harness.plugins import Catalog


def check_leakage(around: Surroundings, plan: StudyPlan, settings: RunSettings) -> None:
    """Log `leakage/N.json` with the matrix run for the N-th of the plan's data sets (from 0) if its test was opened.

    Where the images cannot be read any more, the tag `harness.leakage` says why.
    """
    opened = {opening.key for opening in around.store.openings(planned.key for planned in plan.cells)}
    exposed = {_text(planned.cell.dataset) for planned in plan.cells if planned.key in opened}
    catalog = Catalog(settings.plugins)
    for number, dataset in enumerate(datasets_of(plan)):
        if _text(dataset) not in exposed:
            continue
        try:
            found = leakage(dataset, catalog, settings.cache_folder)
        except DataError as error:
            around.store.tag(around.parent, {"harness.leakage": str(error)})
            continue
        around.store.log_text(around.parent, found.model_dump_json(indent=1), f"leakage/{number}.json")


def datasets_of(plan: StudyPlan) -> tuple[Dataset, ...]:
    """Return the plan's distinct data sets in plan order, whatever is carved or left out of them."""
    distinct: dict[str, Dataset] = {}
    for planned in plan.cells:
        distinct.setdefault(_text(planned.cell.dataset), planned.cell.dataset)
    return tuple(distinct.values())


def _text(dataset: Dataset) -> str:
    return dataset.model_copy(update={"validation": Validation(fraction=0.1), "limit": None}).model_dump_json()
