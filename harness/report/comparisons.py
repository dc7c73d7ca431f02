"""The pairs behind the tiers, as a table for readers and as CSV with all digits."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Final

from harness.report.blocks import Column, Table, Value, named
from harness.report.significance import Pair, Significance
from harness.words import p_text, points

MOST_ROWS: Final = 20
"""Variants whose pairs are shown: 190 rows. The others are in the CSV."""
FILE: Final = "pairs.csv"
COLUMNS: Final = (
    Column("better", numeric=False),
    Column("than", numeric=False),
    Column("difference", hint="in points of test top-1"),
    Column("95 % interval", hint="points; paired bootstrap over images, and over seeds where there are several"),
    Column("p", hint="two-sided, not corrected"),
    Column("p, corrected", hint="by Holm's method over all pairs"),
    Column("verdict", numeric=False),
)
HEAD: Final = ("dataset", "better", "than", "difference", "low", "high", "p", "p_holm", "differs", "comparisons")


def pairs_tables(sets: Sequence[Significance]) -> tuple[Table, ...]:
    """Return one table for each set of test images on which there is something to compare."""
    return tuple(_table(each, len(sets) > 1) for each in sets if each.pairs)


def pairs_csv(sets: Sequence[Significance]) -> str:
    """Return all pairs that have intervals; shares, not points."""
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    table.writerow(HEAD)
    for each in sets:
        table.writerows(_line(each, pair) for pair in each.pairs)
    return file.getvalue()


def interval_points(low: float, high: float) -> str:
    """Return the ends of an interval of a difference, in points.

    >>> interval_points(-0.0012, 0.0123)
    '[-0.12, +1.23]'
    """
    return f"[{points(low)}, {points(high)}]"


def _table(found: Significance, is_one_of_several: bool) -> Table:
    shown = [pair for pair in found.pairs if max(pair.first, pair.second) < MOST_ROWS]
    where = f" on {found.dataset}" if is_one_of_several else ""
    notes = [
        "the interval is of one difference alone; whether a pair is told apart is by the corrected p, for all at once"
    ]
    if len(found.variants) > MOST_ROWS:
        notes.append(f"the best {MOST_ROWS} of {len(found.variants)}; more of them in {FILE}")
    rows = tuple(_row(found, pair) for pair in shown)
    return Table(f"Each pair{where}: difference in test top-1, paired by image", COLUMNS, rows, tuple(notes))


def _row(found: Significance, pair: Pair) -> tuple[Value, ...]:
    return (
        named(found.variants[pair.first].name),
        named(found.variants[pair.second].name),
        Value(points(pair.difference), pair.difference),
        Value(interval_points(pair.low, pair.high), pair.low),
        Value(p_text(pair.p), pair.p),
        Value(p_text(pair.adjusted), pair.adjusted),
        Value("told apart", "0", "good") if pair.differs else Value("not told apart", "1", "muted"),
    )


def _line(found: Significance, pair: Pair) -> tuple[str | float | int, ...]:
    names = (found.variants[pair.first].name, found.variants[pair.second].name)
    figures = (pair.difference, pair.low, pair.high, pair.p, pair.adjusted)
    return (found.dataset, *names, *figures, str(pair.differs).lower(), found.comparisons)
