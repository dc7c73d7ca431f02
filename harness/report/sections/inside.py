"""What a model looks at: the pictures that its cells left of filters, feature maps, class evidence and gradients."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from PIL import Image

from harness.escape import file_stem
from harness.report.blocks import Fold, Images, Picture, Section, Text
from harness.report.context import Context
from harness.report.store import Entry, ReportStore
from harness.report.variants import Variant

SHOWN: Final = 8
"""Variants with pictures; nobody compares more by eye, and each adds some 100 kB to the page."""
WIDEST: Final = 720
"""Pixels; a wider picture is scaled down."""
QUALITY: Final = 72
EFFORT: Final = 2
"""Of 6: more takes twice the time for files that are a fifteenth smaller."""
TITLES: Final = {
    "evidence": "Class evidence",
    "hog": "Histogram of oriented gradients",
    "filters": "Filters of the first layer",
    "feature_maps": "Feature maps",
}
"""Artifact without its `.png` -> heading, in the order in which they are shown."""
WORDS: Final = {
    "evidence": "Images that {name} got right and wrong, each with the places that speak for a class laid over it",
    "hog": "Images that {name} got right and wrong, each with its edges and those that speak for the predicted class",
    "filters": "The weights of the first layer of {name}, one small picture a unit",
    "feature_maps": "What the convolutions of {name} make of one image, layer by layer",
}
EXPLAINED: Final = (
    "What a model looks at, for the first of its seeds. Class evidence is Grad-CAM at a late convolution (Selvaraju "
    "et al. 2017), the saliency of pixels for networks without one (Simonyan et al. 2014), and what each pixel adds to "
    "the score for linear models. It shows where a model looks, not why."
)


def section(context: Context) -> Section | None:
    """Return the pictures of the first eight variants that have any, each of its first finished cell."""
    folds = tuple(_folds(context.pictured, context.store))
    return Section("inside", "Interpretability", (Text(EXPLAINED), *folds)) if folds else None


def _folds(variants: Sequence[Variant], store: ReportStore) -> Iterator[Fold]:
    shown = 0
    for variant in variants:
        for entry in variant.finished[:1]:
            pictures = tuple(_pictures(entry, variant.name, store))
            if pictures and shown < SHOWN:
                yield Fold(f"{variant.name}, seed {entry.seed}", (Images(pictures),), is_open=not shown)
                shown += 1


def _pictures(entry: Entry, name: str, store: ReportStore) -> Iterator[Picture]:
    for kind, title in TITLES.items():
        path = store.artifact(entry.run.run_id, f"{kind}.png") if entry.run is not None else None
        if path is not None:
            yield Picture(
                f"{file_stem('inside', name, kind)}.webp", _packed(path), WORDS[kind].format(name=name), title
            )


def _packed(path: Path) -> bytes:
    """Return a picture as a WebP file of at most `WIDEST` pixels across."""
    with Image.open(path, formats=("PNG",)) as file:
        picture = file.convert("RGBA" if file.mode == "RGBA" else "RGB")  # a clear ground suits the night
    if picture.width > WIDEST:
        picture = picture.resize((WIDEST, round(picture.height * WIDEST / picture.width)), Image.Resampling.LANCZOS)
    packed = io.BytesIO()
    picture.save(packed, "WEBP", quality=QUALITY, method=EFFORT)
    return packed.getvalue()
