"""`harness ui`: MLflow's user interface on the store of a home."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress
from tempfile import TemporaryFile
from typing import IO, Final

import psutil

from harness.cli.console import results, say
from harness.cli.options import Ui
from harness.errors import InputError, StoreError, without_secrets
from harness.interrupts import Interrupts
from harness.track import existing_store

HOST: Final = "127.0.0.1"
PATIENCE_SECONDS: Final = 90
STOP_SECONDS: Final = 5
OWNER: Final = "HARNESS_UI_PROCESS"
"""The variable by which a server is known as ours: the process that started it."""


def perform(asked: Ui) -> int:
    """Serve until interrupted; where a server keeps the store, say where it is instead.

    Raises:
        InputError: nothing was run in this home yet, or the port is taken.
        StoreError: the user interface does not start.
    """
    server = os.environ.get("MLFLOW_TRACKING_URI", "")
    if server.startswith(("http://", "https://")):
        results().print(without_secrets(server))
        return 0
    store = existing_store(asked.home)
    if store is None:
        raise InputError(f"nothing was run in {asked.home} yet, so there is nothing to see")
    _free(asked.port)
    say("starting MLflow's user interface, a few seconds ...")
    with Interrupts(), TemporaryFile() as output:
        process = _start(store.uri, asked.port, output)
        try:
            _wait(process, asked.port, output)
            base = f"http://{HOST}:{asked.port}"
            results().print(base)
            for study, link in store.study_links(base).items():
                say(f"{study}: {link}")
            say("Ctrl-C ends it")
            return process.wait()
        except KeyboardInterrupt:
            return 0  # this is how it is meant to end
        finally:
            _stop(process)


def _start(uri: str, port: int, output: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start the server with one worker and no job runner: 2 processes instead of 14, a third of the memory."""
    options = ["--host", HOST, "--port", str(port), "--workers", "1"]
    own = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    own |= {"MLFLOW_BACKEND_STORE_URI": uri, OWNER: str(os.getpid())}  # not as an option: it may hold a password
    return subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", *options],
        env={**os.environ, **own},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,  # it has children, which are to end with it
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    process.wait()


def _free(port: int) -> None:
    """Return if nobody serves on a port; the server of a `harness ui` that was killed is ended.

    Raises:
        InputError: the port is taken.
    """
    if not _answers(port):
        return
    for left in _left_behind(port):
        say(f"ending the server on port {port} (process {left.pid}): the `harness ui` that started it is gone")
        left.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    while _answers(port):
        if time.monotonic() > deadline:
            raise InputError(f"port {port} is taken; choose another with --port")
        time.sleep(0.2)


def _left_behind(port: int) -> list[psutil.Process]:
    """Return the servers that a `harness ui` has left on a port when it was killed; none if there is nobody's."""
    found, pids = [], psutil.pids()
    for pid in pids:
        with suppress(psutil.Error, ValueError):
            process = psutil.Process(pid)
            owner = process.environ().get(OWNER)
            if owner is not None and int(owner) not in pids and str(port) in process.cmdline():
                found.append(process)
    return found


def _wait(process: subprocess.Popen[bytes], port: int, output: IO[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if _answers(port):
            return
        time.sleep(0.2)
    output.seek(0)
    last_words = output.read().decode(errors="replace").strip()
    raise StoreError(f"MLflow's user interface does not start:\n{last_words}")


def _answers(port: int) -> bool:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0
