"""MLflow experiments: one for each study with the views that its UI offers, and the ledger's.

Views are what the UI itself saves (MLflow 3.17): a tag of the experiment whose value holds a state as JSON. They
are needed because its own table hides all cells below their matrix run. A version that does not know them shows
the experiment as it always did.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from mlflow.entities import ViewType

from harness.contracts.metrics import METRICS, TEST_ACCURACY, VAL_ACCURACY
from harness.errors import StoreError
from harness.escape import file_stem
from harness.track.ledger import LEDGER

MENU: Final = "workflowType=machine_learning"
"""Without it MLflow opens a page with the menu of generative AI."""
KIND: Final = {"mlflow.experimentKind": "custom_model_development"}
LEDGER_NOTE: Final = (
    "Every opening of a test set is a run here, of all studies of this store: the cell's key, the digest of the fitted "
    "model, when and where. A cell's test set is opened once."
)
STUDY_NOTE: Final = (
    "A study of `harness`: one run a cell, below the matrix run that made it. The saved **Views** show all cells, the "
    "best on validation first, the means over seeds of each variant, and the trials of searches. Metrics of one name "
    "are comparable: `val/...` chooses, `test/...` is measured once. The report says how sure the differences are."
)


def find_or_create(client: Any, name: str, artifacts: Path | None) -> str:
    """Return the id of an experiment; a new one's artifacts go below `artifacts` (None: the server decides)."""
    note = LEDGER_NOTE if name == LEDGER else STUDY_NOTE
    tags = {**KIND, "mlflow.note.content": note, **({} if name == LEDGER else _study_tags())}
    location = str(artifacts / file_stem(name)) if artifacts else None
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
    _renew(client, found, tags)
    return str(found.experiment_id)


def _study_tags() -> dict[str, str]:
    return {
        "mlflow.experiment.primaryMetric.name": VAL_ACCURACY,
        "mlflow.experiment.primaryMetric.greaterIsBetter": "True",
        f"{PREFIX}{CELLS}": _cells_view(),
        f"{PREFIX}{VARIANTS}": _variants_view(),
    }


def _renew(client: Any, found: Any, tags: Mapping[str, str]) -> None:
    """Set the tags that an earlier version did not, and its views as they are now; a note is its reader's to change."""
    for key, value in sorted(tags.items()):
        if key not in found.tags or (key.startswith(PREFIX) and found.tags[key] != value):
            client.set_experiment_tag(found.experiment_id, key, value)
    if f"{PREFIX}{FORMER}" in found.tags:
        client.delete_experiment_tag(found.experiment_id, f"{PREFIX}{FORMER}")


def names_by_id(client: Any, *, deleted: bool = False) -> Mapping[str, str]:
    """Return the names of all experiments by id, of those that were deleted too where asked for."""
    view = ViewType.ALL if deleted else ViewType.ACTIVE_ONLY
    found: dict[str, str] = {}
    token = None
    while True:
        page = client.search_experiments(view, page_token=token)
        found |= {each.experiment_id: each.name for each in page}
        token = page.token
        if not token:
            return found


PREFIX: Final = "mlflow.sharedViewState."
CELLS: Final = "cells"
VARIANTS: Final = "variants"
TRIALS: Final = "trials"
FORMER: Final = "experiments"
"""A view of earlier versions, which took means over variants that had nothing in common but their experiment."""


def study_link(base: str, experiment_id: str, view: str = CELLS) -> str:
    """Return the address of a study's view; `base` is the server's, such as http://127.0.0.1:5000."""
    return f"{base}/#/experiments/{quote(experiment_id, safe='')}/runs?{MENU}&viewStateShareKey={view}"


def run_link(base: str, experiment_id: str, run_id: str) -> str:
    """Return the address of a run's page; `base` is the server's, such as http://127.0.0.1:5000."""
    return f"{base}/#/experiments/{quote(experiment_id, safe='')}/runs/{quote(run_id, safe='')}?{MENU}"


def show_trials(client: Any, experiment_id: str, params: Mapping[str, object]) -> None:
    """Give a study the view of its trials, with all that its searches vary.

    Args:
        client: The store's client.
        experiment_id: The study.
        params: Parameters of a search's run: `tune.objective`, such as `maximize val/accuracy`, and `tune.space.PATH`
            for each setting that it varies.
    """
    first = str(params.get("tune.objective", "")).partition(",")[0].split()
    direction, metric = first if len(first) == 2 else ("maximize", VAL_ACCURACY)
    found = client.get_experiment(experiment_id).tags.get(f"{PREFIX}{TRIALS}")
    former = [] if found is None else json.loads(json.loads(found)["state"])["compareRunCharts"][0]["selectedParams"]
    varied = [name.removeprefix("tune.space.") for name in params if name.startswith("tune.space.")]
    view = _trials_view(metric, direction == "minimize", list(dict.fromkeys((*former, *varied)))[:MOST_VARIED])
    client.set_experiment_tag(experiment_id, f"{PREFIX}{TRIALS}", view)


_SHOWN: Final = sorted(
    (name for name, row in METRICS.items() if row.is_headline), key=lambda name: not name.endswith("/accuracy")
)
HEADLINES: Final = tuple(f"metrics.`{name}`" for name in _SHOWN)
"""Columns of metrics, accuracies first."""
WIDTHS: Final = {"metrics": 100, "tags": 130, "params": 130}
NAME: Final = "attributes.`Run Name`"
WIDEST: Final = 260
"""Pixels."""
ALONG: Final = ("model.name", "recipe.epochs", "recipe.optimizer.lr")
"""Parameters of the parallel coordinates of cells, up to the accuracy on validation."""


def _cells_view() -> str:
    return _view(
        "Cells, the best on validation first",
        kind="cell",
        columns=(*HEADLINES, "tags.`harness.experiment`", "tags.`harness.seed`"),
        charts=(_bars(TEST_ACCURACY), _coordinates(ALONG, VAL_ACCURACY)),
    )


def _variants_view() -> str:
    return _view(
        "Means over seeds, by variant",
        kind="cell",
        columns=HEADLINES,
        charts=(_bars(TEST_ACCURACY), _bars(VAL_ACCURACY)),
        grouped_by="harness.variant",
    )


def _trials_view(metric: str, ascending: bool, varied: Sequence[str]) -> str:
    return _view(
        "Trials of searches, the best first",
        kind="trial",
        columns=(
            f"metrics.`{metric}`",
            "tags.`harness.experiment`",
            "tags.`harness.trial`",
            "tags.`harness.stage`",
            *(f"params.`{path}`" for path in varied),
        ),
        charts=(_coordinates(varied, metric), *(_scatter(path, metric) for path in varied[:MOST_SCATTERS])),
        order=metric,
        ascending=ascending,
    )


LONG_AGO: Final = 1_760_000_000_000
"""Milliseconds; a view is the same whenever it is written."""
OVERVIEW: Final = "overview"
"""The section of charts on top; the UI adds one for each group of metrics and of images below."""
OWN: Final = {"deleted": False, "isGenerated": False}
MOST_SCATTERS: Final = 4
MOST_VARIED: Final = 10
"""With more settings than that a view of trials would be longer than MLflow allows (5,000 characters)."""


def _view(
    name: str,
    *,
    kind: str,
    columns: Sequence[str],
    charts: Sequence[dict[str, Any]],
    order: str = VAL_ACCURACY,
    ascending: bool = False,
    grouped_by: str = "",
) -> str:
    """Return a view as the UI stores it, of all runs of a kind."""
    groups = [{"mode": "tag", "groupByData": grouped_by}]
    state = {
        "searchFilter": f"tags.`harness.kind` = '{kind}'",
        "orderByKey": f"metrics.`{order}`",
        "orderByAsc": ascending,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": columns,
        "columnOrder": [NAME, *columns],
        "columnWidths": {NAME: WIDEST, **{column: WIDTHS[column.partition(".")[0]] for column in columns}},
        "runsHiddenMode": "FIRST_20_RUNS",
        "groupBy": {"aggregateFunction": "average", "groupByKeys": groups} if grouped_by else None,
        "isAccordionReordered": True,
        "compareRunCharts": charts,
        "compareRunSections": [{**OWN, "uuid": OVERVIEW, "name": "overview", "display": True, "isReordered": False}],
    }
    return json.dumps({"name": name, "createdAt": LONG_AGO, "updatedAt": LONG_AGO, "state": json.dumps(state)})


def _bars(metric: str) -> dict[str, Any]:
    return _chart("BAR", f"bars {metric}", metric, metricKey=metric)


def _coordinates(params: Sequence[str], metric: str) -> dict[str, Any]:
    """Return lines from parameters to a metric."""
    return _chart(
        "PARALLEL",
        "coordinates",
        f"settings and {metric}",
        selectedParams=list(params),
        selectedMetrics=[metric],
        showAllRuns=False,
    )


def _scatter(param: str, metric: str) -> dict[str, Any]:
    axes = {"xaxis": {"key": param, "type": "PARAM"}, "yaxis": {"key": metric, "type": "METRIC"}}
    return _chart("SCATTER", f"scatter {param}", f"{metric} by {param}", **axes)


def _chart(kind: str, number: str, name: str, **fields: Any) -> dict[str, Any]:
    shared = {**OWN, "metricSectionId": OVERVIEW, "runsCountToCompare": 20}
    return {**shared, "type": kind, "uuid": number, "displayName": name, **fields}
