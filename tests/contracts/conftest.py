"""Each test with an argument `model`, `augmentation` ... runs for every component of that kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.plugins import BUILT_IN, KINDS, Catalog, Found


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
