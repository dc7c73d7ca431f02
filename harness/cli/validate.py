"""`harness validate`: check a matrix file and write nothing."""

from __future__ import annotations

from harness.cli.console import results, warn
from harness.cli.options import Validate
from harness.matrix import load_study, remarks_of
from harness.plugins import Catalog
from harness.words import amount


def perform(asked: Validate) -> int:
    """Say how many cells the file makes.

    Raises:
        MatrixError: the file has problems; all of them are in the message.
    """
    study = load_study(asked.matrix, Catalog(asked.plugins), asked.override, asked.only)
    experiments = {place.experiment for placed in study.cells for place in placed.places}
    experiments -= {ablation.name for ablation in study.ablations}
    tuned = f", {amount(len(study.tune), 'experiment')} to tune" if study.tune else ""
    results().print(f"ok: {amount(len(study.cells), 'cell')} in {amount(len(experiments), 'experiment')}{tuned}")
    warn(remarks_of(study))
    return 0
