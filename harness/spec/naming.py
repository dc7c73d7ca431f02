"""Short, distinct text for the variants of an experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import JsonValue


def label(paths: Sequence[str], values: Sequence[JsonValue], columns: Sequence[Sequence[JsonValue]]) -> str:
    """Return `label_smoothing=0.1 lr=0.05`; `columns` holds all values that each path takes."""
    names = short_names(paths)
    texts = [value_text(value, _is_ambiguous(value, column)) for value, column in zip(values, columns, strict=True)]
    return " ".join(f"{name}={text}" for name, text in zip(names, texts, strict=True))


def short_names(paths: Sequence[str]) -> list[str]:
    """Return for each path its shortest end that no other path has.

    >>> short_names(["recipe.label_smoothing", "recipe.optimizer.name", "recipe.optimizer.lr"])
    ['label_smoothing', 'optimizer', 'lr']
    """
    cut = [path.removesuffix(".name") for path in paths]
    kept = [path if cut.count(short) > 1 else short for path, short in zip(paths, cut, strict=True)]
    return [_shortest(path, [other for other in kept if other != path]) for path in kept]


def _shortest(path: str, others: Sequence[str]) -> str:
    parts = path.split(".")
    ends = [".".join(parts[-count:]) for count in range(1, len(parts))]
    return next((end for end in ends if not any(f".{other}".endswith(f".{end}") for other in others)), path)


def value_text(value: JsonValue, full: bool = False) -> str:
    """Return a value as text; components by name, with their options where `full`.

    >>> value_text([{"name": "crop", "pad": 4}, {"name": "flip"}])
    'crop+flip'
    """
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case list():
            return "+".join(value_text(item, full) for item in value) or "none"
        case {"name": str(name), **options}:
            return name + (_bracketed(options) if full and options else "")
        case dict():
            return _bracketed(value)
    return str(value)


def _bracketed(options: Mapping[Any, Any]) -> str:
    return f"({','.join(f'{name}={value_text(value, True)}' for name, value in options.items())})"


def _is_ambiguous(value: JsonValue, column: Sequence[JsonValue]) -> bool:
    text = value_text(value)
    return any(other != value and value_text(other) == text for other in column)
