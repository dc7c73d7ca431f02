"""The schema is checked by a reading of the few keywords that it uses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.matrix import json_schema
from harness.matrix.nodes import Mark, Problems, plain
from harness.matrix.yaml_text import parse
from harness.plugins import Catalog

EXAMPLE = Path(__file__).with_name("contract.yaml")
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}
NOTES = {"$schema", "$defs", "title", "description", "default", "format"}


def accepts(schema: dict[str, Any], value: Any, root: dict[str, Any]) -> bool:
    return all(holds(name, schema, value, root) for name in schema.keys() - NOTES)


def holds(name: str, schema: dict[str, Any], value: Any, root: dict[str, Any]) -> bool:
    wanted = schema[name]
    match name:
        case "$ref":
            found = accepts(pointed(wanted, root), value, root)
        case "enum":
            found = value in wanted
        case "const":
            found = value == wanted
        case "type":
            found = isinstance(value, TYPES[wanted]) and (wanted == "boolean" or not isinstance(value, bool))
        case "anyOf":
            found = any(accepts(each, value, root) for each in wanted)
        case "allOf":
            found = all(accepts(each, value, root) for each in wanted)
        case "if":
            found = not accepts(wanted, value, root) or accepts(schema["then"], value, root)
        case "then":
            found = True
        case "pattern":
            found = not isinstance(value, str) or re.search(wanted, value) is not None
        case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
            found = bounded(name, wanted, value)
        case "minLength" | "maxLength":
            found = not isinstance(value, str) or (
                len(value) >= wanted if name == "minLength" else len(value) <= wanted
            )
        case _:
            found = structured(name, schema, value, root)
    return bool(found)


def pointed(reference: str, root: dict[str, Any]) -> dict[str, Any]:
    found = root
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def bounded(name: str, bound: float, value: Any) -> bool:
    if not isinstance(value, int | float):
        return True
    lower, open_end = "inimum" in name, name.startswith("exclusive")
    return (value > bound if lower else value < bound) or (not open_end and value == bound)


def structured(name: str, schema: dict[str, Any], value: Any, root: dict[str, Any]) -> bool:
    if name in {"items", "prefixItems", "minItems", "maxItems", "uniqueItems"}:
        return not isinstance(value, list) or listed(name, schema, value, root)
    return not isinstance(value, dict) or mapped(name, schema, value, root)


def mapped(name: str, schema: dict[str, Any], value: dict[str, Any], root: dict[str, Any]) -> bool:
    wanted = schema[name]
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    match name:
        case "properties":
            found = all(accepts(each, value[key], root) for key, each in wanted.items() if key in value)
        case "patternProperties":
            found = all(
                accepts(each, value[key], root) for part, each in wanted.items() for key in value if part in key
            )
        case "propertyNames":
            found = all(accepts(wanted, key, root) for key in value)
        case "required":
            found = set(wanted) <= value.keys()
        case "minProperties":
            found = len(value) >= wanted
        case "maxProperties":
            found = len(value) <= wanted
        case "additionalProperties":
            rest = [value[key] for key in value if key not in known and not any(part in key for part in patterns)]
            found = not rest if wanted is False else wanted is True or all(accepts(wanted, each, root) for each in rest)
        case _:
            raise AssertionError(f"keyword {name} is not known to this test")
    return bool(found)


def listed(name: str, schema: dict[str, Any], value: list[Any], root: dict[str, Any]) -> bool:
    wanted = schema[name]
    match name:
        case "prefixItems":
            return all(accepts(each, item, root) for each, item in zip(wanted, value, strict=False))
        case "items":
            return all(accepts(wanted, each, root) for each in value[len(schema.get("prefixItems", ())) :])
        case "uniqueItems":
            return not wanted or all(each not in value[:place] for place, each in enumerate(value))
    return bool(len(value) >= wanted if name == "minItems" else len(value) <= wanted)


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json_schema(Catalog())


def document(text: str) -> Any:
    return plain(parse(text, Mark(0, 1, 1, "m"), Problems()))


def test_the_schema_is_of_draft_2020_12(schema: dict[str, Any]) -> None:
    assert schema["$schema"].endswith("draft/2020-12/schema")


def test_the_documented_example_is_accepted(schema: dict[str, Any]) -> None:
    assert accepts(schema, document(EXAMPLE.read_text()), schema)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("epochs: 40, batch", "epohcs: 40, batch"),
        ("epochs: 40, batch", "epochs: 0, batch"),
        ("name: sgd, lr: 0.1", "name: sgdd, lr: 0.1"),
        ("name: sgd, lr: 0.1", "name: adam, lr: 0.1"),
        ("pad: 4, mode: reflect", "pad: 4, mode: wrap"),
        ("{model: hog_svm,", "{model: hog_svn,"),
        ("name: small_vgg, dropout", "name: small_vgg, dropuot"),
        ("recipe.label_smoothing: [0.0, 0.1]", "recipe.label_smothing: [0.0, 0.1]"),
        ("recipe.label_smoothing: [0.0, 0.1]", "recipe.label_smoothing: 0.1"),
        ("order: leave_one_out", "order: leave_two_out"),
        ("sampler: tpe", "sampler: tpee"),
        ("test/accuracy, value", "test/acuracy, value"),
        ("timeout: 2h", "timeout: 2 hours"),
        ("timeout: 2h", "constraints: {model/params: 5}"),
        ("timeout: 2h", "constraints: {model/flops: 0}"),
        ("metric: val/accuracy, direction", "metric: test/accuracy, direction"),
        ("metric: val/accuracy, direction", "metric: model/flops, direction"),
        ("metric: val/accuracy, direction", "metric: [], direction"),
        ("metric: val/accuracy, direction", "metric: [model/flops, val/accuracy], direction"),
        ("metric: val/accuracy, direction", "metric: [val/accuracy, val/accuracy], direction"),
        ("direction: maximize", "direction: [up]"),
        ("recipe.label_smoothing: {low", "dataset.validation.seed: {low"),
        ("recipe.label_smoothing: {low", "train_on: {low"),
        ("choices: [0.0, 0.1, 0.3]", "choices: [0.1, 0.1]"),
        ("model.dropout: {choices: [0.0, 0.1, 0.3]}", "model.dropout: {choices: [0.0]}"),
        ("version: 1", "version: 3"),
        ("budget:", "bugdet:"),
    ],
)
def test_a_mistake_in_the_example_is_not_accepted(schema: dict[str, Any], before: str, after: str) -> None:
    text = EXAMPLE.read_text()
    assert before in text
    assert not accepts(schema, document(text.replace(before, after, 1)), schema)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("timeout: 2h", "timeout: null"),
        ("timeout: 2h", "constraints: {model/parameters: 1.0e6, time/train_seconds: 60}"),
        ("timeout: 2h", "constraints: null"),
        ("metric: val/accuracy, direction: maximize", "metric: [val/accuracy, time/train_seconds]"),
        ("direction: maximize", "direction: null"),
        (
            "metric: val/accuracy, direction: maximize",
            "metric: [val/loss, model/flops], direction: [minimize, minimize]",
        ),
        ("model.dropout: {choices: [0.0, 0.1, 0.3]}", "recipe.augment: {choices: [[], [flip], [{crop: {pad: 2}}]]}"),
    ],
)
def test_what_else_a_search_may_ask_for_is_accepted(schema: dict[str, Any], before: str, after: str) -> None:
    text = EXAMPLE.read_text()
    assert before in text
    changed = text.replace(before, after, 1)
    assert accepts(schema, document(changed), schema)


def keys(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every key that a mapping may have, anywhere in a schema, with its path there and its schema."""
    for name, value in schema.items() if isinstance(schema, dict) else enumerate(schema):
        if name == "properties" and not path.endswith(".if"):
            yield from ((f"{path}.{key}", each) for key, each in value.items())
        if isinstance(value, dict | list):
            yield from keys(value, f"{path}.{name}")


def test_every_key_says_what_it_means(schema: dict[str, Any]) -> None:
    found = list(keys(schema))
    assert len(found) > 500
    assert [path for path, each in found if not each.get("description")] == []


def test_meanings_come_from_the_docstrings_of_what_parses_the_file(schema: dict[str, Any]) -> None:
    recipe = schema["$defs"]["recipe"]["properties"]
    assert recipe["gradient_clip"]["description"] == "Largest L2 norm of the whole gradient; null for no limit."
    assert recipe["lookahead"]["anyOf"][0]["properties"]["every"]["description"].startswith("Steps between")
    values = schema["$defs"]["values"]["properties"]
    assert values["recipe.augment.crop.pad"]["description"] == "Pixels added on each side."
    assert "adam, adamw, sgd, sgdw: " in values["recipe.optimizer.lr"]["description"]
    assert schema["$defs"]["axes"]["properties"]["recipe.epochs"]["description"] == recipe["epochs"]["description"]


def test_an_option_of_a_plugin_without_a_docstring_is_accepted_all_the_same(catalog: Catalog) -> None:
    values = json_schema(catalog)["$defs"]["values"]["properties"]
    assert values["recipe.augment.shift.pad"] == {"default": 4, "exclusiveMinimum": 0, "type": "integer"}


def test_the_schema_says_how_editors_find_it(schema: dict[str, Any]) -> None:
    assert "# yaml-language-server: $schema=" in schema["description"]


def test_components_of_plugins_are_in_the_schema(catalog: Catalog) -> None:
    schema = json_schema(catalog)
    good = "version: 1\nexperiments: {a: {model: {name: net_a, width: 3}, recipe: {augment: [{shift: {pad: 2}}]}}}\n"
    assert accepts(schema, document(good), schema)
    assert not accepts(schema, document(good.replace("width", "depth")), schema)
    assert not accepts(schema, document(good.replace("pad: 2", "pad: 0")), schema)
