"""The counts of `make lint` on a tree made for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.house import House, counts

FILES = {
    "pyproject.toml": """
        [[tool.importlinter.contracts]]
        type = "layers"
        layers = ["harness.cli", "harness.report | harness.matrix", "harness.errors"]
    """,
    "harness/__init__.py": "",
    "harness/errors.py": "from harness import cli\nclass InputError(Exception):\n    pass\n",
    "harness/cli/__init__.py": "from harness.cli.run import perform\n",
    "harness/cli/run.py": "from harness.report.write import write_report\n"
    "from harness.cli.words import said\n"
    "def perform(asked):\n    write_report(said)\n",
    "harness/cli/words.py": "def said():\n    return 1\n",
    "harness/report/__init__.py": "from harness.report.page import page\n",
    "harness/report/page.py": "from harness.report.write import Page\ndef page():\n    return Page\n",
    "harness/report/write.py": '''
from harness.report import page
from harness.report.other import Other
class Page: pass
def write_report(study: Other, scores: NDArray):
    """Raises ValueError; `scores` are [N, K]."""
    page()
    raise ValueError(study)
''',
    "harness/report/other.py": f"import os  {'#'} noqa: F401\nclass Other: pass\ndef bare(x: Tensor):\n    raise E\n",
    "baselines/mlp.py": "from ._layers import dropped\n",
    "baselines/_layers.py": "def dropped(): pass\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_each_row_counts_what_its_name_says(root: Path) -> None:
    rows = counts(root)
    assert rows["files, lines"].startswith("11, ")
    assert rows["most modules in one folder"] == "4 (harness/report)"
    assert rows["public raisers documented"] == "50% of 2"
    assert rows["array signatures with a shape"] == "50% of 2"
    assert rows["suppressions"] == "1, 0"


def test_a_walk_follows_calls_over_re_exports_and_leaves_annotations_and_other_walks_alone(root: Path) -> None:
    house = House(root)
    assert house.entered(("harness.report.write", "write_report"), ["report"]) == 2  # write, page; Other is a type
    assert house.entered(("harness.cli.run", "perform"), ["cli", "report"]) == 2  # run, words
    assert house.entered(("harness.nowhere", "perform"), ["cli"]) == 0


def test_cycles_and_arrows_back_up_are_found(root: Path) -> None:
    house = House(root)
    assert house.cycles() == 1  # report, page, write
    assert house.back_up() == 1  # errors imports cli


def test_relative_imports_are_arrows(root: Path) -> None:
    assert House(root).arrows["baselines.mlp"] == {"baselines._layers"}
