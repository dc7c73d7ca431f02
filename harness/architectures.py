"""Which classifiers timm and torchvision know by name, read off their source: importing them takes seconds."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

Library = Literal["timm", "torchvision"]
_REGISTERED: Final = re.compile(r"^@register_model\b[^\n]*\n(?:[@ )][^\n]*\n)*def (\w+)\(", re.MULTILINE)
"""What both libraries put before a function that builds an architecture, and its name."""


@cache
def _sources(library: Library) -> tuple[str, ...]:
    found = find_spec(library)
    if found is None or found.origin is None:
        raise ValueError(f"{library} is not installed: pip install 'sealed-harness[{library}]'")
    return tuple(file.read_text() for file in sorted(Path(found.origin).with_name("models").glob("*.py")))


def _tagged(library: Library, name: str) -> tuple[str, ...]:
    """Return an architecture's names with the tags of its weights."""
    literal = re.compile(rf"""['"]({re.escape(name)}\.\w+)['"]""")
    return tuple(sorted({each for text in _sources(library) for each in literal.findall(text)}))


@cache
def architectures(library: Library) -> tuple[str, ...]:
    """Return the names of all architectures that classify, sorted.

    Raises:
        ValueError: the library is not installed; the message says how to install it.
    """
    return tuple(sorted({name for text in _sources(library) for name in _REGISTERED.findall(text)}))


def known(library: Library, name: str) -> str:
    """Return the name of an architecture; of timm's it may end in the tag of its weights: `resnet50.a1_in1k`.

    Raises:
        ValueError: there is none of that name, or the library is not installed; the message has the nearest names.
    """
    names = architectures(library)
    if name in names:
        return name
    plain, dot, _ = name.partition(".")
    if dot and plain in names and (tagged := _tagged(library, plain)):
        names = tagged
        if name in names:
            return name
    close = get_close_matches(name, names, n=3, cutoff=0.6)
    guess = f"did you mean {' or '.join(close)}?" if close else f"`harness models --{library} 'resnet*'` lists them"
    raise ValueError(f'{library} has no architecture "{name}"; {guess}')
