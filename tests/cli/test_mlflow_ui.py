"""MLflow's own pages on a store of ours, in a browser."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.track import open_store
from harness.words import metric_heading
from tests.cli.browser import NAMES, dumped_dom

pytestmark = [
    pytest.mark.skipif(not any(map(shutil.which, NAMES)), reason="no Chromium on this machine"),
    pytest.mark.timeout(170),
]
TRIES = 3


@pytest.fixture(scope="module")
def home(finished_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shutil.copytree(finished_home, tmp_path_factory.mktemp("ui") / "home")


@pytest.fixture(scope="module")
def told(home: Path) -> Iterator[list[str]]:
    """What `harness ui` says while it serves."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "harness.cli", "ui", "--home", str(home), "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    server = subprocess.Popen(command, text=True, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert server.stdout is not None
    lines = []
    for line in server.stdout:
        lines.append(line.strip())
        if "Ctrl-C" in line:
            break
    yield lines
    server.send_signal(signal.SIGINT)
    server.wait(timeout=30)
    server.stdout.close()


def page_with(address: str, *expected: str) -> str:
    """Return the page once it holds all that is expected, or as it is after a few tries."""
    page = ""
    for _ in range(TRIES):
        page = dumped_dom(address)
        if all(each in page for each in expected):
            break
    return page


def test_the_address_told_shows_every_cell_with_its_figures(told: list[str], home: Path) -> None:
    address = next(line.removeprefix("tiny: ") for line in told if line.startswith("tiny: "))
    records = [record for record in open_store(home).records("tiny") if record.kind == "cell"]
    names = [record.name for record in records]
    page = page_with(address, *names, "test/accuracy")
    assert {"cnn s0", "cnn s1", "hog s0", "floor s0", "sealed s0"} == set(names)
    assert all(name in page for name in names)
    assert "Cells, the best on validation" in page
    figures = set(re.findall(r">(0\.\d+)", page))
    measured = {str(record.metrics["val/accuracy"])[:6] for record in records}
    assert measured <= {figure[:6] for figure in figures}


def test_a_runs_page_shows_its_note_parent_and_data(told: list[str], home: Path) -> None:
    base = next(line for line in told if re.fullmatch(r"http://[\d.:]+", line))
    run = next(record for record in open_store(home).records("tiny") if record.name == "cnn s0")
    accuracy = f"{run.metrics['test/accuracy'] * 100:.2f}"
    page = page_with(f"{base}/#/runs/{run.run_id}", accuracy)
    for shown in (accuracy, metric_heading("test/macro_f1"), "matrix tiny", "digits", "recipe.optimizer.lr"):
        assert shown in page, shown
