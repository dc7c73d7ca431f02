"""MLflow's client as the store uses it: errors that name the store and what to do, and a server asked seldom.

Every call goes through `Client.call`, which tells three kinds of fault apart. A store that is away for now (no
connection, no answer, a locked database, a server in trouble) is tried again until patience ends. What the store
refuses is its caller's fault. All else, such as a wrong password or a full disk, is told at once.

A server with basic authentication spends a quarter of a second of processor time on each request, so what can be asked
at once is: the curves of many runs in one request for each metric. Files are `harness.track.artifacts`'.
"""

from __future__ import annotations

import functools
import http.client
import logging
import os
import random
import re
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import mlflow.store.db.utils
import requests
import sqlalchemy.exc
import urllib3.exceptions
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request_safe

from harness.errors import (
    InputError,
    StoreAwayError,
    StoreError,
    StoreRefusedError,
    credentials_of,
    file_fault,
    without_secrets,
)
from harness.interrupts import SLOW_SECONDS, interruptible, is_heard, pause
from harness.phases import remark
from harness.words import rough, seconds_in

PATIENCE: Final = "HARNESS_STORE_PATIENCE"
"""The environment variable that says how long a store is waited for that is away, such as 30s, 10m or 2h."""
PATIENCE_SECONDS: Final = 600.0
PAUSE_SECONDS: Final = 1.0
"""Between two tries."""
LAST_SECONDS: Final = 5.0
"""How long a call may take after Ctrl-C."""
TRIES: Final = 3
CONNECT_SECONDS: Final = 3.0
CONFLICTS: Final = 5
"""How often two processes may meet that create the same thing."""
HISTORIES: Final = "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"
RUNS_A_REQUEST: Final = 100
"""The most that a server gives histories of in one answer."""
POINTS_A_RUN: Final = 2500
"""From that many on a server gives a sample of a history."""
UNKNOWN: Final = "the server wants to know who asks: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
FAULTS: Final = (MlflowException, OSError, sqlalchemy.exc.SQLAlchemyError, http.client.HTTPException, ImportError)
"""What MLflow raises; failed requests for files are OSErrors."""
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # it logs 130 lines for each failed statement
mlflow.store.db.utils.MAX_RETRY_COUNT = 1  # it would try a database that is away for two minutes, in silence


class Point(NamedTuple):
    """A logged value of a metric; `timestamp` is in Unix milliseconds."""

    step: int
    timestamp: int
    value: float


class Client:
    """All methods of MlflowClient; what they raise is a StoreError that names the store.

    The address is given explicitly: MLflow's global one would leak into the environment of workers. User and password
    that stand in it are what MLflow's own variables would be, which is where MLflow looks for them.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        if is_server(uri):
            self.uri, user, password = credentials_of(uri)
            if user:
                os.environ.update(MLFLOW_TRACKING_USERNAME=user, MLFLOW_TRACKING_PASSWORD=password)
        self.outage = Outage(self.address)
        self._client = self.call(MlflowClient, tracking_uri=self.uri, registry_uri=self.uri)

    def __getattr__(self, name: str) -> Any:
        return functools.partial(self.call, getattr(self._client, name))

    @property
    def address(self) -> str:
        """The store's address as it may be shown."""
        return without_secrets(self.uri)

    def call(self, method: Any, *args: Any, **kwargs: Any) -> Any:
        """Return what a method of MLflow's returns, tried again while the store is away.

        Raises:
            StoreRefusedError: the store does not take or have it.
            StoreAwayError: the store is away, and it is not waited for (see `hasty`).
            StoreError: patience is over, or the store cannot be used as things are; it says what to do.
            KeyboardInterrupt: an interrupt came while the store did not answer, even within a shield.
        """
        conflicts, was_away = 0, False
        while True:
            try:
                answer = self._tried(functools.partial(method, *args, **kwargs))
            except StoreAwayError as error:
                fault = error
            except FAULTS as error:
                told = self._fault(error)
                if isinstance(told, _ConflictError):
                    conflicts += 1
                    if conflicts == CONFLICTS:
                        raise StoreRefusedError(str(told)) from error
                    pause(random.uniform(0.05, 0.3))
                    continue
                if not isinstance(told, StoreAwayError):
                    raise told from error
                told.__cause__, fault = error, told
            else:
                if was_away:
                    self.outage.end()
                return answer
            if _is_hasty() or is_heard():
                raise fault
            was_away = True
            self.outage.begin(fault)
            self.outage.check()
            pause(PAUSE_SECONDS)

    def _tried(self, work: Any) -> Any:
        def run() -> Any:
            with hasty():
                return work()

        if is_heard() and self.outage.is_on:
            raise StoreAwayError(f"tracking store {self.address}: not asked any more")
        longest = LAST_SECONDS if is_heard() else None
        slow = StoreAwayError(f"tracking store {self.address}: no answer for {SLOW_SECONDS} s")
        try:
            return interruptible(run, longest=longest, slow=lambda: self.outage.begin(slow))
        finally:
            self.outage.end_if(slow)

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

    def _fault(self, error: BaseException) -> StoreError:
        return fault_of(error, self.uri)


class Outage:
    """How long a store has been away, told when it begins, when it is over, and when patience is."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._since: float | None = None
        self._reason = ""
        self.patience = patience_seconds()

    @property
    def is_on(self) -> bool:
        """Whether the store is away as far as is known."""
        return self._since is not None

    def begin(self, fault: StoreAwayError) -> None:
        """Note that the store is away; the first time it is told."""
        with self._lock:
            is_new, self._reason = self._since is None, str(fault)
            self._since = time.monotonic() if self._since is None else self._since
        if is_new:
            remark(f"{fault}; trying again for up to {rough(self.patience)} ({PATIENCE})")

    def end(self) -> None:
        """Note that the store has answered."""
        with self._lock:
            since, self._since = self._since, None
        if since is not None:
            remark(f"tracking store {self._address} answers again, after {rough(time.monotonic() - since)}")

    def end_if(self, fault: StoreAwayError) -> None:
        """Note that the store has answered, if it is away for no other reason than this one."""
        if self.is_on and self._reason == str(fault):
            self.end()

    def check(self) -> None:
        """Return unless patience is over.

        Raises:
            StoreError: the store has been away for too long.
        """
        if self._since is not None and time.monotonic() - self._since > self.patience:
            raise StoreError(
                f"{self._reason}; it was waited for {rough(self.patience)}, and what was done is kept: "
                "run the same command again when the store is back"
            )


def patience_seconds() -> float:
    """Return how long a store is waited for that is away, as `$HARNESS_STORE_PATIENCE` says; ten minutes without it.

    Raises:
        InputError: it is no duration.
    """
    given = os.environ.get(PATIENCE, "").strip()
    if not given:
        return PATIENCE_SECONDS
    try:
        return seconds_in(given)
    except ValueError as error:
        raise InputError(f"{PATIENCE}={error}") from None


_this_thread = threading.local()


@contextmanager
def hasty() -> Iterator[None]:
    """Have calls of this thread raise StoreAwayError at once instead of waiting for the store."""
    former, _this_thread.hasty = _is_hasty(), True
    try:
        yield
    finally:
        _this_thread.hasty = former


def _is_hasty() -> bool:
    return bool(getattr(_this_thread, "hasty", False))


def is_server(uri: str) -> bool:
    """Whether a tracking address is an HTTP server's."""
    return uri.startswith(("http://", "https://"))


def check_reachable(uri: str) -> None:
    """Return once the server answers.

    Raises:
        StoreError: no answer after three tries, a few seconds in all.
    """
    reason = ""
    address = credentials_of(uri)[0].rstrip("/")
    for attempt in range(TRIES):
        time.sleep(0.3 * attempt)
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=CONNECT_SECONDS):
                return
        except urllib.error.HTTPError as error:
            if error.code < 500:  # it lives; whether we may use it, the first real call tells
                return
            reason = str(error)
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = str(getattr(error, "reason", error))
    raise StoreError(
        f"MLFLOW_TRACKING_URI={without_secrets(uri)}: no tracking server answers ({without_secrets(reason)}); "
        "start it, correct the address, or unset MLFLOW_TRACKING_URI to use the embedded store"
    )


def fault_of(error: BaseException, uri: str) -> StoreError:
    """Return what MLflow has raised as a fault of the store at an address: of which kind, and why."""
    kind, reason = _judged(error, is_local=not is_server(uri))
    return kind(f"tracking store {without_secrets(uri)}: {without_secrets(reason)}")


class _ConflictError(StoreError):
    """Two processes created the same thing at the same moment; tried again, it is there."""


_LOST: Final = (
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
    requests.exceptions.RetryError,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
)
"""What is raised when a connection cannot be made, is cut, or a server says that it is in trouble."""
_DRIVER: Final = "pip install 'sealed-harness[postgresql]' has that of postgresql+psycopg://HOST/DATABASE"
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_SQLITE: Final = {
    "SQLITE_FULL": "the disk is full; make room, then run the same command again",
    "SQLITE_READONLY": "the database can only be read: make it and its folder writable, or choose another --home",
    "SQLITE_CANTOPEN": "the database cannot be opened: make its folder writable, or choose another --home",
    "SQLITE_IOERR": "the disk gives an error; check that it has room and works",
    "SQLITE_CORRUPT": "the database is damaged; move it away or choose another --home",
    "SQLITE_NOTADB": "the file is not a database; move it away or choose another --home",
}


def _judged(error: BaseException, is_local: bool) -> tuple[type[StoreError], str]:
    """Return what kind of fault an error is, and the reason in few words."""
    chain = list(_chain(error))
    for each in chain:
        if isinstance(each, ImportError):
            return StoreError, f"its driver is not installed ({each}); {_DRIVER}"
        if isinstance(each, sqlite3.Error):
            return _judged_sqlite(each)
        if isinstance(each, sqlalchemy.exc.DBAPIError) and not isinstance(each.orig, sqlite3.Error):
            return _judged_database(each)
    return _judged_answer(chain, _status(chain, is_local), _words(error))


def _judged_answer(chain: Sequence[BaseException], status: int | None, text: str) -> tuple[type[StoreError], str]:
    kind, told = StoreError, text
    on_disk = next(filter(None, (file_fault(each) for each in chain if isinstance(each, OSError))), "")
    if status == 401:
        told = UNKNOWN
    elif status == 403:
        told = f"the server does not allow this user to do that ({text})"
    elif text.startswith(_STRANGER):
        pass
    elif any(isinstance(each, _LOST) for each in chain) or status in _PASSING:
        kind, told = StoreAwayError, _lost_words(chain, status)
    elif on_disk:
        told = on_disk
    elif re.search(r"IntegrityError|UniqueViolation|DeadlockDetected", text):
        kind = _ConflictError
    else:
        kind = StoreRefusedError
    return kind, told


def _judged_sqlite(error: sqlite3.Error) -> tuple[type[StoreError], str]:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) or "is locked" in str(error):
        return StoreAwayError, "the database is locked by another process"
    for prefix, words in _SQLITE.items():
        if name.startswith(prefix):
            return StoreError, words
    return (_ConflictError if isinstance(error, sqlite3.IntegrityError) else StoreRefusedError), str(error)


def _judged_database(error: sqlalchemy.exc.DBAPIError) -> tuple[type[StoreError], str]:
    reason = (str(error.orig).strip() or type(error).__name__).splitlines()[0]
    state = str(getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None) or "")
    if state.startswith(("28", "3D")) or re.search(
        r"authentication failed|no password supplied|does not exist", reason
    ):
        return StoreError, f"{reason}; correct user, password and name of the database in MLFLOW_TRACKING_URI"
    if isinstance(error, sqlalchemy.exc.IntegrityError):
        return _ConflictError, reason
    if isinstance(error, sqlalchemy.exc.OperationalError | sqlalchemy.exc.InterfaceError):
        return StoreAwayError, reason
    return StoreRefusedError, reason


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, what it was raised from, and so on; `orig` is the database driver's."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        orig = getattr(error, "orig", None)
        if isinstance(orig, BaseException):
            yield orig
        error = error.__cause__ or error.__context__


def _status(chain: Sequence[BaseException], is_local: bool) -> int | None:
    """Return the HTTP status that an error stands for; of a local store's own errors those of requests alone."""
    for each in chain:
        status = getattr(getattr(each, "response", None), "status_code", None)
        if status is not None:
            return int(status)
        if isinstance(each, MlflowException):
            code = int(each.get_http_status_code())
            return None if is_local and code == 500 else code
    return None


def _lost_words(chain: Sequence[BaseException], status: int | None) -> str:
    text = " ".join(str(each) for each in chain)
    if "Connection refused" in text:
        return "the server does not answer (connection refused)"
    if "IncompleteRead" in text or "RemoteDisconnected" in text or "Connection aborted" in text or "reset by" in text:
        return "the connection was cut in the middle of an answer"
    if "timed out" in text or any(isinstance(each, TimeoutError | requests.exceptions.Timeout) for each in chain):
        return "the server does not answer"
    answered = re.search(r"too many (\d{3}) error", text)
    if answered or status in _PASSING:
        return f"the server is in trouble (it answers {answered[1] if answered else status})"
    return _words(chain[-1])


_MANY_WORDS: Final = 300
_STRANGER: Final = "this is no tracking server of MLflow's"


def _words(error: BaseException) -> str:
    """Return what MLflow says, without the page that a stranger's server answers with."""
    text = str(error.message if isinstance(error, MlflowException) else error).strip() or type(error).__name__
    head, mark, _ = text.partition(". Response body: '<")
    if mark or "valid JSON format" in text:
        return f"{_STRANGER}: {head[:_MANY_WORDS]}"
    return text if len(text) <= _MANY_WORDS else f"{text[: _MANY_WORDS - 1]}…"
