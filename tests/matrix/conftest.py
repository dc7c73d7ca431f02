from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import pytest

from harness.errors import MatrixError
from harness.matrix import Study, load_study
from harness.plugins import Catalog

Load: TypeAlias = Callable[..., Study]
Complain: TypeAlias = Callable[..., list[str]]

COMPONENTS = {
    "dots": """
from harness.contracts import Source

class Dots(Source):
    path: str | None = None
    train: str | None = None
    test: str | None = None
    resize: int | None = None
""",
    "net_a": """
from typing import Annotated, Literal
from pydantic import Field
from harness.contracts import NetworkModel

class NetA(NetworkModel):
    width: Annotated[int, Field(gt=0)] = 8
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    norm: Literal["batch", "none"] = "batch"
""",
    "net_b": """
from harness.contracts import NetworkModel

class NetB(NetworkModel):
    depth: int = 2
""",
    "fit_a": """
from harness.contracts import ClassicalModel

class FitA(ClassicalModel):
    strength: float = 1.0
""",
    "step_a": """
from harness.contracts import Optimizer

class StepA(Optimizer):
    lr: float = 0.1
    momentum: float = 0.0
""",
    "step_b": """
from harness.contracts import Optimizer

class StepB(Optimizer):
    lr: float = 0.001
    beta: float = 0.9
""",
    "flat": """
from harness.contracts import Schedule

class Flat(Schedule):
    pass
""",
    "stairs": """
from harness.contracts import Schedule

class Stairs(Schedule):
    milestones: tuple[int, ...] = (30, 60)
""",
    "shift": """
from typing import Annotated, Literal
from pydantic import Field
from harness.contracts import Augmentation

class Shift(Augmentation):
    pad: Annotated[int, Field(gt=0)] = 4
    mode: Literal["zeros", "reflect"] = "zeros"
""",
    "mirror": """
from harness.contracts import Augmentation

class Mirror(Augmentation):
    pass
""",
}

METHODS = {
    "Source": ("fetch", "stamp", "classes", "read"),
    "NetworkModel": ("network",),
    "ClassicalModel": ("build",),
    "Optimizer": ("build",),
    "Schedule": ("factor",),
    "Augmentation": ("change",),
}

HEAD = """\
version: 1
study: test
dataset: {name: dots, validation: {size: 10}}
defaults:
  recipe: {epochs: 5, optimizer: step_a, schedule: flat}
"""
"""Five lines; what a test writes after it begins on line 6."""

TUNED = """\
seeds: [0, 1]
experiments:
  a: {model: net_a, matrix: {model.width: [2, 3]}}
  f: {model: fit_a, seeds: [0]}
tune:
  a:
    trials: 4
"""
"""Behind HEAD: what a test writes after it begins on line 13, in the `tune:` entry of a."""
SPACE = "    space: {recipe.optimizer.lr: {low: 1e-3, high: 1, log: true}}\n"


@pytest.fixture(scope="session")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plugins")
    for name, text in COMPONENTS.items():
        base = next(each for each in METHODS if f"({each}):" in text)
        methods = [f"    def {method}(self, *given): raise NotImplementedError" for method in METHODS[base]]
        (folder / f"{name}.py").write_text("\n".join([text.rstrip(), *methods, ""]))
    return folder


@pytest.fixture(scope="session")
def catalog(plugins: Path) -> Catalog:
    return Catalog([plugins])


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, catalog: Catalog) -> Load:
    """Load a text, after HEAD unless `head` is given, as matrix.yaml of an empty current folder."""
    monkeypatch.chdir(tmp_path)

    def loaded(text: str, overrides: Sequence[str] = (), only: Sequence[str] = (), head: str = HEAD) -> Study:
        Path("matrix.yaml").write_text(head + text)
        return load_study(Path("matrix.yaml"), catalog, overrides, only)

    return loaded


@pytest.fixture
def complain(load: Load) -> Complain:
    """Return the problems of a text that cannot be loaded."""

    def complained(text: str, overrides: Sequence[str] = (), only: Sequence[str] = (), head: str = HEAD) -> list[str]:
        with pytest.raises(MatrixError) as error:
            load(text, overrides, only, head)
        assert error.value.exit_code == 2
        return list(error.value.problems)

    return complained
