"""A matrix file and the files it extends -> one mapping of sections."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from harness.errors import MatrixError, nearest
from harness.spec.merging import long_form, merge
from harness.spec.nodes import Fields, Node, Problems, Scalar, child, plain, shown
from harness.spec.text import read_file

VERSION: Final = 1
SECTIONS: Final = (
    "version",
    "study",
    "dataset",
    "seeds",
    "defaults",
    "experiments",
    "ablations",
    "tune",
    "claims",
    "budget",
    "report",
    "extends",
)


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
    refuse_unknown(root, SECTIONS, problems)
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
    if base.resolve() in chain:
        raise MatrixError([f"{node.mark}: extends: {node.value} extends this file in turn"])
    if not base.is_file():
        raise MatrixError([f"{node.mark}: extends: there is no file {base}"])
    return _read(base, chain, problems)


def refuse_unknown(node: Fields, valid: tuple[str, ...], problems: Problems) -> None:
    """Note the names of a mapping that mean nothing there."""
    for name in node.fields:
        if name not in valid:
            problems.at_key(node, name, f"unknown key{nearest(name, valid)}")


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
    empty = {name: Fields({}, node.mark, node.path) for name, node in entries.items() if is_null(node)}
    return {name: long_form(empty.get(name, node)) for name, node in entries.items()}


def is_null(node: Node) -> bool:
    """Whether nothing, or `null`, was written for a value."""
    return isinstance(node, Scalar) and node.value is None


def section(root: Fields, name: str, problems: Problems) -> Mapping[str, Node]:
    """Return the entries of a section that maps names to settings; empty when it is not there."""
    node = root.fields.get(name)
    if node is None:
        return {}
    if isinstance(node, Fields):
        return node.fields
    problems.add(node.mark, node.path or child("", name), f"{shown(plain(node))} is not a mapping")
    return {}
