"""A plan, where its cells stand, devices and threads that it is run with."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.execute.plan import RunSettings, follow, make_plan, states
from harness.matrix import Study, load_study
from harness.measure.environment import choose_device, usable_cores
from harness.plugins import Catalog
from harness.track import Store

MATRIX = """
version: 1
study: digits
dataset: {name: digits, validation: {size: 200, seed: 0}}
seeds: [0, 1]
experiments:
  floor: {model: majority}
  pixels: {model: logistic}
"""


def study_in(folder: Path) -> Study:
    path = folder / "matrix.yaml"
    path.write_text(MATRIX)
    return load_study(path, Catalog())


def test_a_plan_has_every_cell_with_its_key_and_fingerprint(tmp_path: Path) -> None:
    plan = make_plan(study_in(tmp_path), Catalog(), tmp_path / "cache")
    assert plan.study == "digits" and len(plan.cells) == 4
    assert len({planned.key for planned in plan.cells}) == 4
    assert len({planned.data_fingerprint for planned in plan.cells}) == 1
    assert all(len(planned.key) == 16 for planned in plan.cells)


def test_the_same_study_gives_the_same_plan_and_quickly_once_cached(tmp_path: Path) -> None:
    study = study_in(tmp_path)
    first = make_plan(study, Catalog(), tmp_path / "cache")
    begun = time.perf_counter()
    assert make_plan(study, Catalog(), tmp_path / "cache") == first
    assert time.perf_counter() - begun < 1


NETWORKS = """
version: 1
study: digits
dataset: {name: digits, validation: {size: 200, seed: 0}}
experiments:
  floor: {model: majority}
  cnn: {model: small_cnn}
  perceptron: {model: mlp}
"""


def test_a_changed_building_block_makes_every_cell_stale_that_uses_it(tmp_path: Path, store: Store) -> None:
    copy = shutil.copytree(Path(__file__).parents[2] / "baselines", tmp_path / "copy")
    catalog, path = Catalog([copy]), tmp_path / "matrix.yaml"
    path.write_text(NETWORKS)
    study = load_study(path, catalog)
    plan = make_plan(study, catalog, tmp_path / "cache")
    for planned in plan.cells:
        tags = {"harness.key": planned.key, "harness.source_digest": planned.source_digest}
        store.end(store.start_run("digits", "cell", planned.name, tags=tags), "FINISHED")
    assert [each.state for each in states(plan, store)] == ["done", "done", "done"]

    blocks = copy / "_layers.py"
    blocks.write_text(blocks.read_text().replace("nn.ReLU()", "nn.GELU()"))
    again = make_plan(study, catalog, tmp_path / "cache")
    assert [each.key for each in again.cells] == [each.key for each in plan.cells]
    assert {each.planned.name: each.state for each in states(again, store)} == {
        "floor s0": "done",
        "cnn s0": "stale",
        "perceptron s0": "stale",
    }


def test_cells_are_found_again_in_a_logged_plan_when_their_weights_have_moved_or_gone(tmp_path: Path) -> None:
    pytest.importorskip("timm")
    text = f"{MATRIX}  tuned: {{model: {{name: timm, arch: test_resnet, weights: WEIGHTS}}}}\n"
    path, weights = tmp_path / "matrix.yaml", tmp_path / "weights.bin"
    weights.write_bytes(b"weights")
    path.write_text(text.replace("WEIGHTS", "weights.bin"))
    logged = make_plan(load_study(path, Catalog()), Catalog(), tmp_path / "cache")
    weights.unlink()
    path.write_text(text.replace("WEIGHTS", "elsewhere/weights.bin"))
    moved = follow(load_study(path, Catalog()), [logged], Catalog())
    assert [each.key for each in moved.cells] == [each.key for each in logged.cells]
    path.write_text(text.replace("WEIGHTS", "others.bin"))
    others = follow(load_study(path, Catalog()), [logged], Catalog())
    assert [each.key in {cell.key for cell in logged.cells} for each in others.cells] == [True] * 4 + [False] * 2


def test_planning_imports_no_torch() -> None:
    code = "import sys; import harness.execute.plan, harness.execute.driver; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_workers_share_the_cores(tmp_path: Path) -> None:
    assert RunSettings(home=tmp_path, workers=1).threads == usable_cores()
    assert RunSettings(home=tmp_path, workers=10_000).threads == 1


def test_the_cache_is_below_home_unless_named(tmp_path: Path) -> None:
    assert RunSettings(home=tmp_path).cache_folder == tmp_path / "cache"
    assert RunSettings(home=tmp_path, cache=tmp_path / "other").cache_folder == tmp_path / "other"


def test_the_processor_is_always_a_device() -> None:
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") in {"cpu", "cuda:0"}


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="cuda:99"):
        choose_device("cuda:99")
