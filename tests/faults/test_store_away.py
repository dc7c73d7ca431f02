"""The tracking store goes away while cells run: a server killed, frozen, cut in mid-answer; a database locked."""

from __future__ import annotations

import itertools
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.track import Store, open_store
from harness.track.spool import FOLDER
from harness.track.store import store_at
from tests.faults.server import Harness, Server, metric_steps, run_harness

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
EPOCHS = 12
MATRIX = """\
version: 1
study: STUDY
dataset: {name: digits, validation: {size: 200}}
seeds: [SEED, 100]
defaults: {recipe: {epochs: 12, batch_size: 16, optimizer: {name: sgd, lr: 0.02}}}
experiments:
  STUDY: {model: {name: small_cnn, width: 16, dropout: 0.SEED}}
"""
_numbers = itertools.count(10)


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    """A matrix file of two cells that no other test has."""
    number = next(_numbers)
    path = tmp_path / f"away{number}.yaml"
    path.write_text(MATRIX.replace("STUDY", f"away{number}").replace("SEED", str(number)))
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    serving = Server(tmp_path_factory.mktemp("server"))
    serving.start()
    yield serving
    serving.kill()


def whole(store: Store, study: str, count: int = 2) -> None:
    """See that all is there once, and nothing waits."""
    cells = [record for record in store.records(study) if record.kind == "cell" and record.status == "FINISHED"]
    assert len(cells) == len({record.key for record in cells}) == count
    for record in cells:
        assert metric_steps(store, record.run_id, "train/loss") == list(range(1, EPOCHS + 1))
        assert "test/accuracy" in record.metrics and "harness.error" not in record.tags
        assert store.artifact(record.run_id, "predictions/test.parquet") is not None
    openings = store.openings(record.key for record in cells)
    assert sorted(opening.key for opening in openings) == sorted(record.key for record in cells)
    assert not any((store.home / FOLDER).glob("*.jsonl"))


def of_server(server: Server, home: Path) -> Store:
    return store_at(home, server.address, None)


def test_a_server_that_is_killed_and_comes_back_costs_nothing(server: Server, matrix: Path, tmp_path: Path) -> None:
    running = Harness(
        "run", matrix, "--home", tmp_path / "home", "-v", environment={"MLFLOW_TRACKING_URI": server.address}
    )
    running.until(f"epoch {matrix.stem} ")
    server.kill()
    assert running.until("does not answer (connection refused)") < 30  # an epoch must end for it to be noticed
    time.sleep(10)
    server.start()
    assert running.end() == 0, running.text
    assert "answers again" in running.text and "Traceback" not in running.text
    whole(of_server(server, tmp_path / "home"), matrix.stem)


def test_ctrl_c_is_heard_while_a_server_is_frozen_and_the_next_run_delivers(
    server: Server, matrix: Path, tmp_path: Path
) -> None:
    command = ("run", matrix, "--home", tmp_path / "home", "-v")
    address = {"MLFLOW_TRACKING_URI": server.address}
    running = Harness(*command, environment=address)
    running.until(f"epoch {matrix.stem} ")
    server.signal(signal.SIGSTOP)
    running.until("no answer for 10 s")
    running.process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    assert running.end() == 130, running.text
    assert time.monotonic() - begun < 10  # two seconds, on a machine that does nothing else
    assert "kept in" in running.text and "Traceback" not in running.text
    assert any((tmp_path / "home" / FOLDER).glob("*.jsonl"))
    server.signal(signal.SIGCONT)
    code, text = run_harness(*command, environment=address)
    assert code == 0 and "delivering" in text, text
    whole(of_server(server, tmp_path / "home"), matrix.stem)


def test_patience_ends_in_one_sentence_with_all_results_kept(server: Server, matrix: Path, tmp_path: Path) -> None:
    command = ("run", matrix, "--home", tmp_path / "home")
    address = {"MLFLOW_TRACKING_URI": server.address}
    running = Harness(*command, environment={**address, "HARNESS_STORE_PATIENCE": "8s"})
    running.until(f"start {matrix.stem} ")
    server.kill()
    assert running.end() == 1, running.text
    assert "run the same command again when the store is back" in running.lines[-1], running.text
    assert "Traceback" not in running.text
    server.start()
    code, text = run_harness(*command, environment=address)
    assert code == 0 and "delivering" in text, text
    whole(of_server(server, tmp_path / "home"), matrix.stem)


class Cutting:
    """A way to a server that cuts every so manyeth connection in the middle of its answer."""

    def __init__(self, port: int, every: int) -> None:
        self._port = port
        self._every = every
        self._count = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.cuts = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        server = socket.create_connection(("127.0.0.1", self._port))
        threading.Thread(target=self._copy, args=(client, server, False), daemon=True).start()
        self._copy(server, client, True)

    def _copy(self, source: socket.socket, target: socket.socket, is_answer: bool) -> None:
        try:
            while data := source.recv(65536):
                if is_answer and self._is_cut():
                    target.sendall(data[: len(data) - 7])
                    break
                target.sendall(data)
        except OSError:
            pass
        for each in (source, target):
            each.close()

    def _is_cut(self) -> bool:
        self._count += 1
        is_cut = self._count % self._every == 0
        self.cuts += is_cut
        return is_cut

    def close(self) -> None:
        self._socket.close()


def test_answers_that_are_cut_in_the_middle_are_asked_for_again(server: Server, matrix: Path, tmp_path: Path) -> None:
    cutting = Cutting(server.port, every=9)
    code, text = run_harness(
        "run", matrix, "--home", tmp_path / "home", "-v", environment={"MLFLOW_TRACKING_URI": cutting.address}
    )
    cutting.close()
    assert code == 0, text
    assert cutting.cuts > 3
    whole(of_server(server, tmp_path / "home"), matrix.stem)


LOCK = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], timeout=60)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
"""


def test_a_database_that_is_locked_for_half_a_minute_costs_nothing(matrix: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    running = Harness("run", matrix, "--home", home, "-v")
    running.until(f"epoch {matrix.stem} ")
    locking = subprocess.Popen(
        [sys.executable, "-c", LOCK, str(home / "mlflow.db"), "30"], stdout=subprocess.PIPE, text=True
    )
    assert locking.stdout is not None and locking.stdout.readline() == "locked\n"
    assert running.end() == 0, running.text
    assert locking.wait(60) == 0
    locking.stdout.close()
    assert "Traceback" not in running.text and "sqlalche.me" not in running.text
    whole(open_store(home), matrix.stem)


def test_an_opening_waits_for_the_ledger_and_no_image_is_read_meanwhile(matrix: Path, tmp_path: Path) -> None:
    """The database is locked until patience is over; the next run opens, and the ledger has each cell once."""
    home = tmp_path / "home"
    running = Harness("run", matrix, "--home", home, environment={"HARNESS_STORE_PATIENCE": "3s"})
    running.until(f"start {matrix.stem} ")
    connection = sqlite3.connect(home / "mlflow.db", timeout=60)
    connection.execute("BEGIN EXCLUSIVE")
    assert running.end() == 1, running.text
    connection.rollback()
    connection.close()
    assert "locked by another process" in running.lines[-1] and "Traceback" not in running.text
    assert open_store(home).openings() == []
    code, text = run_harness("run", matrix, "--home", home)
    assert code == 0, text
    whole(open_store(home), matrix.stem)
