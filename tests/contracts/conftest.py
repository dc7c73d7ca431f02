"""Each test with an argument `model`, `augmentation` ... runs for every component of that kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.plugins import BUILT_IN, KINDS, Catalog, Found

EXAMPLES: dict[str, Any] = {
    "path": "images",
    "lr": 0.1,
    "arch": "resnet18",
    "repo": "someone/animals",
    "backbone": {"name": "timm", "arch": "test_resnet", "weights": "none"},
}
"""Values for options without a default, and for the path that one of several options has to give."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    folders = metafunc.config.getoption("component_folders")
    catalog = Catalog(folders)
    for argument in {"component", *KINDS.values()} & set(metafunc.fixturenames):
        found = _of_kind(catalog, argument, [folder.resolve() for folder in folders] or list(BUILT_IN))
        metafunc.parametrize(argument, found, ids=[f"{each.kind}-{each.name}" for each in found])


def _of_kind(catalog: Catalog, argument: str, folders: list[Path]) -> list[Found]:
    kinds = sorted(set(KINDS.values())) if argument == "component" else [argument]
    every = [catalog.find(kind, name) for kind in kinds for name in catalog.names(kind)]
    return [each for each in every if each.path.resolve().parent in folders]


@pytest.fixture(scope="session")
def catalog(pytestconfig: pytest.Config) -> Catalog:
    return Catalog(pytestconfig.getoption("component_folders"))


def realize(component: Found, catalog: Catalog) -> Any:
    """Return the component with its defaults, and an example for each option without one."""
    fields = catalog.declare(component.kind, component.name).model_fields
    needed = {name: EXAMPLES[name] for name, field in fields.items() if field.is_required() or name == "path"}
    return catalog.realize(component.kind, component.name, needed)
