"""docs/plugins.md is true: its files pass the contract tests by its own command, and its study is valid."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.contracts import Dataset
from harness.data import load_splits
from harness.matrix import load_study
from harness.plugins import Catalog

ROOT = Path(__file__).parents[2]
NAMED_BLOCK = re.compile(r"^`([\w./]+)`.*?```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with every file of the page."""
    folder = tmp_path_factory.mktemp("page")
    for name, text in NAMED_BLOCK.findall((ROOT / "docs" / "plugins.md").read_text()):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_the_page_shows_a_component_of_each_kind_it_names(written: Path) -> None:
    catalog = Catalog([written / "my_components"])
    assert catalog.find("model", "patch_mlp").base == "NetworkModel"
    assert catalog.find("model", "nearest_mean").base == "ClassicalModel"
    assert catalog.find("augmentation", "negative")
    assert catalog.find("source", "blobs")


def test_its_components_pass_the_contract_tests_by_its_command(written: Path) -> None:
    asked = ["tests/contracts", "--plugins", str(written / "my_components"), "-k", "not documented_plugins", "-rA"]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", *asked]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout
    assert "model-patch_mlp" in answer.stdout
    assert "model-mlp" not in answer.stdout


def test_its_source_is_read_like_any_other(written: Path, tmp_path: Path) -> None:
    catalog = Catalog([written / "my_components"])
    splits = load_splits(Dataset.model_validate({"name": "blobs", "count": 100}), catalog, tmp_path)
    assert splits.classes == ("left", "right")
    assert len(splits.train) + len(splits.validation) == 100


def test_its_study_is_valid(written: Path) -> None:
    study = load_study(written / "my_study.yaml", Catalog([written / "my_components"]))
    assert [placed.cell.model.name for placed in study.cells] == ["patch_mlp", "nearest_mean"]
