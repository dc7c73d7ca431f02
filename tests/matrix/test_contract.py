"""The example of the documentation with the real components, and what loading may cost."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from harness.contracts import Choices, Range
from harness.errors import MatrixError
from harness.matrix import flatten, load_study
from harness.matrix.nodes import Mark, Problems, plain
from harness.matrix.yaml_text import parse
from harness.plugins import Catalog

EXAMPLE = Path(__file__).with_name("contract.yaml")


@pytest.fixture(scope="module")
def real() -> Catalog:
    return Catalog()


def test_the_documented_example_loads(real: Catalog) -> None:
    study = load_study(EXAMPLE, real)
    assert study.name == "cifar10-baselines"
    by_experiment: dict[str, int] = {}
    for each in study.cells:
        by_experiment[each.places[0].experiment] = by_experiment.get(each.places[0].experiment, 0) + 1
    assert by_experiment == {"hog-svm": 1, "mlp": 3, "pixel-logistic": 3, "small-vgg": 12, "regularizers": 9}
    assert not study.partial


def test_the_documented_example_means_what_it_says(real: Catalog) -> None:
    study = load_study(EXAMPLE, real)
    cells = {each.name: each.cell for each in study.cells}
    assert cells["hog-svm s0"].recipe is None
    assert cells["mlp s2"].train_on == "train+val"
    assert cells["pixel-logistic s0"].test == "never"
    assert "small-vgg label_smoothing=0.1 lr=0.05 epochs=60 s0" not in cells
    assert flatten(cells["small-vgg small-vgg-nobn s1"])["model.norm"] == "none"
    assert flatten(cells["regularizers - schedule s0"])["recipe.schedule.name"] == "constant"
    tune = study.tune["small-vgg"]
    assert tune.timeout == 7200
    assert tune.space["recipe.optimizer.lr"] == Range(low=0.001, high=1, log=True)
    assert tune.space["model.dropout"] == Choices(choices=(0.0, 0.1, 0.3))
    assert (study.claims[0].value, study.budget.hours, study.report.baseline) == (0.91, 12, "hog-svm")


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in entries:
        yield (*path, name)
        yield from places(each, (*path, name))


def replaced(document: Any, path: tuple[str | int, ...], value: object) -> Any:
    copy = deepcopy(document)
    inner = copy
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return copy


@pytest.mark.parametrize("value", [None, [{"name": 3}]], ids=str)
def test_no_value_anywhere_ends_in_anything_but_a_matrix_error(real: Catalog, tmp_path: Path, value: object) -> None:
    document = plain(parse(EXAMPLE.read_text(), Mark(0, 1, 1, "m"), Problems()))
    file = tmp_path / "matrix.yaml"
    refused = 0
    for path in places(document):
        file.write_text(json.dumps(replaced(document, path, value)))
        try:
            load_study(file, real)
        except MatrixError as error:
            refused += 1
            assert all(problem.startswith(f"{file}:1:") for problem in error.problems)
    assert refused > 100


def test_a_thousand_cells_load_in_about_a_second(real: Catalog, tmp_path: Path) -> None:
    head = EXAMPLE.read_text().partition("experiments:")[0].replace("seeds: [0, 1, 2]", "seeds: [0]")
    tens = ", ".join(str(each / 100) for each in range(1, 11))
    axes = f"recipe.optimizer.lr: [{tens}], recipe.label_smoothing: [{tens}], model.dropout: [{tens}]"
    file = tmp_path / "big.yaml"
    file.write_text(f"{head}experiments: {{v: {{model: small_vgg, matrix: {{{axes}}}}}}}\n")
    started = time.process_time()
    assert len(load_study(file, real).cells) == 1000
    assert time.process_time() - started < 2


def test_importing_the_spec_and_loading_a_file_needs_no_torch_and_no_mlflow() -> None:
    code = f"""
import sys
from pathlib import Path
from harness.plugins import Catalog
from harness.matrix import json_schema, load_study
load_study(Path({str(EXAMPLE)!r}), Catalog())
json_schema(Catalog())
print([name for name in ("torch", "mlflow", "sklearn", "torchvision", "numpy", "optuna") if name in sys.modules])
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_small_file_loads_in_a_third_of_a_second(real: Catalog) -> None:
    started = time.process_time()
    load_study(EXAMPLE, real)
    assert time.process_time() - started < 0.3
