"""Views of a study that MLflow's UI offers under "Views": its own table hides all cells below their matrix run.

They are what the UI itself saves (MLflow 3.17): a tag of the experiment whose value holds a state as JSON.
A version that does not know them shows the experiment as it always did.
"""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import quote

PREFIX: Final = "mlflow.sharedViewState."
CELLS: Final = "cells"
EXPERIMENTS: Final = "experiments"
COLUMNS: Final = (
    "metrics.`test/accuracy`",
    "metrics.`val/accuracy`",
    "metrics.`test/macro_f1`",
    "metrics.`test/loss`",
    "metrics.`model/parameters`",
    "metrics.`time/train_seconds`",
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
        "orderByKey": "metrics.`val/accuracy`",
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
    bars = {"type": "BAR", "uuid": "bars", "metricKey": "test/accuracy", "displayName": "test/accuracy"}
    coordinates = {
        "type": "PARALLEL",
        "uuid": "coordinates",
        "displayName": "settings and accuracy",
        "selectedParams": ALONG,
        "selectedMetrics": ["val/accuracy"],
        "showAllRuns": False,
    }
    return [{**shared, **bars}, {**shared, **coordinates}]
