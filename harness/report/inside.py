"""What a model looks at: the pictures that its cells left of filters, feature maps, class evidence and gradients."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image

from harness.report.store import Entry, ReportStore
from harness.report.variants import Variant

SHOWN: Final = 8
"""Variants with pictures; nobody compares more by eye, and each adds some 100 kB to the page."""
WIDEST: Final = 840
"""Pixels; a wider picture is scaled down."""
QUALITY: Final = 72
EFFORT: Final = 2
"""Of 6: more takes twice the time for files that are a fifteenth smaller."""
TITLES: Final = {
    "evidence": "Where it sees a class",
    "hog": "The gradients it goes by",
    "filters": "First layer",
    "feature_maps": "Feature maps",
}
"""Artifact without its `.png` -> heading, in the order in which they are shown."""
WORDS: Final = {
    "evidence": "Images that {name} got right and wrong, each with the places that speak for a class laid over it",
    "hog": "Images that {name} got right and wrong, each with its edges and those that speak for the predicted class",
    "filters": "The weights of the first layer of {name}, one small picture a unit",
    "feature_maps": "What the convolutions of {name} make of one image, layer by layer",
}


@dataclass(frozen=True, slots=True)
class Glimpse:
    """One picture as a WebP file; `words` say what is to be seen."""

    kind: str
    title: str
    words: str
    file: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Inside:
    """The pictures of one cell of a variant."""

    variant: Variant
    seed: int
    glimpses: tuple[Glimpse, ...]


def insides_of(variants: Sequence[Variant], store: ReportStore) -> tuple[Inside, ...]:
    """Return the pictures of the first eight variants that have any, each of its first finished cell."""
    found: list[Inside] = []
    for variant in variants:
        found += _inside(variant, store)
        if len(found) == SHOWN:
            break
    return tuple(found)


def _inside(variant: Variant, store: ReportStore) -> list[Inside]:
    for entry in variant.finished[:1]:
        glimpses = tuple(_glimpses(entry, variant.name, store))
        if glimpses:
            return [Inside(variant, entry.seed, glimpses)]
    return []


def _glimpses(entry: Entry, name: str, store: ReportStore) -> Iterator[Glimpse]:
    for kind, title in TITLES.items():
        path = store.artifact(entry.run.run_id, f"{kind}.png") if entry.run is not None else None
        if path is not None:
            yield _read(path, kind, title, WORDS[kind].format(name=name))


def _read(path: Path, kind: str, title: str, words: str) -> Glimpse:
    with Image.open(path) as file:
        picture = file.convert("RGB")
    if picture.width > WIDEST:
        picture = picture.resize((WIDEST, round(picture.height * WIDEST / picture.width)), Image.Resampling.LANCZOS)
    packed = io.BytesIO()
    picture.save(packed, "WEBP", quality=QUALITY, method=EFFORT)
    return Glimpse(kind, title, words, packed.getvalue(), *picture.size)
