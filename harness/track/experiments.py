"""MLflow experiments: one for each study, and the ledger's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from harness.errors import StoreError
from harness.track.ledger import LEDGER
from harness.track.views import view_tags

KIND: Final = {"mlflow.experimentKind": "custom_model_development"}
LEDGER_NOTE: Final = """Every opening of a test set is a run here, of all studies of this store: the cell's key, the
digest of the fitted model, when and where. A cell's test set is opened once."""
STUDY_NOTE: Final = """A study of `harness`: one run a cell, below the matrix run that made it; the saved **Views**
show all cells, the best on validation first, and the means of each experiment. Metrics with the same names are
comparable: `val/...` chooses, `test/...` is measured once. The report says how sure the differences are."""
STUDY: Final = {
    "mlflow.experiment.primaryMetric.name": "val/accuracy",
    "mlflow.experiment.primaryMetric.greaterIsBetter": "True",
    "mlflow.note.content": STUDY_NOTE.replace("\n", " "),
    **view_tags(),
}


def find_or_create(client: Any, name: str, artifacts: Path | None) -> str:
    """Return the id of an experiment; a new one's artifacts go below `artifacts` (None: the server decides)."""
    tags = {**KIND, "mlflow.note.content": LEDGER_NOTE.replace("\n", " ")} if name == LEDGER else {**KIND, **STUDY}
    location = str(artifacts / re.sub(r"[^\w.-]+", "-", name)) if artifacts else None
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, location, tags=tags))
        except StoreError:  # another process may have been quicker
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    for key in sorted(set(tags) - set(found.tags)):  # made by an earlier version
        client.set_experiment_tag(found.experiment_id, key, tags[key])
    return str(found.experiment_id)


def names_by_id(client: Any) -> Mapping[str, str]:
    """Return the names of all experiments by id."""
    found: dict[str, str] = {}
    token = None
    while True:
        page = client.search_experiments(page_token=token)
        found |= {each.experiment_id: each.name for each in page}
        token = page.token
        if not token:
            return found
