"""All the measuring that wants a GPU, in one go: correctness, then speed, then the limits, then packing.

    python benchmarks/gpu.py --data FOLDER --json gpu.json
    python benchmarks/gpu.py --only limits --rows 'speednet*' --data FOLDER --json gpu.json
    python benchmarks/gpu.py --table gpu.json

FOLDER holds `train.parquet` (and `test.parquet`, which is looked at with `--test` alone); without `--data`, images are
random. Each row is printed and written as soon as it is there, and one that fails is a row with its reason; a file
from before gets rows added or replaced. Ends with 1 where a row failed or a check does not hold.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch

if __name__ == "__main__":  # this folder's modules must not stand in for libraries of the same names
    sys.path[0] = str(Path(__file__).parents[1])

from benchmarks.on_gpu import agreement, limits, packing, precision, speed, steps
from benchmarks.on_gpu.bench import TINY, Bench, Sizes
from benchmarks.on_gpu.images import described
from benchmarks.on_gpu.machine import describe, is_alive
from benchmarks.on_gpu.record import Record, read
from benchmarks.on_gpu.rows import SECTIONS, Measurement, Row, measure
from benchmarks.on_gpu.tables import tables

SUBJECTS = (agreement, steps, precision, speed, limits, packing)
DATA_CACHE = Path(".harness/cache")


def main(words: Sequence[str] | None = None) -> int:
    """Measure what was asked for, or print the tables of a file; return the exit code."""
    words = sys.argv[1:] if words is None else words
    given = _arguments().parse_args(words)
    if given.table:
        print(tables(read(given.table)), end="")
        return 0
    bench = _bench(given)
    chosen = _chosen(bench, given)
    if given.list:
        print("\n".join(f"{each.section:12} {each.name}" for each in chosen))
        return 0
    record = Record(given.json, describe(bench.device, words, _images(given), given.machine))
    rows = run(chosen, record, bench.device, given.minutes)
    print(f"\n{tables(record.results)}", end="", flush=True)
    return 1 if any(row.is_bad for row in rows) else 0


def run(chosen: Sequence[Measurement], record: Record, device: torch.device, minutes: float | None = None) -> list[Row]:
    """Measure one after the other, saying each row, until the minutes are over."""
    rows: list[Row] = []
    section, begun = "", time.monotonic()

    def left() -> float | None:
        return None if minutes is None else minutes - (time.monotonic() - begun) / 60

    for each in chosen:
        if each.section != section:
            section = each.section
            print(f"\n{section}", flush=True)
        rows.append(measure(each, record, left()))
        print(_line(rows[-1]), flush=True)
        gc.collect()
        if device.type == "cuda":
            _go_on_with(device, rows[-1], left())
    return rows


def _line(row: Row) -> str:
    shown = ", ".join(f"{name} {_short(value)}" for name, value in row.figures.items() if not isinstance(value, list))
    told = "; ".join(text for text in (shown, row.reason) if text)
    return f"  {row.name}: {row.state} in {row.seconds:.1f} s: {told}"


def _short(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _go_on_with(device: torch.device, row: Row, minutes: float | None) -> None:
    """Give memory back; where a fault has left the device dead for this process, go on in a new one."""
    if row.state != "failed" or is_alive(device):
        torch.cuda.empty_cache()
        return
    print("  the device does not answer any more: going on in a new process", flush=True)
    rest = ["--after", place(row), *([] if minutes is None else ["--minutes", str(minutes)])]
    os.execv(sys.executable, [sys.executable, *sys.argv, *rest])


def _images(given: argparse.Namespace) -> str:
    parts = [described(given.data)]
    parts += [f"{given.images:,} of them"] if given.images else []
    parts += ["tiny sizes, so that figures mean nothing"] if given.tiny else []
    return "; ".join(parts)


def _chosen(bench: Bench, given: argparse.Namespace) -> list[Measurement]:
    every = [each for subject in SUBJECTS for each in subject.measurements(bench)]
    wanted = [
        each
        for each in every
        if each.section in (given.only or SECTIONS)
        and any(fnmatchcase(each.name, pattern) for pattern in given.rows or ["*"])
    ]
    places = [place(each) for each in wanted]
    return wanted[places.index(given.after) + 1 :] if given.after in places else wanted


def place(each: Measurement | Row) -> str:
    """Return the name by which one can go on after it."""
    return f"{each.section}/{each.name}"


def _bench(given: argparse.Namespace) -> Bench:
    sizes = TINY if given.tiny else Sizes()
    more: dict[str, Any] = {"seeds": given.seeds, "rounds": given.rounds, "tutorial_images": given.tutorial_images}
    sizes = replace(sizes, **{name: value for name, value in more.items() if value is not None})
    device = torch.device(given.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if device.type == "cuda":
        device = torch.device("cuda", device.index or 0)
        torch.cuda.set_device(device)
    return Bench(device, sizes, given.data, given.cache, given.images, given.test)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=SECTIONS, help="a section; repeatable")
    parser.add_argument("--rows", action="append", metavar="GLOB", help="rows by name; repeatable")
    parser.add_argument("--list", action="store_true", help="print the names of the rows")
    parser.add_argument("--device", help="cpu, cuda or cuda:N; by default CUDA where there is one")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with train.parquet")
    parser.add_argument("--cache", type=Path, metavar="DIR", default=DATA_CACHE, help="where decoded images are kept")
    parser.add_argument("--images", type=int, help="training images, fewer than there are")
    parser.add_argument("--test", action="store_true", help="let the limits look at the test images, and train on all")
    parser.add_argument("--seeds", type=int, help="where several are trained")
    parser.add_argument("--rounds", type=int, help="of which the median is taken")
    parser.add_argument("--tutorial-images", type=int, help="images of an epoch of the tutorials' script")
    parser.add_argument("--minutes", type=float, help="after which nothing is begun any more, and what runs is cut off")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write rows here, beside those that are in it")
    parser.add_argument("--table", type=Path, metavar="FILE", help="print the tables of such a file")
    parser.add_argument("--machine", help="what to call the machine")
    parser.add_argument("--tiny", action="store_true", help="sizes that show that it runs, not figures")
    parser.add_argument("--after", metavar="SECTION/ROW", help="begin after this row")
    return parser


if __name__ == "__main__":
    sys.exit(main())
