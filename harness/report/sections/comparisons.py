"""The pairs behind the letters: which differences are more than chance, and what it would take to tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.report.blocks import Block, Column, Fold, Section, Table, Text, Value, named
from harness.report.context import Context
from harness.report.significance import Pair, Significance, interval_points, method, needs
from harness.words import NOTHING, metric_difference, metric_heading, metric_text, p_text

MOST_ROWS: Final = 20
"""Variants whose pairs are shown: 190 rows. The others are in the CSV."""
FILE: Final = "pairs.csv"
COLUMNS: Final = (
    Column("better", numeric=False),
    Column("than", numeric=False),
    Column("difference", hint="of the better one's figure less the other's; in points where it is a share"),
    Column("95 % interval", hint="paired bootstrap over images, and over seeds where there are several"),
    Column("p", hint="two-sided, not corrected"),
    Column("p, corrected", hint="by Holm's method over all pairs"),
    Column("verdict", numeric=False),
    Column(
        "smallest seen",
        hint="the smallest true difference that these seeds and images would show in four studies of five",
    ),
    Column(
        "would take",
        numeric=False,
        hint="seeds of each, or test images, at which this difference would show in four studies of five",
    ),
)
NOTES: Final = (
    "the interval is for one difference by itself; the verdict is by the corrected p, for all pairs at once",
    "would take: an estimate from the spread seen over seeds and images, as if the difference seen were the true one",
)
ONE_FIT: Final = (
    "as this fit: one seed against several. The test is about that one fitted model; what another seed would give "
    "cannot be said of one seed"
)


def section(context: Context) -> Section | None:
    """Return every pair of variants that answered the same test images; None where there is none."""
    sets = [each for each in context.verdicts.sets if each.pairs]
    blocks = [block for each in sets for block in _blocks(each, len(sets) > 1)]
    return Section("comparisons", "Comparisons", tuple(blocks)) if blocks else None


def pairs_tables(sets: Sequence[Significance]) -> tuple[Table, ...]:
    """Return one table of all pairs for each set of test images on which there is something to compare."""
    return tuple(_table(each, len(sets) > 1) for each in sets if each.pairs)


def _blocks(found: Significance, is_one_of_several: bool) -> list[Block]:
    where = f" on {found.dataset}" if is_one_of_several else ""
    with_best = [pair for pair in found.pairs if pair.first == 0]
    best = f"{found.variants[0].name} against each of the others{where}, paired by image"
    blocks: list[Block] = [
        Text(f"Tested by {method(found)}"),
        Table(best, COLUMNS[1:], tuple(_row(found, pair)[1:] for pair in with_best), _notes(with_best)),
    ]
    if len(found.pairs) > len(with_best):
        table = _table(found, is_one_of_several)
        blocks.append(Fold(f"Every pair{where} ({len(table.rows)})", (table,)))
    return blocks


def _table(found: Significance, is_one_of_several: bool) -> Table:
    shown = [pair for pair in found.pairs if max(pair.first, pair.second) < MOST_ROWS]
    where = f" on {found.dataset}" if is_one_of_several else ""
    notes = list(_notes(shown))
    if len(found.variants) > MOST_ROWS:
        notes.append(f"the best {MOST_ROWS} of {len(found.variants)}; more of them in {FILE}")
    rows = tuple(_row(found, pair) for pair in shown)
    what = metric_heading(found.ranking.test).removesuffix(" %")
    return Table(f"Each pair{where}: difference in {what}, paired by image", COLUMNS, rows, tuple(notes))


def _notes(pairs: Sequence[Pair]) -> tuple[str, ...]:
    return (*NOTES, ONE_FIT) if any(pair.question == "fit and recipe" for pair in pairs) else NOTES


def _verdict(found: Significance, pair: Pair) -> Value:
    name = found.variants[pair.first if found.one_fit[pair.first] else pair.second].name
    mark = f", as this fit of {name}" if pair.question == "fit and recipe" else ""
    return Value(f"told apart{mark}", "0", "good") if pair.differs else Value(f"not told apart{mark}", "1", "muted")


def _row(found: Significance, pair: Pair) -> tuple[Value, ...]:
    metric = found.ranking.test
    return (
        named(found.variants[pair.first].name),
        named(found.variants[pair.second].name),
        Value(metric_difference(metric, pair.difference, unit=False), pair.difference),
        Value(interval_points(pair.low, pair.high, metric), pair.low),
        Value(p_text(pair.p), pair.p),
        Value(p_text(pair.adjusted), pair.adjusted),
        _verdict(found, pair),
        Value(NOTHING) if pair.differs else Value(metric_text(metric, pair.visible, unit=False), pair.visible),
        Value(NOTHING if pair.differs else needs(pair)),
    )
