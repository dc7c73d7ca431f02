"""What a cell is: its canonical form, its key, and the digest of the source behind it.

A key must stay what it is for as long as a cell's result does. So the canonical form leaves out
every setting that equals its default, the component's own or the recipe's: an option that is
added later, with a default that does what was done before, changes no key. The other side of it:
who changes the default of a component's option raises that component's `revision`, and who
changes a default of `Recipe` or `Cell` raises `REVISION` here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from harness.contracts import Cell, Choice, ClassicalModel, Component, Recipe
from harness.errors import InputError, nearest
from harness.files import known_digest
from harness.matrix.cell import FILE_OPTIONS, PATH_OPTIONS
from harness.matrix.checking import nested
from harness.plugins import Catalog, Found

REVISION: Final = 1
"""Raised when the same settings begin to mean something else; all keys change."""
PLACES: Final = frozenset({"labels", "repo", "commit", "folder"})
"""Options of a data set that say where it is told what the images are; like paths, they are in no key."""
_SCHEME: Final = "v3:"
"""What digests of sources begin with; raised where files of ours have moved or grown and results have not changed."""


def cell_key(cell: Cell, fingerprint: str, catalog: Catalog, *, reads: bool = True) -> str:
    """Return the 16 hex digits by which a cell's result is found again.

    Args:
        cell: a resolved cell.
        fingerprint: the digest of its data set's content.
        catalog: where its components' revisions and defaults are declared.
        reads: whether the files that its model starts from are read; without them it is the key of no cell that runs.

    Raises:
        InputError: such a file is not there and cannot be had.
    """
    form = canonical(cell, catalog)
    for option, path in _files(cell, catalog).items() if reads else ():
        *above, last = option.split(".")
        owner = form["model"]
        for name in above:
            owner = owner[name]
        owner[last] = f"sha256:{known_digest(path)}"
    return _digest({"data": fingerprint, "cell": form})


def _files(cell: Cell, catalog: Catalog) -> Mapping[str, Path]:
    """Return the model's files by option; it is asked only where an option names one, as that may import torch."""
    if not may_name_files(cell.model.options):
        return {}
    files: Mapping[str, Path] = catalog.realize("model", cell.model.name, cell.model.options).files()
    for option, path in files.items():
        if not path.is_file():
            beside = sorted(each.name for each in path.parent.iterdir()) if path.parent.is_dir() else ()
            raise InputError(f"model.{option}: {path}: no such file{nearest(path.name, beside)}")
    return files


def may_name_files(options: Mapping[str, Any]) -> bool:
    """Whether a model with these options may start from a file, such as pretrained weights."""
    inner = (value for value in options.values() if isinstance(value, Mapping))
    return any(map(may_name_files, inner)) or any(options.get(name, "none") != "none" for name in FILE_OPTIONS)


def fit_key(cell: Cell, fingerprint: str, catalog: Catalog) -> str:
    """Return the 16 hex digits by which a cell's fitted model is found again: the same for all that fit alike.

    What a test set is opened for changes no fit, nor does the seed of a model that draws nothing. For other cells that
    open their test set it is the key.
    """
    model = catalog.declare("model", cell.model.name)
    alike: dict[str, Any] = {"test": "once"}
    if issubclass(model, ClassicalModel) and model.deterministic:
        alike["seed"] = 0
    return cell_key(cell.model_copy(update=alike), fingerprint, catalog)


def canonical(cell: Cell, catalog: Catalog) -> dict[str, Any]:
    """Return exactly what can change a cell's result, but for the content of its data set and of its model's files.

    Of files there is the name at most; checkpoints, names of cells and everything of the machine are left out, and so
    is every setting that equals its default.
    """
    form: dict[str, Any] = {
        "revision": REVISION,
        "dataset": _dataset(cell, catalog),
        "model": _without_folders(_part("model", cell.model, catalog)),
        "seed": cell.seed,
    }
    if cell.recipe is not None:
        form["recipe"] = _recipe(cell.recipe, catalog)
    return form | _unlike_defaults(Cell, {"train_on": cell.train_on, "test": cell.test})


def _without_folders(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model's options with the folders of its files left out."""
    inner = {name: _without_folders(value) for name, value in model.items() if isinstance(value, Mapping)}
    return {**model, **inner, **{name: Path(model[name]).name for name in FILE_OPTIONS & model.keys()}}


def _dataset(cell: Cell, catalog: Catalog) -> dict[str, Any]:
    source = Choice(name=cell.dataset.name, **_without(cell.dataset.options, PATH_OPTIONS | PLACES))
    validation = cell.dataset.validation.model_dump(mode="json", exclude_none=True)
    if "groups" in validation:
        validation["groups"] = Path(validation["groups"]).name
    form = {**_part("source", source, catalog), "validation": validation}
    if cell.dataset.groups is not None:
        form["groups"] = Path(cell.dataset.groups).name
    if cell.dataset.limit is not None:
        form["limit"] = cell.dataset.limit.model_dump(mode="json", exclude_none=True)
    return form


def _recipe(recipe: Recipe, catalog: Catalog) -> dict[str, Any]:
    form = _unlike_defaults(Recipe, recipe.model_dump(mode="json", exclude={"checkpoint"}))
    form["optimizer"] = _part("optimizer", recipe.optimizer, catalog)
    form["schedule"] = _part("schedule", recipe.schedule, catalog)
    if recipe.augment:
        form["augment"] = [_part("augmentation", each, catalog) for each in recipe.augment]
    return form


def _part(kind: str, choice: Choice, catalog: Catalog) -> dict[str, Any]:
    model: type[Component] = catalog.declare(kind, choice.name)
    inner = nested(model)
    options = {
        name: _unlike_defaults(inner[name], value) if name in inner and isinstance(value, Mapping) else value
        for name, value in _unlike_defaults(model, choice.options).items()
    }
    return {"name": choice.name, "revision": model.revision, **options}


def _unlike_defaults(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    defaults = _defaults(model)
    return {name: value for name, value in values.items() if name not in defaults or defaults[name] != value}


@lru_cache(maxsize=1024)
def _defaults(model: type[BaseModel]) -> dict[str, Any]:
    """Return the defaults of a model's fields as JSON-like data; required fields have none."""
    optional = {name: field for name, field in model.model_fields.items() if not field.is_required()}
    given = {name: field.get_default(call_default_factory=True) for name, field in optional.items()}
    dumped = model.model_construct(**given).model_dump(mode="json", include=set(given))
    return dict(dumped)


def _without(options: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in names}


def _digest(form: Any) -> str:
    return sha256(json.dumps(form, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def sources_digest(cell: Cell, catalog: Catalog) -> str:
    """Return the digest of the sources of all components that a cell uses, with what they import of ours.

    Raises:
        PluginError: one of the files is no Python.
    """
    return _SCHEME + _digest([[each.kind, each.name, each.source_digest] for each in _used(cell, catalog)])


def is_same_source(recorded: str | None, present: str) -> bool:
    """Whether a run was made by the present source of its components, as far as its record can tell.

    A digest of an earlier scheme is taken for the same: files of ours have moved since, so that each of those runs
    would be stale, and for nothing.
    """
    is_older = recorded is not None and present.startswith(_SCHEME) and not recorded.startswith(_SCHEME)
    return is_older or recorded == present


def _used(cell: Cell, catalog: Catalog) -> Iterator[Found]:
    yield catalog.find("source", cell.dataset.name)
    yield catalog.find("model", cell.model.name)
    if cell.recipe is not None:
        yield catalog.find("optimizer", cell.recipe.optimizer.name)
        yield catalog.find("schedule", cell.recipe.schedule.name)
        for each in cell.recipe.augment:
            yield catalog.find("augmentation", each.name)
