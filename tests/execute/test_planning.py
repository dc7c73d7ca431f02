import subprocess
import sys
import time
from pathlib import Path

from harness.execute.plan import make_plan
from harness.matrix import Study, load_study
from harness.plugins import Catalog

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


def test_planning_imports_no_torch() -> None:
    code = "import sys; import harness.execute.plan, harness.execute.driver; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_worker_imports_no_mlflow() -> None:
    code = "import sys; import harness.execute.worker; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
