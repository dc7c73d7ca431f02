"""What README and the pages in docs/ tell people to type is there, and their matrix files are valid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.cli.options import app
from harness.matrix import load_study
from harness.plugins import Catalog

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "reports/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
MATRICES = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("matrix", MATRICES, ids=["first", "more"])
def test_a_matrix_of_the_readme_is_valid(matrix: str, tmp_path: Path) -> None:
    path = tmp_path / "matrix.yaml"
    path.write_text(matrix)
    assert len(load_study(path, Catalog()).cells) >= 9


def test_the_first_matrix_of_the_readme_has_ten_lines() -> None:
    assert len(MATRICES[0].splitlines()) == 10


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_commands_files_and_targets_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text()
    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    asked = re.findall(r"(?:^\$ |`)harness ([a-z][a-z-]*)", text, re.MULTILINE)
    assert set(asked) <= known
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^\$ |`)make (\w+)", text, re.MULTILINE)) <= targets
    links = [link for link in re.findall(r"\]\(([^)#:]+)\)", text) if not (page.parent / link).exists()]
    assert not links


def test_files_that_the_architecture_names_are_there() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    named = re.findall(r"[\w/]+\.py\b", text)
    missing = [name for name in named if not list(ROOT.glob(f"harness/**/{name}")) + list(ROOT.glob(f"*/{name}"))]
    assert len(named) > 30
    assert not missing
