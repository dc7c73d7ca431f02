"""A store on a real tracking server: what it gives back, how often it is asked, whom it refuses."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.errors import StoreError
from harness.track import Store, open_store
from harness.track.client import check_reachable

pytestmark = pytest.mark.timeout(170)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an MLflow server."""
    folder = tmp_path_factory.mktemp("server")
    open_store(folder)
    address = f"http://127.0.0.1:{free_port()}"
    options = ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--port", address.rpartition(":")[2]]
    options += ["--artifacts-destination", str(folder / "files"), "--workers", "1"]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", *options],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        try:
            check_reachable(address)
            break
        except StoreError:
            assert server.poll() is None
    yield address
    os.killpg(server.pid, signal.SIGTERM)
    server.wait(timeout=30)


class Counting:
    """A server before the server that passes each request on and remembers it."""

    def __init__(self, behind: str) -> None:
        self.seen: list[str] = []
        seen = self.seen

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self) -> None:
                seen.append(f"{self.command} {self.path.partition('?')[0]}")
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                kept = {
                    name: value for name, value in self.headers.items() if name.lower() not in {"host", "connection"}
                }
                asked = urllib.request.Request(f"{behind}{self.path}", body or None, kept, method=self.command)
                try:
                    with urllib.request.urlopen(asked) as answer:
                        status, kind, text = answer.status, answer.headers.get("Content-Type", ""), answer.read()
                except urllib.error.HTTPError as error:
                    status, kind, text = error.code, error.headers.get("Content-Type", ""), error.read()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def do_GET(self) -> None:
                self.pass_on()

            def do_POST(self) -> None:
                self.pass_on()

            def do_PUT(self) -> None:
                self.pass_on()

            def do_PATCH(self) -> None:
                self.pass_on()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def requests(self) -> list[str]:
        """Return what was asked since the last time."""
        found = list(self.seen)
        self.seen.clear()
        return found


@pytest.fixture
def counting(behind: str) -> Iterator[Counting]:
    before = Counting(behind)
    yield before
    before.server.shutdown()
    before.server.server_close()


@pytest.fixture
def store(counting: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", counting.address)
    opened = open_store(tmp_path / "home")
    counting.requests()
    return opened


def finish_cell(store: Store, study: str, seed: int, folder: Path) -> str:
    """Log what a cell leaves, four files and five epochs."""
    tags = {"harness.key": f"{study}{seed}", "harness.seed": str(seed), "harness.dataset": "digits"}
    tags["harness.data_fingerprint"] = "0123"
    run_id = store.start_run(study, "cell", f"cnn s{seed}", tags=tags, params={"recipe.epochs": 5})
    for epoch in range(1, 6):
        store.log_epoch(run_id, epoch, {"val/accuracy": epoch / 10, "train/loss": 1 / epoch})
    (folder / "predictions").mkdir(parents=True, exist_ok=True)
    for name in ("cell.yaml", "predictions/val.parquet", "weights.safetensors"):
        (folder / name).write_text(f"{name} {seed}")
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(folder / "confusion.png")
    store.log_folder(run_id, folder)
    store.log_pictures(run_id, folder)
    store.log_final(run_id, {"val/accuracy": 0.6}, {"harness.test": "never"}, 5)
    store.end(run_id, "FINISHED")
    return run_id


def test_what_was_logged_comes_back(store: Store, tmp_path: Path) -> None:
    run_id = finish_cell(store, "back", 0, tmp_path / "left")
    fresh = store.anew()
    (record,) = fresh.records("back")
    assert (record.run_id, record.status, record.metrics["val/accuracy"]) == (run_id, "FINISHED", 0.6)
    path = fresh.artifact(run_id, "predictions/val.parquet")
    assert path is not None and path.read_text() == "predictions/val.parquet 0"
    assert fresh.artifact(run_id, "predictions/test.parquet") is None
    assert fresh.artifact(run_id, "nothing/at/all") is None
    whole = fresh.artifact(run_id, "")
    assert whole is not None
    names = {each.relative_to(whole).as_posix() for each in whole.rglob("*") if each.is_file()}
    assert {"cell.yaml", "predictions/val.parquet", "weights.safetensors", "confusion.png"} < names
    assert sum(name.startswith("images/pictures~confusion+") for name in names) == 2
    assert fresh.history(run_id)["val/accuracy"] == tuple((epoch, epoch / 10) for epoch in range(1, 6))


def test_a_cell_costs_few_requests_and_its_files_are_not_fetched_by_who_put_them(
    store: Store, counting: Counting, tmp_path: Path
) -> None:
    run_id = finish_cell(store, "few", 0, tmp_path / "left")
    counting.requests()
    finish_cell(store, "few", 1, tmp_path / "left")
    asked = counting.requests()
    uploads = [request for request in asked if request.startswith("PUT")]
    assert len(uploads) == 4 + 2, uploads  # the picture again, for MLflow's charts, and its thumbnail
    assert len(asked) - len(uploads) == 3 + 5 + 1 + 2, asked  # beginning, epochs, the mark of pictures, the end
    store.records("few")
    counting.requests()
    assert store.artifact(run_id, "cell.yaml") is not None
    assert counting.requests() == []


def test_curves_of_all_runs_of_a_study_are_one_request_a_metric(
    store: Store, counting: Counting, tmp_path: Path
) -> None:
    ids = [finish_cell(store, "curves", seed, tmp_path / "left") for seed in range(3)]
    store.records("curves")
    counting.requests()
    curves = [store.history(run_id, ["val/accuracy", "train/loss"]) for run_id in ids]
    assert len(counting.requests()) == 2
    alone = [store.anew().history(run_id, ["val/accuracy", "train/loss"]) for run_id in ids]
    assert curves == alone
    assert curves[0]["train/loss"][1] == (2, 0.5)


def test_a_file_is_fetched_once_and_an_audit_fetches_it_anew(store: Store, counting: Counting, tmp_path: Path) -> None:
    run_id = finish_cell(store, "once", 0, tmp_path / "left")
    shutil.rmtree(store.home / "downloads")
    other = open_store(store.home)
    counting.requests()
    for _ in range(2):
        assert other.artifact(run_id, "predictions/val.parquet") is not None
    files = [request for request in counting.requests() if "val.parquet" in request]
    assert len(files) == 1
    later = open_store(store.home)
    assert later.artifact(run_id, "predictions/val.parquet") is not None
    assert not [request for request in counting.requests() if "val.parquet" in request]
    store.client.repository(store.record(run_id).artifacts).log_artifact(
        str(shutil.copyfile(tmp_path / "left" / "cell.yaml", tmp_path / "val.parquet")), "predictions"
    )
    auditing = later.anew()
    changed = auditing.artifact(run_id, "predictions/val.parquet")
    assert changed is not None and changed.read_text() == "cell.yaml 0"


def test_a_run_that_is_taken_up_again_has_its_new_files(store: Store, tmp_path: Path) -> None:
    run_id = finish_cell(store, "again", 0, tmp_path / "left")
    reader = open_store(store.home)
    assert reader.artifact(run_id, "cell.yaml") is not None
    store.resume_run(run_id)
    store.log_text(run_id, "other", "cell.yaml")
    store.end(run_id, "FINISHED")
    path = open_store(store.home).artifact(run_id, "cell.yaml")
    assert path is not None and path.read_text() == "other"


def test_who_is_not_let_in_is_told_which_variables_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health" else 401)
            self.end_headers()

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Closed)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    secret = base64.b64encode(os.urandom(6), b"-_").decode()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:{secret}@127.0.0.1:{server.server_port}")
    monkeypatch.setattr("harness.track.store.check_reachable", lambda uri: None)
    with pytest.raises(StoreError, match="set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD") as told:
        open_store(tmp_path)
    assert secret not in str(told.value)
    server.shutdown()
    server.server_close()
