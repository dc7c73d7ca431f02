"""What was compared: the settings that differ between variants, those that all share, and each network's layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue, ValidationError

from harness.contracts import Cell, Layer
from harness.contracts.running import LAYERS, LAYERS_FILE
from harness.matrix import flatten
from harness.report.blocks import Block, Column, Fact, Facts, Fold, Section, Table, Text, Value, named
from harness.report.context import Context
from harness.report.variants import Variant, dataset_name
from harness.words import NOTHING, scaled, value_text, whole

Settings = Mapping[str, JsonValue]
LONGEST_NUMBER: Final = 7
LAYER_COLUMNS: Final = (
    Column("layer", numeric=False),
    Column("kind", numeric=False),
    Column("output C x H x W"),
    Column("parameters"),
    Column("FLOPs", hint="of a forward pass over one image"),
)
UNIMPORTANT: Final = ("recipe.checkpoint", "recipe.channels_last", "recipe.precision")
"""Settings that say how a fit runs rather than what is fitted: never in the table."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A column: settings that belong together by the start of their paths."""

    title: str
    start: str


PARTS: Final = (
    _Part("data", "dataset"),
    _Part("train on", "train_on"),
    _Part("test set", "test"),
    _Part("model", "model"),
    _Part("epochs", "recipe.epochs"),
    _Part("batch size", "recipe.batch_size"),
    _Part("optimizer", "recipe.optimizer"),
    _Part("schedule", "recipe.schedule"),
    _Part("augmentation", "recipe.augment"),
    _Part("other settings", "recipe"),
)


def section(context: Context) -> Section | None:
    """Return the table of settings with the layers of networks folded below; None without a variant."""
    variants = context.variants
    if not variants:
        return None
    settings = [_settings(variant.cell) for variant in variants]
    shared = _shared(settings)
    blocks: list[Block] = []
    if len(variants) > 1:
        blocks.append(settings_table(variants))
    title = "Settings that all of them share" if len(variants) > 1 else f"Settings of {variants[0].name}"
    if shared:
        facts = tuple(Fact(path, _plain(value)) for path, value in shared.items())
        blocks.append(Fold(f"{title} ({len(facts)})", (Facts(facts),), is_open=len(variants) == 1))
    return Section("compared", "What was compared", (*blocks, *_layers(context)))


def settings_table(variants: Sequence[Variant]) -> Table:
    """Return one row a variant; of its settings those that not all variants share, by what they belong to."""
    settings = [_settings(variant.cell) for variant in variants]
    shared = _shared(settings)
    hidden = {*shared, *(path for each in settings for path in each if path.startswith(UNIMPORTANT))}
    differing = [{path: value for path, value in each.items() if path not in hidden} for each in settings]
    parts = [part for part in PARTS if any(_of(part, each) for each in differing)]
    columns = [Column("experiment", numeric=False), *(Column(part.title, numeric=False) for part in parts)]
    rows = [
        [variant.name, *(_text(part, each) for part in parts)]
        for variant, each in zip(variants, differing, strict=True)
    ]
    seeds = [", ".join(str(entry.seed) for entry in variant.entries) for variant in variants]
    if len(set(seeds)) > 1:
        columns.append(Column("seeds", numeric=False))
        rows = [[*row, each] for row, each in zip(rows, seeds, strict=True)]
    return Table("Settings that differ", tuple(columns), tuple(tuple(map(named, row)) for row in rows))


def _settings(cell: Cell) -> Settings:
    """Return a cell's settings by path; a data set by its name, a component's name at the component's own path."""
    found = {path: value for path, value in flatten(cell).items() if path != "seed" and value is not None}
    found["dataset.name"] = dataset_name(cell.dataset)
    return {path: value for path, value in found.items() if path != "dataset.path"}


def _shared(settings: Sequence[Settings]) -> dict[str, JsonValue]:
    """Return what all variants have alike; what belongs to a recipe, all that are trained by one."""
    trained = [each for each in settings if any(path.startswith("recipe.") for path in each)]
    found: dict[str, JsonValue] = {}
    for path in dict.fromkeys(path for each in settings for path in each):
        of = trained if path.startswith("recipe.") else settings
        values = [each.get(path) for each in of]
        if all(value == values[0] for value in values):
            found[path] = values[0]
    return found


def _of(part: _Part, settings: Settings) -> dict[str, JsonValue]:
    """Return the settings of a part that no part before it takes."""
    earlier = PARTS[: PARTS.index(part)]
    return {
        path: value
        for path, value in settings.items()
        if _is_below(path, part.start) and not any(_is_below(path, each.start) for each in earlier)
    }


def _is_below(path: str, start: str) -> bool:
    return path == start or path.startswith(f"{start}.")


def _text(part: _Part, settings: Settings) -> str:
    """Return a part's settings: a component by its name, then its options."""
    own = _of(part, settings)
    name = own.pop(f"{part.start}.name", None)
    options = [
        _plain(value) if path == part.start else f"{path[len(part.start) + 1 :]} {_plain(value)}"
        for path, value in own.items()
    ]
    return ", ".join([*([str(name)] if name is not None else []), *options]) or NOTHING


def _plain(value: JsonValue) -> str:
    """Return a setting's value, a long number with four figures."""
    text = value_text(value, full=True) or "none"
    return f"{value:.4g}" if isinstance(value, float) and len(text) > LONGEST_NUMBER else text


def _layers(context: Context) -> Iterator[Block]:
    """Yield a fold for each network, named by all variants that have these layers."""
    found: dict[tuple[Layer, ...], list[str]] = {}
    for variant in context.pictured:
        layers = _layers_of(variant, context)
        if layers:
            found.setdefault(layers, []).append(variant.name)
    for layers, names in found.items():
        yield Fold(f"Layers of {_named(names)}", (_layer_table(layers),))
    trained = [variant for variant in context.pictured if variant.cell.recipe is not None and variant.finished]
    if trained and not found:
        yield Text("These runs were made before networks' layers were logged; harness show MODEL prints them.", "muted")


def _layers_of(variant: Variant, context: Context) -> tuple[Layer, ...]:
    runs = [entry.run.run_id for entry in variant.finished[:1] if entry.run is not None]
    paths = [context.store.artifact(run, LAYERS_FILE) for run in runs if variant.cell.recipe is not None]
    try:
        return next((LAYERS.validate_json(path.read_bytes()) for path in paths if path is not None), ())
    except ValidationError:  # written by another version
        return ()


def _named(names: Sequence[str]) -> str:
    more = len(names) - 3
    return ", ".join(names[:3]) + (f" and {more} more" if more > 0 else "")


def _layer_table(layers: Sequence[Layer]) -> Table:
    rows = tuple(
        (
            named(layer.name),
            named(layer.kind),
            Value(" x ".join(map(str, layer.output_shape))),
            Value(whole(layer.parameters) if layer.parameters else "", layer.parameters),
            Value(scaled(layer.flops) if layer.flops else "", layer.flops),
        )
        for layer in layers
    )
    total = sum(layer.parameters for layer in layers)
    return Table(f"{len(layers)} layers, {total:,} parameters", LAYER_COLUMNS, rows, sortable=False)
