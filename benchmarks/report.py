"""What a report of many cells takes: processor time, and the size of its page.

Run: `python benchmarks/report.py [CELLS [IMAGES]]` from the repository's root. The store is a synthetic one:
variants with four seeds each, each cell with learning curves, confusion matrix, predictions and pictures of errors.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness.report import write_report
from tests.report.predicted import predict
from tests.report.studies import STUDY, KeptStore, cell_of, plan_of

SEEDS = 4
EPOCHS = 20
CURVE = tuple((epoch, 1 - 0.9**epoch) for epoch in range(1, EPOCHS + 1))


def filled(folder: Path, cells: int, images: int) -> KeptStore:
    """Return a store with a study of so many finished cells, which classify so many test images."""
    random = np.random.default_rng(0)
    labels = random.integers(3, size=images)
    store = KeptStore(folder)
    planned = [cell_of(f"net-{number // SEEDS:03}", number % SEEDS) for number in range(cells)]
    store.keep(plan_of(*planned))
    for number, each in enumerate(planned):
        wrong = random.random(images) < 0.1 + 0.3 * (number // SEEDS) / cells
        run = predict(store, each, labels.tolist(), np.where(wrong, (labels + 1) % 3, labels).tolist(), side=8)
        metrics = {**run.metrics, "val/accuracy": run.metrics["test/accuracy"] - 0.01}
        store.cells[each.key] = [replace(run, metrics=metrics)]
        store.histories[run.run_id] = dict.fromkeys(("train/loss", "val/loss", "train/accuracy", "val/accuracy"), CURVE)
    return store


def main(cells: int, images: int) -> None:
    """Write the report once and print what it took."""
    with TemporaryDirectory() as folder:
        store = filled(Path(folder) / "store", cells, images)
        start = time.process_time()
        written = write_report(store, STUDY, Path(folder) / "report")
        seconds = time.process_time() - start
        size = written.html.stat().st_size / 1e6
        files = len([*(written.folder / "figures").iterdir()])
    print(f"{cells:,} cells, {images:,} test images: {seconds:.1f} s of processor time, {size:.2f} MB, {files} figures")


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    main(*(given + [1000, 500][len(given) :]))
