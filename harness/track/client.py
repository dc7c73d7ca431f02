"""MLflow's client with our errors."""

from __future__ import annotations

import functools
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from harness.errors import StoreError


class Client:
    """All methods of MlflowClient; what they raise is a StoreError that names the store.

    The address is given explicitly: MLflow's global one would leak into the environment of workers.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        with_errors = functools.partial(_call, uri)
        self._client = with_errors(MlflowClient, tracking_uri=uri, registry_uri=uri)

    def __getattr__(self, name: str) -> Any:
        return functools.partial(_call, self.uri, getattr(self._client, name))


def _call(uri: str, method: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        return method(*args, **kwargs)
    except MlflowException as error:
        raise StoreError(f"tracking store {uri}: {error.message}") from error
