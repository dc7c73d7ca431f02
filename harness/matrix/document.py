"""A matrix file as one document: read, merged over the files it extends, and those of its sections that are small.

The larger ones have a file each: `experiments`, `ablations`, `tune`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from harness.contracts import Budget, Cell, Claim, ClassicalModel, Frozen, ReportSettings
from harness.contracts.metrics import CLAIMABLE, FLOPS, METRICS, RANKINGS, TEST_ACCURACY_TTA, metric_of
from harness.errors import MatrixError, nearest
from harness.matrix.checking import check
from harness.matrix.nodes import Fields, Items, Mark, Node, Problems, Scalar, child, plain, shown
from harness.matrix.paths import long_form, merge
from harness.matrix.yaml_text import read_file
from harness.plugins import Catalog

VERSION: Final = 1
_MOST_SEEDS: Final = 10_000
LONGEST_NAME: Final = 100
STUDY_NAME: Final = r"[^\s./\\]([^/\\]*[^\s/\\])?"
"""A study's name is that of a folder, too."""
_RESERVED: Final = frozenset({"default", "harness-ledger"})
"""Experiments that the store has anyway: no study can be called so, since some databases know no case."""
DECIDING: Final = frozenset({"test", "train_on", "model", "model.name", "recipe", "recipe.tta"})
"""The paths on which it depends whether a metric can be measured."""


class WrittenStudy(Frozen):
    """The sections of a matrix file, each read by itself, so that one mistake hides no other."""

    version: Any
    """Of this format: 1."""
    study: Any
    """The study's name; its runs are MLflow's experiment of that name, its report a folder. At most 100 printable
    characters, neither `/` nor `\\`, no dot at its beginning."""
    extends: Any
    """A file that is merged under this one, key by key; its path is relative to this file."""
    dataset: Any
    """Where the images of all experiments come from, and how validation is carved from them."""
    seeds: Any = (0,)
    """Each variant is fitted once with each of these; `3` is short for `[0, 1, 2]`."""
    defaults: Any
    """Merged under every experiment, key by key; a `recipe` here reaches network models only."""
    experiments: Any
    """NAME: what is fitted. An experiment without a `matrix` is one variant. Names have at most 100 printable
    characters; so have those of ablations, switches and additions."""
    ablations: Any
    """NAME: an experiment with its parts switched off, one by one or one after the other."""
    tune: Any
    """EXPERIMENT: a search for better settings of it, on validation; the winner opens the test set, once."""
    claims: Any
    """Published figures to hold against the measured ones."""
    budget: Any
    """What may be spent; a plan that needs more is refused before anything starts."""
    report: Any
    """How the report is arranged."""


def read_document(path: Path, problems: Problems) -> Fields:
    """Return the top level of a matrix file, merged over the files it extends.

    Raises:
        MatrixError: a file cannot be read, is no YAML, or is no mapping; or a cycle of `extends`.
    """
    return _read(path, (), problems)


def _read(path: Path, above: tuple[Path, ...], problems: Problems) -> Fields:
    root = read_file(path, len(above), problems)
    if not isinstance(root, Fields):
        raise MatrixError([f"{root.mark}: is not a mapping: a matrix file has version, study, dataset, experiments"])
    refuse_unknown(root, WrittenStudy.model_fields, problems)
    root = _long(root)
    base = _base(root, path, (*above, path.resolve()), problems)
    if base is None:
        return root
    merged = merge(root.with_fields({name: each for name, each in root.fields.items() if name != "extends"}), base)
    assert isinstance(merged, Fields)
    return merged


def _base(root: Fields, path: Path, chain: tuple[Path, ...], problems: Problems) -> Fields | None:
    node = root.fields.get("extends")
    if node is None:
        return None
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        problems.at(node, f"{shown(plain(node))} is not the path of a file")
        return None
    base = Path(os.path.normpath(path.parent / node.value))
    try:
        is_in_chain, is_file = base.resolve() in chain, base.is_file()
    except (OSError, RuntimeError, ValueError) as error:  # a circle of links, a name too long, a zero byte
        raise MatrixError([f"{node.mark}: extends: {shown(node.value)} is no path of a file: {error}"]) from error
    if is_in_chain:
        raise MatrixError([f"{node.mark}: extends: {node.value} extends this file in turn"])
    if not is_file:
        raise MatrixError([f"{node.mark}: extends: there is no file {base}"])
    return _read(base, chain, problems)


def _long(root: Fields) -> Fields:
    """Return the document with components in their long form, so that layers merge by name."""
    fields = dict(root.fields)
    if "dataset" in fields:
        fields["dataset"] = long_form(fields["dataset"], "dataset")
    if "defaults" in fields:
        fields["defaults"] = long_form(fields["defaults"])
    experiments = fields.get("experiments")
    if isinstance(experiments, Fields):
        fields["experiments"] = experiments.with_fields(_long_entries(experiments.fields))
    return root.with_fields(fields)


def _long_entries(entries: Mapping[str, Node]) -> dict[str, Node]:
    empty = {name: Fields({}, node.mark, node.path) for name, node in entries.items() if _is_null(node)}
    return {name: long_form(empty.get(name, node)) for name, node in entries.items()}


def _is_null(node: Node) -> bool:
    """Whether nothing, or `null`, was written for a value."""
    return isinstance(node, Scalar) and node.value is None


def study_name(path: Path) -> str:
    """Return the name of the study in a matrix file; the rest of the file may be wrong by now.

    Raises:
        MatrixError: the file cannot be read, is no YAML, or names no study.
    """
    root = read_document(path, Problems())
    problems = Problems()
    name = read_name(root, problems)
    problems.raise_any()
    return name


def section(root: Fields, name: str, problems: Problems) -> Mapping[str, Node]:
    """Return the entries of a section that maps names to settings; empty when it is not there."""
    node = root.fields.get(name)
    if node is None:
        return {}
    if isinstance(node, Fields):
        return node.fields
    problems.add(node.mark, node.path or child("", name), f"{shown(plain(node))} is not a mapping")
    return {}


def refuse_unknown(node: Fields, valid: Collection[str], problems: Problems) -> None:
    """Note the names of a mapping that mean nothing there."""
    for name in node.fields:
        if name not in valid:
            problems.at_key(node, name, f"unknown key{nearest(name, valid)}")


def refuse_name(name: str, mark: Mark, path: str, problems: Problems) -> None:
    """Note a name that could not stand in a table, a terminal and the name of a file."""
    unprintable = next((each for each in name if not each.isprintable()), "")
    if not name.strip():
        problems.add(mark, path, "an empty name")
    elif len(name) > LONGEST_NAME:
        problems.add(mark, path, f"a name of {len(name):,} characters; at most {LONGEST_NAME}")
    elif unprintable:
        problems.add(mark, path, f"has {unprintable!a}, which is no printable character")
    elif name != name.strip():
        problems.add(mark, path, "a name that begins or ends with a space")


def refuse_no_such(node: Node, key: str, what: str, valid: Collection[str], problems: Problems) -> None:
    """Note a name under `key` of a mapping that is none of the valid ones."""
    named = node.fields.get(key) if isinstance(node, Fields) else None
    if isinstance(named, Scalar) and isinstance(named.value, str) and named.value not in valid:
        problems.at(named, f'there is no {what} "{named.value}"{nearest(named.value, valid)}')


def read_name(root: Fields, problems: Problems) -> str:
    """Return the study's name; version and name are noted where they are wrong."""
    version = root.fields.get("version")
    if version is None:
        problems.add(root.mark, "version", f"is missing; write version: {VERSION}")
    elif plain(version) != VERSION or isinstance(plain(version), bool):
        problems.at(version, f"{shown(plain(version))} is not a version that can be read; valid: {VERSION}")
    name = root.fields.get("study")
    if name is None:
        problems.add(root.mark, "study", "is missing")
        return ""
    if not isinstance(name, Scalar) or not isinstance(name.value, str) or not name.value.strip():
        quotes = " (put it in quotes)" if isinstance(plain(name), int | float) else ""
        problems.at(name, f"{shown(plain(name))} is not a name{quotes}")
        return ""
    refuse_name(name.value, name.mark, name.path, problems)
    if not re.fullmatch(STUDY_NAME, name.value, re.DOTALL):
        text = "a study is a folder of that name, so it has neither / nor \\ and begins with no dot"
        problems.at(name, f"{shown(name.value)}: {text}")
    elif name.value.casefold() in _RESERVED:
        problems.at(name, f'"{name.value}" is a name that the store keeps for itself')
    return name.value


def read_seeds(node: Node, problems: Problems) -> tuple[int, ...]:
    """Return a list of seeds, `3` being short for [0, 1, 2]; empty with a problem noted."""
    value = plain(node)
    if _is_whole(value) and isinstance(value, int) and 0 < value <= _MOST_SEEDS:
        return tuple(range(value))
    if not isinstance(node, Items) or not node.items:
        problems.at(node, f"{shown(value) if value != [] else 'an empty list'} is not a list of seeds, nor how many")
        return ()
    found: dict[int, None] = {}
    for item in node.items:
        seed = plain(item)
        if not _is_whole(seed) or not isinstance(seed, int) or seed < 0:
            problems.at(item, f"{shown(seed)} is not a seed: a whole number of at least 0")
        elif seed in found:
            problems.at(item, f"seed {seed} is there twice")
        else:
            found[seed] = None
    return tuple(found)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def read_claims(root: Fields, experiments: Collection[str], problems: Problems) -> tuple[Claim, ...]:
    """Return `claims:`; each is about an experiment and a final metric that exist."""
    node = root.fields.get("claims")
    if node is None:
        return ()
    if not isinstance(node, Items):
        problems.at(node, f"{shown(plain(node))} is not a list of claims")
        return ()
    found = [check(Claim, item, problems) for item in node.items]
    for item in node.items:
        refuse_no_such(item, "experiment", "experiment", experiments, problems)
        refuse_no_such(item, "metric", "metric", CLAIMABLE, problems)
    for item, claim in zip(node.items, found, strict=True):
        if claim is not None and isinstance(item, Fields):
            _refuse_value(claim, item.fields["value"], problems)
    return tuple(claim for claim in found if claim is not None)


def _refuse_value(claim: Claim, node: Node, problems: Problems) -> None:
    """Note a claimed value that the metric cannot have."""
    is_share = metric_of(claim.metric).kind == "share"
    if is_share and not 0 <= claim.value <= 1:
        hint = f"; write {claim.value / 100:g} for {claim.value:g} %" if 1 < claim.value <= 100 else ""
        problems.at(node, f"{claim.value:g} is not a share from 0 to 1{hint}")
    elif claim.value < 0:
        problems.at(node, f"{claim.value:g} is not a number of at least 0")


def refuse_unmeasured(root: Fields, cells: Mapping[str, Sequence[Cell]], problems: Problems) -> None:
    """Note claims on a metric that no cell of the experiment can ever leave."""
    node = root.fields.get("claims")
    for item in node.items if isinstance(node, Items) else ():
        named = {name: plain(value) for name, value in item.fields.items()} if isinstance(item, Fields) else {}
        experiment, metric = named.get("experiment"), named.get("metric")
        if isinstance(item, Fields) and isinstance(metric, str) and isinstance(experiment, str):
            reasons = [unmeasured(metric, cell) for cell in cells.get(experiment, ())]
            if reasons and all(reasons):
                text = f'"{metric}" of {experiment} can never be measured: {reasons[0]}'
                problems.at(item.fields["metric"], text)


def refuse_unranked(root: Fields, cells: Sequence[Cell], catalog: Catalog, problems: Problems) -> None:
    """Note a metric to rank by that no cell can ever have."""
    node = root.fields.get("report")
    chosen = node.fields.get("metric") if isinstance(node, Fields) else None
    if chosen is None or f"test/{plain(chosen)}" not in METRICS or not cells:
        return
    if metric_of(f"test/{plain(chosen)}").needs_probabilities and all(_has_margins(cell, catalog) for cell in cells):
        names = ", ".join(dict.fromkeys(cell.model.name for cell in cells))
        problems.at(chosen, f'no experiment can have "{plain(chosen)}": scores of {names} are not probabilities')


def _has_margins(cell: Cell, catalog: Catalog) -> bool:
    model = catalog.declare("model", cell.model.name)
    return issubclass(model, ClassicalModel) and model.margins


def unmeasured(metric: str, cell: Cell) -> str | None:
    """Return why a cell never leaves a final metric; None where it does, or where only its fit could tell."""
    split = metric_of(metric).split
    if split == "test" and cell.test == "never":
        return "test: never leaves the test set sealed"
    if split == "val" and cell.train_on == "train+val":
        return "train_on: train+val leaves no validation images"
    if metric == TEST_ACCURACY_TTA and (cell.recipe is None or cell.recipe.tta == "none"):
        return "there is no test-time augmentation (recipe.tta)"
    if metric == FLOPS and cell.recipe is None:
        return f'FLOPs are counted for networks only, and model "{cell.model.name}" is none'
    return None


def read_budget(root: Fields, problems: Problems) -> Budget:
    """Return `budget:`."""
    node = root.fields.get("budget")
    return Budget() if node is None else check(Budget, node, problems) or Budget()


def read_report(root: Fields, experiments: Collection[str], problems: Problems) -> ReportSettings:
    """Return `report:`; its baseline is an experiment that exists, its metric one that can rank."""
    node = root.fields.get("report")
    if node is None:
        return ReportSettings()
    refuse_no_such(node, "baseline", "experiment", experiments, problems)
    refuse_no_such(node, "metric", "metric to rank by", RANKINGS, problems)
    return check(ReportSettings, node, problems) or ReportSettings()
