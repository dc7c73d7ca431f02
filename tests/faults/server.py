"""A real MLflow server that can be killed, frozen and started again, and `harness` as it is run by hand."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import StoreError
from harness.track.client import check_reachable

START_SECONDS = 300


class Server:
    """An MLflow server on loopback, its database and files below `folder`."""

    def __init__(self, folder: Path, *options: str, environment: Mapping[str, str] | None = None) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.address = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._options = options
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, on the same port and database as before, and wait until it answers."""
        options = ["--backend-store-uri", f"sqlite:///{self._folder / 'mlflow.db'}", "--port", str(self.port)]
        options += ["--artifacts-destination", str(self._folder / "files"), "--workers", "1", *self._options]
        own = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *options],
            env={**os.environ, **own, **self._environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            try:
                return check_reachable(self.address)
            except StoreError:
                assert self._process.poll() is None
        raise AssertionError("MLflow's server does not start")

    def signal(self, number: int) -> None:
        """Send a signal to all of its processes."""
        assert self._process is not None
        os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self.signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


class Harness:
    """A `harness` command in a process of its own; what it says on stderr is read line by line."""

    def __init__(self, *arguments: object, environment: Mapping[str, str] | None = None) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "HARNESS_"))}
        own = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "COLUMNS": "400"}
        self.process: subprocess.Popen[str] = subprocess.Popen(
            [sys.executable, "-m", "harness.cli", *map(str, arguments)],
            env={**kept, **own, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._drain = threading.Thread(target=self._discard, daemon=True)
        self._drain.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip())

    def _discard(self) -> None:
        assert self.process.stdout is not None
        self.output = self.process.stdout.read()

    def until(self, text: str, seconds: float = 300) -> float:
        """Wait until it has said something, and return how long that took."""
        begun = time.monotonic()
        while not any(text in line for line in self.lines):
            assert time.monotonic() - begun < seconds, self.text
            assert self.process.poll() is None or any(text in line for line in self.lines), self.text
            time.sleep(0.02)
        return time.monotonic() - begun

    def end(self, seconds: float = 500) -> int:
        """Wait for its end and return the exit code."""
        code = self.process.wait(seconds)
        for thread, pipe in ((self._reader, self.process.stderr), (self._drain, self.process.stdout)):
            thread.join(10)
            assert pipe is not None
            pipe.close()
        return code

    @property
    def text(self) -> str:
        """All that it has said on stderr."""
        return "\n".join(self.lines)


def run_harness(*arguments: object, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run a command to its end; return the exit code and what it said on stderr."""
    started = Harness(*arguments, environment=environment)
    code = started.end()
    return code, started.text


def metric_steps(store: Any, run_id: str, metric: str) -> list[int]:
    """Return the steps of all points of a metric, those that are there twice too."""
    return sorted(point.step for point in store.client.get_metric_history(run_id, metric))
