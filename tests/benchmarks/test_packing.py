"""That the benchmark of packing runs, at sizes that say nothing about speed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "packing.py"
TINY = ("--model", "mlp", "--cells", "2", "--epochs", "1", "--images", "100", "--size", "8", "--device", "cpu")


def test_it_prints_and_writes_cells_an_hour_for_each_way_to_run_them(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARK), *TINY, "--workers", "1", "2", "--json", "found.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert [row["name"] for row in found["rows"]] == ["one after the other", "2 workers"]
    assert [row["most_beside"] for row in found["rows"]] == [1, 2]
    assert all(row["cells_an_hour"] > 0 for row in found["rows"])
    assert "one after the other" in done.stdout and "ratio" in done.stdout
