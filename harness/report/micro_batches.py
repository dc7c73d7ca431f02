"""Cells whose batches did not fit into memory as a whole: their figures come from smaller micro-batches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from harness.report.gather import Entry
from harness.report.numbers import amount

MICRO_BATCH: Final = "micro_batch"
"""Tag of a run: images in the largest part of a batch, where batches were taken in parts."""
QUESTION: Final = "Did whole batches fit into memory?"
MEANING: Final = (
    "Batches and steps are those of the recipe, but batch normalization, where a network has it, saw one micro-batch "
    "at a time: figures may differ from those of whole batches"
)


def micro_batch(entry: Entry) -> str:
    """Return the images in a micro-batch of a finished cell, empty where its batches were whole."""
    return entry.tag(MICRO_BATCH) if entry.is_finished else ""


def micro_batches_note(entries: Sequence[Entry]) -> str:
    """Return what the notes below results say of a variant's cells, empty where all batches were whole."""
    parted = [entry for entry in entries if micro_batch(entry)]
    if not parted:
        return ""
    sizes = " or ".join(dict.fromkeys(micro_batch(entry) for entry in parted))
    seeds = ", ".join(str(entry.seed) for entry in parted)
    return f"{amount(len(parted), 'cell')} in micro-batches of {sizes} images, for want of memory (seed {seeds})"


def micro_batches_answer(entries: Sequence[Entry]) -> str:
    """Return what the honesty section says of all cells, empty where all batches were whole."""
    seeds: dict[tuple[str, str], list[str]] = defaultdict(list)
    for entry in entries:
        if micro_batch(entry):
            name = entry.planned.name.removesuffix(f" s{entry.seed}")
            seeds[name, _size(entry)].append(f"s{entry.seed}")
    told = "; ".join(f"{name} {', '.join(each)} ({size})" for (name, size), each in seeds.items())
    return f"No. In micro-batches: {told}. {MEANING}." if told else ""


def _size(entry: Entry) -> str:
    recipe = entry.planned.cell.recipe
    whole = f" of batches of {recipe.batch_size:,}" if recipe is not None else ""
    return f"{micro_batch(entry)} images{whole}"
