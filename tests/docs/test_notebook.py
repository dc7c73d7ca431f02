"""The notebook in the documents runs, and gives the shape of what it shows."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

NOTEBOOK = Path(__file__).parents[2] / "docs" / "python.ipynb"


def cells() -> list[tuple[str, str]]:
    """Return the source of each code cell and the text that it shows, empty where it shows none."""
    found = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    shown = [[each["data"]["text/plain"] for each in cell["outputs"] if "data" in each] for cell in found]
    return [
        ("".join(cell["source"]), "".join(each[0]) if each else "") for cell, each in zip(found, shown, strict=True)
    ]


@pytest.mark.timeout(300)
def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    values = [run_cell(source, names) for source, _ in cells()]

    shown = [text for _, text in cells()]
    assert repr(values[0]) == shown[0]  # the cells of the study
    assert repr(values[1]) == shown[1] == "('complete', 6)"
    assert values[-1] == "digits/home/reports/digits-from-python/index.html"
    table = names["table"]
    assert list(table["state"]) == ["done"] * 6
    assert table["test/accuracy"].between(0.8, 1).all()


def run_cell(source: str, names: dict[str, Any]) -> object:
    """Run a cell as a notebook does and return the value of its last line, None where that is no expression."""
    tree = ast.parse(source)
    last = tree.body[-1]
    if not isinstance(last, ast.Expr):
        exec(compile(tree, "cell", "exec"), names)
        return None
    exec(compile(ast.Module(tree.body[:-1], []), "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)
