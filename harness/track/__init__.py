"""The tracking store and the ledger of test openings. MLflow is imported here and nowhere else."""

import os

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when mlflow is imported: nothing may leave the machine
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # stdout is for results
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")  # MLflow waits for minutes, in silence; we do not
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")  # seconds

from harness.track.ledger import LEDGER
from harness.track.runs import Record
from harness.track.store import EndStatus, Store, existing_store, home_of, open_store, store_to_read

__all__ = ["EndStatus", "LEDGER", "Record", "Store", "existing_store", "home_of", "open_store", "store_to_read"]
