"""A tracking server, asked for a sign of life before anything is sent to it."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from typing import Final

from harness.errors import StoreError

TRIES: Final = 3
PATIENCE_SECONDS: Final = 3.0


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
