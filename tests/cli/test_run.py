"""Whole runs of a tiny matrix, from the command line to the report, in one home."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from harness.cli.options import app

MATRIX = """\
version: 1
study: tiny
dataset: {name: digits, validation: {size: 200}, limit: {train: 200, test: 100}}
seeds: [0]
defaults: {recipe: {epochs: 2, batch_size: 50}}
experiments:
  floor: {model: majority}
  mlp: {model: {name: mlp, hidden: 8}}
  moody: {model: moody}
"""
MOODY = '''\
import time
from pathlib import Path

import numpy as np

from harness.contracts import ClassicalModel, Classifier, FitReport, Task


class Moody(ClassicalModel):
    """Fails while there is a file `bad_mood`, takes its time while there is one `slow`."""

    def build(self, task: Task, seed: int) -> Classifier:
        if Path("bad_mood").exists():
            raise RuntimeError("not today")
        return Fitted(len(task.classes))


class Fitted:
    probabilistic = True

    def __init__(self, classes):
        self.classes = classes

    def fit(self, train, validation, listen):
        while Path("slow").exists():
            time.sleep(0.1)
        return FitReport((), None, 0.0, None)

    def predict(self, images):
        return np.zeros((len(images), self.classes), dtype=np.float32)

    def state(self):
        return {"nothing": np.zeros(1, dtype=np.float32)}

    def load_state(self, state):
        pass

    def parameter_count(self):
        return 0
'''
OPTIONS = ("--executor", "inline", "--device", "cpu", "--plugins", "plugins")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder in which the matrix was run once, while one of its models failed."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "tiny.yaml").write_text(MATRIX)
    (folder / "plugins").mkdir()
    (folder / "plugins" / "moody.py").write_text(MOODY)
    (folder / "bad_mood").touch()
    before = Path.cwd()
    os.chdir(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("HARNESS_HOME", raising=False)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield folder
    os.chdir(before)


def harness(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cell_states(plan: Result) -> dict[str, str]:
    return {cell["name"]: cell["state"] for cell in json.loads(plan.stdout)["cells"]}


@pytest.fixture(scope="module")
def planned(folder: Path) -> Result:
    """The plan before anything was run."""
    return harness("plan", "tiny.yaml", "--json", *OPTIONS)


@pytest.fixture(scope="module")
def failed(planned: Result) -> Result:
    """The first run, in which one cell fails."""
    return harness("run", "tiny.yaml", *OPTIONS)


@pytest.fixture(scope="module")
def finished(failed: Result, folder: Path) -> Result:
    """The second run, once the cause is gone."""
    (folder / "bad_mood").unlink()
    return harness("run", "tiny.yaml", "--json", *OPTIONS)


def test_a_plan_shows_sizes_and_makes_no_store(planned: Result) -> None:
    plan = json.loads(planned.stdout)
    mlp = next(cell for cell in plan["cells"] if cell["name"].startswith("mlp"))
    assert planned.exit_code == 0
    assert set(cell_states(planned).values()) == {"missing"}
    assert mlp["parameters"] == 64 * 8 + 8 + 8 * 10 + 10
    assert (mlp["seconds"], plan["to_run"]) == (None, 3)


def test_a_failing_cell_ends_with_1_and_its_reason_while_the_others_are_reported(failed: Result) -> None:
    assert failed.exit_code == 1
    assert "not today" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert "mlp" in failed.stdout
    assert Path(".harness/reports/tiny/index.html").exists()


def test_output_to_a_file_has_no_colors_and_no_moving_lines(failed: Result) -> None:
    assert "\x1b" not in failed.stdout + failed.stderr
    assert "\r" not in failed.stderr


def test_status_says_what_failed_and_why(failed: Result) -> None:
    shown = harness("status", "tiny.yaml").stdout
    (study,) = json.loads(harness("status", "--json").stdout)
    assert "not today" in shown
    assert [cell["state"] for cell in study["cells"]].count("failed") == 1


def test_a_rerun_does_only_what_failed(finished: Result) -> None:
    outcome = json.loads(finished.stdout)
    states = {cell["name"].split()[0]: cell["state"] for cell in outcome["cells"]}
    assert (finished.exit_code, outcome["exit_code"]) == (0, 0)
    assert states == {"floor": "skipped", "mlp": "skipped", "moody": "finished"}


def test_done_cells_show_what_they_took_and_others_are_guessed_from_them(finished: Result) -> None:
    more = harness("plan", "tiny.yaml", "--json", "--set", "seeds=[0,1]", "--only", "mlp", *OPTIONS)
    cells = {cell["name"]: cell for cell in json.loads(more.stdout)["cells"]}
    took = next(cell["metrics"]["time/total_seconds"] for cell in json.loads(finished.stdout)["cells"][1:2])
    assert cells["mlp s0"]["seconds"] == took
    assert cells["mlp s1"]["seconds"] == pytest.approx(took)
    assert cells["mlp s0"]["parameters"] == cells["mlp s1"]["parameters"] == 64 * 8 + 8 + 8 * 10 + 10
    assert cells["mlp s0"]["flops"] == cells["mlp s1"]["flops"] > 0


def test_a_plan_beyond_its_budget_is_refused_before_anything_starts(finished: Result, folder: Path) -> None:
    text = MATRIX.replace("seeds: [0]", "seeds: [0, 1]") + "budget: {hours: 0.0000001}\n"
    (folder / "poor.yaml").write_text(text)
    done = harness("run", "poor.yaml", *OPTIONS)
    assert done.exit_code == 2
    assert "budget.hours" in done.stderr
    (folder / "poor.yaml").write_text(text.replace("hours: 0.0000001", "disk_gb: 0.000001"))
    assert "budget.disk_gb" in harness("run", "poor.yaml", *OPTIONS).stderr


def test_a_selection_of_a_study_that_is_not_done_ends_with_3(finished: Result, folder: Path) -> None:
    (folder / "more.yaml").write_text(MATRIX.replace("seeds: [0]", "seeds: [0, 5]"))
    done = harness("run", "more.yaml", "--only", "floor", *OPTIONS)
    assert done.exit_code == 3
    assert "2 of the 6 cells" in done.stderr
    assert harness("run", "tiny.yaml", "--only", "floor", *OPTIONS).exit_code == 0


def test_the_report_needs_no_data_and_no_cache(finished: Result, folder: Path) -> None:
    shutil.move(folder / ".harness/cache", folder / "elsewhere")
    shutil.rmtree(folder / ".harness/reports")
    done = harness("report", "tiny.yaml")
    shutil.move(folder / "elsewhere", folder / ".harness/cache")
    assert done.exit_code == 0
    assert (folder / ".harness/reports/tiny/index.html").exists()


def test_a_smoke_run_has_a_store_of_its_own_and_opens_no_test_set(finished: Result, folder: Path) -> None:
    done = harness("run", "tiny.yaml", "--smoke", "--json", *OPTIONS)
    cells = json.loads(done.stdout)["cells"]
    assert done.exit_code == 0
    assert {cell["state"] for cell in cells} == {"finished"}
    assert not any("test/accuracy" in cell["metrics"] for cell in cells)
    assert (folder / ".harness/smoke/mlflow.db").exists()


def test_nothing_to_do_is_said_in_under_5_seconds(finished: Result, folder: Path) -> None:
    """Of a process's own time, and on a slow machine in twice the time that the libraries alone take to import."""
    libraries = (
        "mlflow.tracking, mlflow.artifacts, optuna, pandas, matplotlib.figure, jinja2, scipy.stats, alembic, rich"
    )
    imported, _ = _cpu_seconds("-c", f"import {libraries}")
    seconds, said = _cpu_seconds("-m", "harness.cli", "run", "tiny.yaml", *OPTIONS)
    assert "nothing to do: all 3 cells are done" in said
    assert seconds < max(5.0, 2 * imported)


def _cpu_seconds(*arguments: str) -> tuple[float, str]:
    """Return the processor time that a Python process took, and what it said on stderr."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stderr


def test_a_plan_that_asks_for_more_of_what_is_done_is_reported(finished: Result, folder: Path) -> None:
    claims = 'claims: [{experiment: mlp, metric: val/accuracy, value: 0.5, source: "a later claim"}]\n'
    (folder / "claimed.yaml").write_text(f"{MATRIX}{claims}")
    done = harness("run", "claimed.yaml", *OPTIONS)
    assert done.exit_code == 0
    assert "nothing to do" in done.stderr
    assert "a later claim" in (folder / ".harness/reports/tiny/results.md").read_text()


def test_cells_whose_data_would_have_to_be_downloaded_are_left_out_of_a_plan(finished: Result, folder: Path) -> None:
    text = MATRIX.replace("mlp: {model: {name: mlp, hidden: 8}}", "mlp: {model: mlp, dataset: {name: mnist}}")
    (folder / "absent.yaml").write_text(text)
    done = harness("plan", "absent.yaml", "--json", *OPTIONS)
    assert done.exit_code == 0
    assert json.loads(done.stdout)["cells_without_data"] == 1
    assert "harness data mnist" in done.stderr


def test_the_user_interface_serves_the_store_until_it_is_interrupted(finished: Result, folder: Path) -> None:
    command = [sys.executable, "-m", "harness.cli", "ui", "--port", str(free_port())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as serving:
        assert serving.stdout is not None
        address = serving.stdout.readline().strip()
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=10) as answer:
                assert answer.status == 200
        finally:
            serving.send_signal(signal.SIGINT)
    assert serving.returncode == 0
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{address}/health", timeout=1)


def test_ctrl_c_ends_with_130_and_a_rerun_finishes(finished: Result, folder: Path) -> None:
    (folder / "slow").touch()
    matrix = MATRIX.replace("study: tiny", "study: slow").replace("seeds: [0]", "seeds: [7]")
    (folder / "slow.yaml").write_text(matrix)
    options = ("--workers", "1", "--device", "cpu", "--plugins", "plugins", "--only", "moody")
    command = [sys.executable, "-m", "harness.cli", "run", "slow.yaml", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as running:
        assert running.stderr is not None
        seen = next(line for line in running.stderr if "start moody" in line)
        time.sleep(1)
        running.send_signal(signal.SIGINT)
        said = running.stderr.read()
    assert seen
    assert running.returncode == 130
    assert "run the same command again" in said
    assert set(cell_states(harness("plan", "slow.yaml", "--json", "--only", "moody", *OPTIONS)).values()) == {"missing"}
    (folder / "slow").unlink()
    assert harness("run", "slow.yaml", "--only", "moody", *OPTIONS).exit_code == 3
    assert set(cell_states(harness("plan", "slow.yaml", "--json", "--only", "moody", *OPTIONS)).values()) == {"done"}
