"""Packing: several small cells on one GPU against one after the other, measured by `packing.py`."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from benchmarks.on_gpu.bench import ROOT, Bench
from benchmarks.on_gpu.rows import Figures, Keep, Measurement, NotMeasuredError

SCRIPT: Final = ROOT / "benchmarks" / "packing.py"
CELLS: Final = ("--cells", "12", "--epochs", "10", "--workers", "1", "2", "4")
PARTS: Final = ("mlflow", "optuna")
"""What running cells takes beside what this script needs."""


def measurements(bench: Bench) -> list[Measurement]:
    """Return the one row."""
    return [Measurement("packing", "small cells", _packing, bench.needs_cuda)]


def _packing(_: Keep) -> Figures:
    """Run the script; return cells an hour one after the other, and how many times as many by the other ways."""
    if not SCRIPT.exists():
        raise NotMeasuredError("there is no benchmarks/packing.py")
    missing = [name for name in PARTS if importlib.util.find_spec(name) is None]
    if missing:
        raise NotMeasuredError(f"needs {' and '.join(missing)}, which is not installed here")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "packing.json"
        command = [sys.executable, str(SCRIPT), *CELLS, "--json", str(path)]
        paths = os.pathsep.join(each for each in (str(ROOT), os.environ.get("PYTHONPATH")) if each)
        finished = subprocess.run(
            command, cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False
        )
        if finished.returncode:
            lines = finished.stderr.strip().splitlines()
            raise RuntimeError(f"exit code {finished.returncode}: {lines[-1] if lines else 'no message'}")
        return told(json.loads(path.read_text()))


def told(found: dict[str, Any]) -> Figures:
    """Return the figures of what the script wrote."""
    first, *others = found["rows"]
    figures: Figures = {
        "cells": found["cells"],
        "epochs": found["epochs"],
        "cells_an_hour": first["cells_an_hour"],
        "rows": found["rows"],
    }
    for row in others:
        figures[f"{row['name']}, times as many"] = row["cells_an_hour"] / first["cells_an_hour"]
    return figures
