"""MLflow's client as the store uses it: errors that name the store and what to do, and a server asked seldom.

A server with basic authentication spends a quarter of a second of processor time on each request, so what can be asked
at once is: the curves of many runs in one request for each metric. Files are `harness.track.artifacts`'.
"""

from __future__ import annotations

import functools
import re
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request_safe

from harness.errors import StoreError

TRIES: Final = 3
PATIENCE_SECONDS: Final = 3.0
HISTORIES: Final = "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"
RUNS_A_REQUEST: Final = 100
"""The most that a server gives histories of in one answer."""
POINTS_A_RUN: Final = 2500
"""From that many on a server gives a sample of a history."""
UNKNOWN: Final = "the server wants to know who asks: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"


class Point(NamedTuple):
    """A logged value of a metric; `timestamp` is in Unix milliseconds."""

    step: int
    timestamp: int
    value: float


class Client:
    """All methods of MlflowClient; what they raise is a StoreError that names the store.

    The address is given explicitly: MLflow's global one would leak into the environment of workers.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._client = self.call(MlflowClient, tracking_uri=uri, registry_uri=uri)

    def __getattr__(self, name: str) -> Any:
        return functools.partial(self.call, getattr(self._client, name))

    def call(self, method: Any, *args: Any, **kwargs: Any) -> Any:
        """Return what a method of MLflow's returns.

        Raises:
            StoreError: the store cannot be reached, read or written, or lets us not in; it says what to do.
        """
        try:
            return method(*args, **kwargs)
        except (MlflowException, OSError) as error:  # failed requests for files are OSErrors
            where = re.sub(r"//[^/@]*@", "//", self.uri)  # without a password
            raise StoreError(f"tracking store {where}: {_told(error)}") from error

    def repository(self, address: str) -> Any:
        """Return MLflow's access to the files at an artifact address of this store."""
        return self.call(get_artifact_repository, address, tracking_uri=self.uri)

    def points(self, run_ids: Sequence[str], metric: str) -> Mapping[str, Sequence[Point]]:
        """Return all points of a metric for each of some runs, in no certain order; one request where a server allows.

        Args:
            run_ids: 100 at most.
            metric: Its name.
        """
        if len(run_ids) == 1 or not is_server(self.uri):
            return {run_id: self.get_metric_history(run_id, metric) for run_id in run_ids}
        query = {"run_ids": list(run_ids), "metric_key": metric, "max_results": POINTS_A_RUN}
        host = get_default_host_creds(self.uri)
        found: dict[str, list[Point]] = defaultdict(list)
        for each in self.call(http_request_safe, host, HISTORIES, "GET", params=query).json().get("metrics", ()):
            point = Point(int(each.get("step", 0)), int(each["timestamp"]), float(each["value"]))
            found[each["run_id"]].append(point)
        sampled = [run_id for run_id, points in found.items() if len(points) >= POINTS_A_RUN]
        return {**found, **{run_id: self.get_metric_history(run_id, metric) for run_id in sampled}}


def is_server(uri: str) -> bool:
    """Whether a tracking address is an HTTP server's."""
    return uri.startswith(("http://", "https://"))


def check_reachable(uri: str) -> None:
    """Return once the server answers; MLflow itself would try for about four minutes.

    Raises:
        StoreError: no answer after three tries, a few seconds in all.
    """
    reason = ""
    for attempt in range(TRIES):
        time.sleep(0.3 * attempt)
        try:
            with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=PATIENCE_SECONDS):
                return
        except urllib.error.HTTPError as error:
            if error.code < 500:  # it lives; whether we may use it, the first real call tells
                return
            reason = str(error)
        except (OSError, ValueError) as error:
            reason = str(getattr(error, "reason", error))
    raise StoreError(
        f"MLFLOW_TRACKING_URI={uri}: no tracking server answers ({reason}); "
        "start it, correct the address, or unset MLFLOW_TRACKING_URI to use the embedded store"
    )


def _told(error: MlflowException | OSError) -> str:
    """Return what went wrong, in our words where a server asks who we are: its own name neither of the variables."""
    if isinstance(error, MlflowException):
        return UNKNOWN if error.get_http_status_code() == 401 else str(error.message)
    status = getattr(getattr(error, "response", None), "status_code", None)
    return UNKNOWN if status == 401 else str(error)
