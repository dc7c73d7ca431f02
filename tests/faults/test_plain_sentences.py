"""What is wrong with a place or an address is told in one sentence, without a traceback and without a password."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

import harness.cli.status
from harness.cli.dispatch import ERRORS
from harness.cli.options import app
from harness.cli.ui import OWNER, _answers, _free
from harness.errors import InputError, StoreError, credentials_of, without_secrets
from harness.execute.locks import take
from harness.track import Store, open_store
from harness.track.store import store_at

SECRET = "correct-horse-battery"


def told(*arguments: object) -> tuple[int, str]:
    """Run a command here; return its exit code and what it said on stderr."""
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.stderr


@pytest.mark.parametrize(
    "address",
    [
        f"http://me:{SECRET}@127.0.0.1:9",
        f"ftp://me:{SECRET}@127.0.0.1:9/x",
        f"postgresql+psycopg://me:{SECRET}@127.0.0.1:9/x",
        f"nonsense+postgresql://me:{SECRET}@127.0.0.1:9/x",
    ],
)
@pytest.mark.parametrize("command", ["status", "doctor", "ui"])
def test_an_address_is_told_without_its_password(
    command: str, address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    done = CliRunner().invoke(app, [command, "--home", str(tmp_path)])
    assert SECRET not in done.output and "Traceback" not in done.output
    if not (command == "ui" and address.startswith("http")):
        assert (done.exit_code in {1, 2} and "MLFLOW_TRACKING_URI" in done.output) or "tracking store" in done.output


def test_whatever_a_library_says_loses_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_OPTUNA_STORAGE", "postgresql://me:p%40ss%2Fword-1@db/optuna")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", SECRET)
    said = f"no user me:p@ss/word-1 for postgresql://me:p%40ss%2Fword-1@db/optuna, nor {SECRET}; see http://a/b?c=d@e"
    assert without_secrets(said) == "no user me:*** for postgresql://db/optuna, nor ***; see http://a/b?c=d@e"


def test_user_and_password_of_an_address_reach_the_server() -> None:
    assert credentials_of("http://me:p%40ss@host:1/x") == ("http://host:1/x", "me", "p@ss")


class Asking(BaseHTTPRequestHandler):
    """Lets in who says the right password, and is no tracking server otherwise."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        import base64

        right = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()
        is_right = self.headers.get("Authorization") == right
        body = b"{}" if is_right else b"<html>who are you?</html>"
        self.send_response(200 if is_right else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def asking() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Asking)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")  # so that what a store sets is taken back
        monkeypatch.delenv(name)


@pytest.mark.parametrize("given", ["", "me:wrong-password@", "stranger@"])
def test_no_or_a_wrong_password_is_told_with_what_to_set(
    given: str, asking: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{given}127.0.0.1:{asking}")
    code, text = told("status", "--home", tmp_path)
    assert code == 1 and "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in text
    assert "wrong-password" not in text and text.count("\n") == 1


def test_a_password_in_the_address_lets_in(asking: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:{SECRET}@127.0.0.1:{asking}")
    store = open_store(tmp_path)
    assert store.uri == f"http://127.0.0.1:{asking}" and SECRET not in repr(store)


def test_a_server_that_is_none_of_mlflows_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Stranger(Asking):
        def do_POST(self) -> None:
            body = b"<html>not found, but look at this page</html>"
            self.send_response(404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}")
    code, text = told("status", "--home", tmp_path)
    server.shutdown()
    server.server_close()
    assert code == 1 and "this is no tracking server of MLflow's" in text and "html" not in text


@pytest.mark.parametrize("command", ["run", "plan", "status", "report", "audit", "gc", "doctor"])
def test_a_home_that_is_a_file_is_told(command: str, tmp_path: Path) -> None:
    home = tmp_path / "file"
    home.write_text("")
    matrix = ["quickstart.yaml"] if command in {"run", "plan", "report", "audit"} else []
    code, text = told(command, *matrix, "--home", home)
    assert code == 2 and "is a file" in text


def test_a_home_below_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        open_store(tmp_path / "file" / "home")
    code, text = told("run", "experiments/quickstart.yaml", "--home", tmp_path / "file" / "home")
    assert code == 1 and "a file stands where a folder should be" in text and text.count("\n") <= 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() or mount is None:
        pytest.skip("mounting a small disk needs root")
    if subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], capture_output=True, check=False
    ).returncode:
        pytest.skip("no small disk can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> None:
    """Leave no room on a disk."""
    file = os.open(folder / "filling", os.O_CREAT | os.O_WRONLY)
    with suppress(OSError):
        while True:
            os.write(file, b"x" * 4096)
    os.close(file)


def test_a_full_disk_at_the_start_is_told(small_disk: Path) -> None:
    fill(small_disk)
    with pytest.raises((StoreError, OSError)) as raised:
        open_store(small_disk / "home")
    assert "disk" in str(raised.value) or "space" in str(raised.value)
    code, text = told("run", "experiments/quickstart.yaml", "--home", small_disk / "home")
    assert code == 1 and "the disk is full; make room" in text and "Traceback" not in text


def test_a_full_disk_in_logging_is_told_and_not_waited_for(small_disk: Path, store: Store) -> None:
    home = shutil.copytree(store.home, small_disk / "home")
    there = open_store(home)
    run_id = there.start_run("s", "cell", "c", tags={})
    fill(small_disk)
    begun = time.monotonic()
    with pytest.raises((StoreError, OSError), match=r"disk is full|No space left"), there.spooling():
        for epoch in range(1, 3000):
            there.log_epoch(run_id, epoch, {f"metric {number}": 0.5 for number in range(40)})
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize("command", ["status", "run", "report"])
def test_a_home_that_can_only_be_read_is_told(command: str, small_disk: Path, store: Store) -> None:
    home = shutil.copytree(store.home, small_disk / "home")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    matrix = ["experiments/quickstart.yaml"] if command in {"run", "report"} else []
    code, text = told(command, *matrix, "--home", home)
    assert code in {1, 2} and "Traceback" not in text and "fault of its own" not in text
    assert "can only be read" in text or "cannot be opened" in text or "nothing was run" in text, text


def test_a_limit_on_files_is_told() -> None:
    from harness.errors import file_fault

    def write() -> str:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        try:
            Path("/tmp/harness-limit").write_bytes(b"x" * 5000)
        except OSError as error:
            return file_fault(error)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            Path("/tmp/harness-limit").unlink(missing_ok=True)
        return ""

    assert "raise that limit" in write()


def test_what_nobody_has_foreseen_is_told_in_a_sentence_with_the_place_of_its_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(_: object) -> int:
        raise ZeroDivisionError(f"in http://me:{SECRET}@host")

    monkeypatch.setattr(harness.cli.status, "perform", break_down)
    code, text = told("status", "--home", tmp_path)
    assert code == 1 and text.count("\n") == 1 and SECRET not in text
    assert text.startswith(
        "harness status ended by a fault of its own: ZeroDivisionError: in http://host; the traceback"
    )
    (path,) = (tmp_path / ERRORS).iterdir()
    assert str(path) in text
    kept = path.read_text()
    assert "in break_down" in kept and SECRET not in kept


STARTING = """
import harness.cli
listens = harness.cli.leave_when_interrupted
harness.cli.leave_when_interrupted = lambda: (listens(), print("starts", flush=True))
harness.cli.main()
"""


def test_ctrl_c_at_any_moment_of_the_start_is_no_traceback() -> None:
    for seconds in (0.0, 0.2, 1.0):
        started = subprocess.Popen(
            [sys.executable, "-c", STARTING, "status"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert started.stdout is not None
        started.stdout.readline()
        time.sleep(seconds)
        started.send_signal(signal.SIGINT)
        _, text = started.communicate(timeout=100)
        assert started.returncode in {130, 0}, (seconds, text)
        assert "Traceback" not in text, (seconds, text)


def test_two_homes_of_one_machine_on_one_server_take_turns_at_a_cell(tmp_path: Path, asking: int) -> None:
    stores = [store_at(tmp_path / name, f"http://127.0.0.1:{asking}", None) for name in ("one", "two")]
    lock = take(stores[0], "k1")
    assert lock is not None and take(stores[1], "k1") is None
    lock.release()
    later = take(stores[1], "k1")
    assert later is not None
    later.release()


SERVING = "import http.server, sys; http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), None).serve_forever()"


@pytest.mark.parametrize("is_orphan", [True, False])
def test_a_server_that_a_killed_ui_has_left_is_ended_and_no_other(is_orphan: bool) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    owner = str(dead.pid if is_orphan else os.getpid())
    left = subprocess.Popen([sys.executable, "-c", SERVING, str(port)], env={**os.environ, OWNER: owner})
    until = time.monotonic() + 60
    while not _answers(port):
        assert time.monotonic() < until
        time.sleep(0.05)
    if is_orphan:
        _free(port)
        assert left.wait(30) != 0
    else:
        with pytest.raises(InputError, match="is taken"):
            _free(port)
        left.kill()
        left.wait()
