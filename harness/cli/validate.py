"""`harness validate`: check a matrix file and write nothing."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from harness.cli.console import results, warn
from harness.cli.options import Validate
from harness.matrix import load_study, remarks_of
from harness.matrix.cell import PATH_OPTIONS
from harness.plugins import Catalog
from harness.words import amount


def perform(asked: Validate) -> int:
    """Say how many cells the file makes.

    Raises:
        MatrixError: the file has problems; all of them are in the message.
        DataError: a data set that is there cannot be used, or the test split of cells that open it is missing or wrong.
    """
    catalog = Catalog(asked.plugins)
    study = load_study(asked.matrix, catalog, asked.override, asked.only)
    local = [placed.cell for placed in study.cells if PATH_OPTIONS & placed.cell.dataset.options.keys()]
    remarks = import_module("harness.data.checks").check_all(local, catalog, Path()) if local else ()
    experiments = {place.experiment for placed in study.cells for place in placed.places}
    experiments -= {ablation.name for ablation in study.ablations}
    tuned = f", {amount(len(study.tune), 'experiment')} to tune" if study.tune else ""
    results().print(f"ok: {amount(len(study.cells), 'cell')} in {amount(len(experiments), 'experiment')}{tuned}")
    warn([*remarks_of(study), *remarks])
    return 0
