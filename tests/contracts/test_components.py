from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import BaseModel

from harness.matrix import meanings
from harness.plugins import Catalog, Found
from tests.contracts.conftest import realize


def test_what_is_declared_is_what_is_realized(component: Found, catalog: Catalog) -> None:
    declared = catalog.declare(component.kind, component.name)
    realized = type(realize(component, catalog))
    assert declared.model_json_schema() == realized.model_json_schema()
    assert declared.revision == realized.revision


def test_revision_is_a_positive_whole_number(component: Found, catalog: Catalog) -> None:
    revision = catalog.declare(component.kind, component.name).revision
    assert isinstance(revision, int)
    assert revision >= 1


def test_every_component_says_what_it_is(component: Found, catalog: Catalog) -> None:
    declared = catalog.declare(component.kind, component.name)
    assert "__doc__" in vars(declared)
    assert (declared.__doc__ or "").strip()


def test_every_option_is_documented(component: Found, catalog: Catalog) -> None:
    declared = catalog.declare(component.kind, component.name)
    silent = [name for name in _own(declared) if name not in meanings(declared)]
    assert not silent, f"{component.path}: say what these options do, under Attributes: in the docstring: {silent}"


def test_every_option_says_which_values_it_takes(component: Found, catalog: Catalog) -> None:
    declared = catalog.declare(component.kind, component.name)
    schema = declared.model_json_schema()
    open_ended = [name for name in _own(declared) if not _bounded(schema["properties"][name], schema)]
    assert not open_ended, f"{component.path}: give these options bounds: {open_ended}"


def test_options_cannot_change_and_unknown_ones_are_refused(component: Found, catalog: Catalog) -> None:
    settings = catalog.declare(component.kind, component.name).model_config
    assert settings["frozen"]
    assert settings["extra"] == "forbid"


def test_declaring_everything_imports_nothing_slow(pytestconfig: pytest.Config) -> None:
    program = (
        "import sys; from pathlib import Path; from harness.plugins import Catalog, KINDS\n"
        "catalog = Catalog([Path(each) for each in sys.argv[1:]])\n"
        "every = [(kind, name) for kind in set(KINDS.values()) for name in catalog.names(kind)]\n"
        "count = sum(1 for kind, name in every if catalog.declare(kind, name))\n"
        "slow = {'torch', 'torchvision', 'timm', 'mlflow', 'sklearn', 'skimage', 'PIL', 'pyarrow'} & set(sys.modules)\n"
        "print(count, *sorted(slow))"
    )
    folders = [str(folder) for folder in pytestconfig.getoption("component_folders")]
    answer = subprocess.run([sys.executable, "-c", program, *folders], capture_output=True, text=True, check=True)
    count, *slow = answer.stdout.split()
    assert int(count) > 0
    assert not slow


def _own(declared: type[BaseModel]) -> list[str]:
    """Options that the component adds to those of its base class."""
    inherited = declared.__mro__[1]
    assert issubclass(inherited, BaseModel)
    return [name for name in declared.model_fields if name not in inherited.model_fields]


def _bounded(schema: dict[str, Any], whole: dict[str, Any]) -> bool:
    """Whether numbers in a JSON schema have bounds; text, truth values and choices need none."""
    if "$ref" in schema:
        inner = whole["$defs"][schema["$ref"].rpartition("/")[2]]
        return all(_bounded(each, whole) for each in inner.get("properties", {}).values())
    if "enum" in schema or "const" in schema:
        return True
    if schema.get("type") in {"integer", "number"}:
        return bool({"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"} & set(schema))
    parts = [*schema.get("anyOf", []), *schema.get("prefixItems", [])]
    parts += [schema["items"]] if isinstance(schema.get("items"), dict) else []
    return all(_bounded(part, whole) for part in parts)
