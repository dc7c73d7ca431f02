"""MLflow experiments: one for each study with the views that its UI offers, and the ledger's.

Views are what the UI itself saves (MLflow 3.17): a tag of the experiment whose value holds a state as JSON. They
are needed because its own table hides all cells below their matrix run. A version that does not know them shows
the experiment as it always did.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from harness.contracts.metrics import METRICS, TEST_ACCURACY, VAL_ACCURACY
from harness.errors import StoreError
from harness.track.ledger import LEDGER

PREFIX: Final = "mlflow.sharedViewState."
CELLS: Final = "cells"
EXPERIMENTS: Final = "experiments"
COLUMNS: Final = (
    *(f"metrics.`{name}`" for name, row in METRICS.items() if row.is_headline),
    "tags.`harness.experiment`",
    "tags.`harness.seed`",
)
WIDTHS: Final = {"metrics": 130, "tags": 150}
OVERVIEW: Final = "overview"
"""The section of charts on top; the UI adds one for each group of metrics and of images below."""
ALONG: Final = ("model.name", "recipe.epochs", "recipe.optimizer.lr")
"""Parameters of the parallel coordinates, up to the accuracy on validation."""
LONG_AGO: Final = 1_760_000_000_000
"""Milliseconds; a view is the same whenever it is written."""


def view_tags() -> dict[str, str]:
    """Return the tags of an experiment that hold its views: cells, the best first; means by experiment."""
    by_experiment = {
        "aggregateFunction": "average",
        "groupByKeys": [{"mode": "tag", "groupByData": "harness.experiment"}],
    }
    views = {
        CELLS: ("Cells, the best on validation first", None),
        EXPERIMENTS: ("Means by experiment", by_experiment),
    }
    return {f"{PREFIX}{key}": _envelope(name, grouping) for key, (name, grouping) in views.items()}


def link(base: str, experiment_id: str, view: str = CELLS) -> str:
    """Return the address of a study's view; `base` is the server's, such as http://127.0.0.1:5000."""
    return f"{base}/#/experiments/{quote(experiment_id)}/runs?workflowType=machine_learning&viewStateShareKey={view}"


def _envelope(name: str, grouping: dict[str, Any] | None) -> str:
    state = {
        "searchFilter": "tags.`harness.kind` = 'cell'",
        "orderByKey": f"metrics.`{VAL_ACCURACY}`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": COLUMNS,
        "columnOrder": COLUMNS,
        "columnWidths": {column: WIDTHS[column.partition(".")[0]] for column in COLUMNS},
        "runsHiddenMode": "FIRST_20_RUNS",
        "groupBy": grouping,
        "isAccordionReordered": True,
        "compareRunCharts": _charts(),
        "compareRunSections": [{**_OWN, "uuid": OVERVIEW, "name": "overview", "display": True, "isReordered": False}],
    }
    return json.dumps({"name": name, "createdAt": LONG_AGO, "updatedAt": LONG_AGO, "state": json.dumps(state)})


_OWN: Final = {"deleted": False, "isGenerated": False}


def _charts() -> list[dict[str, Any]]:
    """Return bars of test accuracy, and parallel coordinates from parameters to the accuracy on validation."""
    shared = {**_OWN, "metricSectionId": OVERVIEW, "runsCountToCompare": 20}
    bars = {"type": "BAR", "uuid": "bars", "metricKey": TEST_ACCURACY, "displayName": TEST_ACCURACY}
    coordinates = {
        "type": "PARALLEL",
        "uuid": "coordinates",
        "displayName": "settings and accuracy",
        "selectedParams": ALONG,
        "selectedMetrics": [VAL_ACCURACY],
        "showAllRuns": False,
    }
    return [{**shared, **bars}, {**shared, **coordinates}]


KIND: Final = {"mlflow.experimentKind": "custom_model_development"}
LEDGER_NOTE: Final = """Every opening of a test set is a run here, of all studies of this store: the cell's key, the
digest of the fitted model, when and where. A cell's test set is opened once."""
STUDY_NOTE: Final = """A study of `harness`: one run a cell, below the matrix run that made it; the saved **Views**
show all cells, the best on validation first, and the means of each experiment. Metrics with the same names are
comparable: `val/...` chooses, `test/...` is measured once. The report says how sure the differences are."""
STUDY: Final = {
    "mlflow.experiment.primaryMetric.name": VAL_ACCURACY,
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


def study_names(client: Any) -> tuple[str, ...]:
    """Return the names of all studies in a store, sorted."""
    return tuple(sorted(set(names_by_id(client).values()) - _NO_STUDIES))


_NO_STUDIES: Final = frozenset({LEDGER, "Default"})
