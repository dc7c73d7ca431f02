"""After the cells: duplicates across the splits of each data set whose test split was opened."""

from __future__ import annotations

from harness.contracts import StudyPlan
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
    exposed = {planned.cell.dataset.images for planned in plan.cells if planned.key in opened}
    catalog = Catalog(settings.plugins)
    for number, dataset in enumerate(plan.datasets):
        if dataset.images not in exposed:
            continue
        try:
            found = leakage(dataset, catalog, settings.cache_folder)
        except DataError as error:
            around.store.tag(around.parent, {"harness.leakage": str(error)})
            continue
        around.store.log_text(around.parent, found.model_dump_json(indent=1), f"leakage/{number}.json")
