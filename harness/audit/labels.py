"""Check: all cells on the same data set were measured on the same images with the same labels."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.parquet as pq

from harness.audit.evidence import Evidence
from harness.audit.figures import UNREADABLE
from harness.audit.finding import Finding
from harness.audit.splits import dataset_settings

CARVING: Final = ("validation", "limit.train")
"""Settings of a data set on which its test images do not depend."""


def check_labels(evidence: Evidence) -> tuple[Finding, ...]:
    """Return runs whose images or labels are not those of the first run with the same data set settings."""
    first: dict[tuple[str, str], tuple[str, str]] = {}
    found = []
    for run in evidence.shown:
        folder = evidence.folder(run.run_id)
        for split, digest in _digests(folder) if folder is not None else ():
            group = (split, dataset_settings(run, CARVING if split == "test" else ()))
            name, wanted = first.setdefault(group, (run.name, digest))
            if digest != wanted:
                what = f"its {split} predictions are of other images or labels than those of {name}"
                found.append(Finding(run.name, what, run.run_id))
    return tuple(found)


def _digests(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield each split with the digest of its images' positions and labels, in their order."""
    for path in sorted((folder / "predictions").glob("*.parquet")):
        try:
            table = pq.read_table(path, columns=["index", "label"])
        except UNREADABLE:
            continue  # `check_figures` says so
        numbers = np.stack([table.column(name).to_numpy() for name in ("index", "label")]).astype("<i8")
        yield path.stem.removesuffix("_tta"), sha256(numbers.tobytes()).hexdigest()
