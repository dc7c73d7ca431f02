"""Writes `docs/reference.md`: every key of the matrix file, component, metric and command.

Types, defaults and meanings are those of the JSON Schema, which has them from the models that parse a file; commands
are those that typer serves. The examples alone are written by hand, in `examples.yaml`: a key that none shows is an
error, and a test loads each of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import typer
from ruamel.yaml import YAML

from harness.cli.options import app
from harness.contracts.metrics import METRICS, Metric
from harness.matrix import json_schema, summary, type_words
from harness.plugins import Catalog

PAGE: Final = Path(__file__).with_name("reference.md")
HEAD: Final = """\
# Reference
Every key of the matrix file, every component, metric and command. `make docs` writes this page from the models that
parse them, so it says what the code does. Guides: [the report](report.md), [tuning](tuning.md), [plugins](plugins.md).
"""
EDITORS: Final = """\
## Hints in editors
`harness schema > matrix.schema.json` writes a JSON Schema of the matrix file, with your own components too where
`--plugins` names their folder. Editors that speak YAML (VS Code with the YAML extension, Neovim and Emacs with
yaml-language-server) then complete keys, explain them and underline mistakes, if the file's first line is
```yaml
# yaml-language-server: $schema=matrix.schema.json
```
`harness validate FILE` knows more than a schema can: what a merged experiment ends up with.
"""
PATHS: Final = """\
One grammar names a setting everywhere: `recipe.optimizer.lr` is a key below `recipe:`, an axis under `matrix:`, a
dimension of a search, an argument of `--set`, a parameter in MLflow and a column of the results. A component of a list
goes by its name: `recipe.augment.crop.pad`. Relative paths of files are relative to the matrix file.
"""
EXAMPLES: Final[Mapping[str, str]] = YAML(typ="safe", pure=True).load(PAGE.with_name("examples.yaml"))
"""Section -> a matrix file that shows each of its keys; what is missing, `BASE` brings."""
BASE: Final = """\
version: 1
study: my-images
dataset: {name: digits}
experiments: {hog-svm: {model: hog_svm}, small-vgg: {model: small_vgg}}
"""
"""What every example stands on, as if it extended a file of this."""
KINDS: Final = {
    "model": ("Models", "model: {0}"),
    "source": ("Sources of images", "dataset: {0}"),
    "optimizer": ("Optimizers", "optimizer: {0}"),
    "schedule": ("Schedules", "schedule: {0}"),
    "augmentation": ("Augmentations", "augment: [{0}]"),
}
"""Kind of component -> heading, and the key that it stands under."""
LINKS: Final = {
    "#/$defs/dataset": "[data set](#dataset)",
    "#/$defs/model": "[model](#models)",
    "#/$defs/recipe": "[recipe](#recipe)",
    "#/$defs/optimizer": "[optimizer](#optimizers)",
    "#/$defs/schedule": "[schedule](#schedules)",
    "#/$defs/augmentation": "[augmentation](#augmentations)",
    "#/$defs/space": "[space](#tunespace)",
    "#/$defs/axes": "mapping from paths to lists",
    "#/$defs/values": "mapping from paths to values",
    "metrics": "[metric](#metrics)",
    "sources": "[source](#sources-of-images)",
    "value": "value of the path",
}
"""What a schema refers to -> what it is called."""
UNITS: Final = {
    "share": "share of 1",
    "loss": "nats",
    "count": "number",
    "operations": "operations",
    "rate": "a second",
    "seconds": "seconds",
    "bytes": "bytes",
    "joules": "joules",
    "epoch": "epoch",
    "number": "number",
}
GIVEN: Final = {
    "repo": "ylecun/mnist",
    "path": "pictures",
    "arch": "resnet18",
    "backbone": {"name": "timm", "arch": "resnet18"},
}
"""What examples of components show of options without a default, and where files of one's own are read."""
Schema = Mapping[str, Any]


def reference() -> str:
    """Return the page.

    Raises:
        ValueError: an example does not show a key of its section.
    """
    catalog = Catalog()
    body = "\n".join([EDITORS, *_matrix_file(json_schema(catalog)), *_components(catalog), _metrics(), *_commands()])
    return f"{HEAD}\n{_contents(body)}\n{body}"


def component_examples(catalog: Catalog) -> Iterator[str]:
    """Yield a matrix file for each component, with the example that the page shows of it."""
    for kind in KINDS:
        for name in catalog.names(kind):
            line = _component_example(kind, name, catalog)
            below = {"model": "experiments: {example: {%s, test: never}}", "source": "%s"}.get(
                kind, "defaults: {recipe: {%s}}"
            )
            yield below % line + "\n"


def _contents(body: str) -> str:
    headings = re.findall(r"^(##|###) (.+)$", body, re.MULTILINE)
    return "".join(f"{'  ' * (len(level) - 2)}- [{title}](#{_anchor(title)})\n" for level, title in headings)


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *[[each.replace("|", "\\|") for each in row] for row in rows]]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _matrix_file(schema: Schema) -> Iterator[str]:
    """Yield a table and an example for each mapping of the file that has keys of its own."""
    values, sections = schema["$defs"]["values"]["properties"], schema["properties"]
    experiment = sections["experiments"]["additionalProperties"]["anyOf"][1]
    ablation, tune = (sections[name]["additionalProperties"] for name in ("ablations", "tune"))
    span, dimensions = schema["$defs"]["range"], schema["$defs"]["space"]["properties"]
    choices = next(iter(dimensions.values()))["anyOf"][1]
    yield f"## The matrix file\n{PATHS}"
    yield _section("The file", {"properties": sections, "required": ["version", "study", "experiments"]})
    beside = {name: values[f"dataset.{name}"] for name in ("name", "validation", "groups", "limit")}
    yield _section("dataset", {"properties": beside, "required": ["name"]})
    yield _section("dataset.validation", beside["validation"])
    yield _section("dataset.limit", beside["limit"])
    yield _section("experiments", experiment)
    yield _section("model.backbone", values["model.backbone"])
    yield _section("recipe", schema["$defs"]["recipe"])
    for name in ("ema", "lookahead", "freeze", "early_stopping", "checkpoint"):
        yield _section(f"recipe.{name}", values[f"recipe.{name}"])
    yield _section("ablations", ablation)
    yield _section("tune", tune)
    yield _section("tune.objective", tune["properties"]["objective"])
    yield _section("tune.space", {**span, "properties": {**span["properties"], **choices["properties"]}})
    for name in ("constraints", "confirm", "final"):
        yield _section(f"tune.{name}", tune["properties"][name])
    yield _section("claims", sections["claims"]["items"])
    yield _section("budget", sections["budget"])
    yield _section("report", sections["report"])


def _section(title: str, schema: Schema) -> str:
    """Return heading, table and example of one mapping."""
    mapping, example = _mapping(schema), EXAMPLES[title]
    for key in mapping["properties"]:
        if not re.search(rf"(^|[\s{{]){re.escape(key)}:", example):
            raise ValueError(f"the example of {title} does not show {key}; add it in examples.yaml")
    rows = _rows(mapping)
    return f"### {title}\n{_table(('key', 'type', 'default', 'meaning'), rows)}```yaml\n{example}```\n"


def _mapping(schema: Schema) -> Schema:
    """Return the alternative of a schema that is a mapping with keys, or the items of a list that are."""
    if "properties" in schema:
        return schema
    inner = [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else [])]
    return next(_mapping(each) for each in inner if each.get("type") != "null")


def _rows(mapping: Schema) -> list[list[str]]:
    required = mapping.get("required", ())
    return [
        [f"`{key}`", _type(each), "**required**" if key in required else _default(each), each["description"]]
        for key, each in mapping["properties"].items()
    ]


def _default(schema: Schema) -> str:
    return f"`{_flow(schema['default'])}`" if "default" in schema else ""


def _flow(value: object) -> str:
    """Return a value as short YAML on one line; of a mapping what is null is left out."""
    match value:
        case str():
            return value or '""'
        case dict() if list(value) == ["name"]:
            return str(value["name"])
        case dict():
            return f"{{{', '.join(f'{key}: {_flow(each)}' for key, each in value.items() if each is not None)}}}"
        case list() | tuple():
            return f"[{', '.join(map(_flow, value))}]"
    return json.dumps(value)


def _type(schema: Schema) -> str:
    """Return in words what values a schema takes, with links to what is explained elsewhere."""
    return type_words(_linked(schema), LINKS)


def _linked(schema: Any) -> Any:
    """Return a schema that refers to what is explained elsewhere: sources, metrics, a value at a path."""
    if isinstance(schema, list):
        return [_linked(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    names = schema.get("enum", [])
    if len(names) > 2 and set(names) <= set(METRICS):
        return {"$ref": "metrics"}
    if names and names == list(Catalog().names("source")):
        return {"$ref": "sources"}
    if str(schema.get("$ref", "")).startswith("#/$defs/values/"):
        return {"$ref": "value"}
    return {key: _linked(each) for key, each in schema.items()}


def _components(catalog: Catalog) -> Iterator[str]:
    schema = json_schema(catalog)["$defs"]
    yield "## Components\nA bare name stands for `{name: ...}`. One of your own is a file: [plugins](plugins.md).\n"
    for kind, (title, _) in KINDS.items():
        yield f"### {title}"
        parts = {"source": "dataset"}
        for rule in schema[parts.get(kind, kind)]["anyOf"][1]["allOf"]:
            yield _component(kind, rule["if"]["properties"]["name"]["const"], rule["then"], catalog)


def _component(kind: str, name: str, schema: Schema, catalog: Catalog) -> str:
    own = catalog.declare(kind, name).model_fields
    options = {
        "properties": {key: each for key, each in schema["properties"].items() if key in own},
        "required": [key for key, field in own.items() if field.is_required()],
    }
    table = _table(("option", "type", "default", "meaning"), _rows(options)) if own else ""
    example = f"```yaml\n{_component_example(kind, name, catalog)}\n```\n"
    return f"#### {name}\n{summary(catalog.declare(kind, name))}\n\n{table}{example}"


def _component_example(kind: str, name: str, catalog: Catalog) -> str:
    """Return the component with its options at their defaults, or as they are given."""
    fields = catalog.declare(kind, name).model_fields
    given = {key: GIVEN.get(key, field.default) for key, field in fields.items()}
    options = {key: value for key, value in given.items() if value is not None}
    short = {name: options} if kind == "augmentation" and options else {"name": name, **options}
    return KINDS[kind][1].format(_flow(short))


def _metrics() -> str:
    head = ("metric", "what it is", "unit", "better", "measured", "may be named by")
    rows = [_metric(metric) for metric in METRICS.values()]
    note = "Names of metrics in MLflow, in `claims:`, `tune:` and the results.\n\n"
    return f"## Metrics\n{note}{_table(head, rows)}"


def _metric(metric: Metric) -> list[str]:
    measured = [*(["after each epoch"] if metric.is_per_epoch else []), *(["at the end"] if metric.is_final else [])]
    named = [
        *(["claims"] if metric.is_claimable else []),
        *(["objective"] if metric.use == "objective" else []),
        *(["objective (not the first), constraints"] if metric.use == "cost" else []),
    ]
    better = {"maximize": "higher", "minimize": "lower", None: ""}[metric.direction]
    words = f"{metric.words}: {metric.hint}" if metric.hint else metric.words
    return [f"`{metric.key}`", words, UNITS[metric.kind], better, ", ".join(measured), ", ".join(named)]


def _commands() -> Iterator[str]:
    group = typer.main.get_command(app)
    commands: Mapping[str, Any] = vars(group)["commands"]
    about = " ".join((group.help or "").split())
    yield f"## Commands\n{about}\n\nResults go to stdout, progress and messages to stderr.\n"
    shared = _shared(commands)
    rows = [[*_parameter(each), ", ".join(names)] for each, names in shared.values()]
    yield f"### Options of several commands\n{_table(('option', 'default', 'meaning', 'commands'), rows)}"
    for name, command in commands.items():
        own = [each for each in command.params if _identity(each) not in shared]
        others = [f"`{each.opts[-1]}`" for each in command.params if _identity(each) in shared]
        arguments = "".join(f" {_usage(each)}" for each in command.params if not each.opts[0].startswith("-"))
        table = _table(("argument or option", "default", "meaning"), [_parameter(each) for each in own]) if own else ""
        also = f"\nAlso {', '.join(others)}.\n" if others else ""
        about = " ".join((command.help or "").split())
        yield f"### harness {name}\n{about}\n```\nharness {name}{arguments}\n```\n{table}{also}"


def _shared(commands: Mapping[str, Any]) -> dict[tuple[object, ...], tuple[Any, list[str]]]:
    """Return the options that three commands or more have alike, with the names of those."""
    found: dict[tuple[object, ...], tuple[Any, list[str]]] = {}
    for name, command in commands.items():
        for each in command.params:
            found.setdefault(_identity(each), (each, []))[1].append(name)
    return {key: each for key, each in found.items() if len(each[1]) > 2 and str(key[0]).startswith("-")}


def _identity(parameter: Any) -> tuple[object, ...]:
    return parameter.opts[-1], str(parameter.default), parameter.help


def _parameter(parameter: Any) -> list[str]:
    is_option = parameter.opts[0].startswith("-")
    value = "" if not is_option or parameter.is_flag else f" {_metavar(parameter)}"
    names = ", ".join(f"`{each}{value}`" for each in parameter.opts) if is_option else f"`{_metavar(parameter)}`"
    default = "" if parameter.default in (None, (), False) else f"`{parameter.default}`"
    where = f" Also `${parameter.envvar}`." if parameter.envvar else ""
    return [names, "**required**" if parameter.required else default, f"{parameter.help or ''}{where}"]


def _usage(argument: Any) -> str:
    name = f"{_metavar(argument)}{'...' if argument.nargs < 0 else ''}"
    return name if argument.required else f"[{name}]"


def _metavar(parameter: Any) -> str:
    """Return what stands for a parameter's value: what it is called, or what may be chosen."""
    if parameter.metavar:
        return str(parameter.metavar)
    choices = getattr(parameter.type_descriptor.annotation, "__args__", ())
    named = all(isinstance(each, str) for each in choices) and bool(choices)
    return "|".join(choices) if named else str(parameter.name).upper()


if __name__ == "__main__":
    PAGE.write_text(reference())
