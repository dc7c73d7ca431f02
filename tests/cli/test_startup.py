"""What is asked of the command line before any work must not load what the work needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "torchvision", "mlflow", "optuna", "pandas", "matplotlib", "sklearn", "skimage", "scipy", "numpy")
PROBE = """
import json, sys
from harness.cli import main
try:
    main()
except SystemExit as ended:
    code = ended.code or 0
print(json.dumps([code, [name for name in {heavy} if name in sys.modules]]), file=sys.stderr)
"""
MATRIX = """
version: 1
study: quick
dataset: {name: digits, validation: {size: 200}}
experiments: {mlp: {model: mlp}, hog: {model: hog_svm}}
"""


def loaded(*arguments: str, heavy: tuple[str, ...] = HEAVY) -> tuple[int, list[str]]:
    """Return the exit code of a command and which heavy packages it has imported."""
    command = [sys.executable, "-c", PROBE.format(heavy=heavy), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    code, names = json.loads(done.stderr.splitlines()[-1])
    return code, names


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["help"],
        ["show"],
        ["show", "adamw"],
        ["run", "--help"],
        ["plan", "--help"],
        ["doctor", "--help"],
        ["models"],
        ["schema"],
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_imported_before_there_is_work(arguments: list[str]) -> None:
    assert loaded(*arguments) == (0, [])


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]], ids=" ".join)
def test_asking_for_help_does_not_even_import_what_checks_a_file(arguments: list[str]) -> None:
    assert loaded(*arguments, heavy=("pydantic", "ruamel.yaml", "jinja2")) == (0, [])


def test_a_finished_study_is_planned_without_torch(finished_home: Path) -> None:
    """Sizes and times of done cells are those that were measured."""
    code, names = loaded("plan", str(finished_home.parent / "tiny.yaml"), "--home", str(finished_home))
    assert code == 0
    assert "mlflow" in names and "torch" not in names


def test_validating_imports_nothing_heavy(tmp_path: Path) -> None:
    matrix = tmp_path / "matrix.yaml"
    matrix.write_text(MATRIX)
    assert loaded("validate", str(matrix)) == (0, [])


def test_showing_a_model_does_import_torch() -> None:
    """Else the tests above would prove nothing."""
    assert "torch" in loaded("show", "mlp")[1]
