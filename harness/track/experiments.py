"""MLflow experiments: one for each study, and the ledger's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from harness.errors import StoreError

TAGS: Final = {
    "mlflow.experimentKind": "custom_model_development",
    "mlflow.experiment.primaryMetric.name": "val/accuracy",
    "mlflow.experiment.primaryMetric.greaterIsBetter": "True",
}


def find_or_create(client: Any, name: str, artifacts: Path | None) -> str:
    """Return the id of an experiment; a new one's artifacts go below `artifacts` (None: the server decides)."""
    location = str(artifacts / re.sub(r"[^\w.-]+", "-", name)) if artifacts else None
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, location, tags=TAGS))
        except StoreError:  # another process may have been quicker
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
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
