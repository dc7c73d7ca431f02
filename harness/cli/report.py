"""`harness report`: the report again, from what the store holds; no data set is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Final

from rich.text import Text

from harness.api.read import plan_of_file, report_folder, store_to_report, summary_written
from harness.cli.console import print_json, results, say, shown_path, table, tell
from harness.cli.options import Report
from harness.contracts.metrics import TEST_ACCURACY
from harness.data.seal import CHANGED_SINCE
from harness.execute.plan import changed_since
from harness.report import Summary, SummaryRow
from harness.report.variants import dataset_name
from harness.words import NOTHING, Spread, duration_spread, metric_heading, metric_spread, percent_spread, whole

_WIDE: Final = 110
"""From this many columns on the table has all its columns."""


def perform(asked: Report) -> int:
    """Write the report of a study and print what it comes to.

    Raises:
        InputError: the matrix file has problems, or nothing of its study was run.
        StoreError: the store cannot be read.
    """
    store = store_to_report(asked.home)
    plan = plan_of_file(store, asked.matrix, asked.plugins)
    found, folder = summary_written(store, plan), report_folder(store, plan)
    planned = store.plan(plan) if isinstance(plan, str) else plan
    changed = changed_since(planned.cells if planned else (), store.home / "cache")
    told = tuple(f"{dataset_name(dataset)}: {CHANGED_SINCE}" for dataset in changed)
    found = replace(found, warnings=(*found.warnings, *told))
    if asked.json:
        whole_summary = asdict(found)
        head = {"study": folder.name, "report": str(folder), "results": whole_summary.pop("rows")}
        print_json({**head, **whole_summary})
        return 0
    print_summary(found)
    if not asked.quiet:
        say(f"report:  {shown_path(folder / 'index.html')}")
    return 0


def print_summary(found: Summary) -> None:
    """Print the results on stdout and below them, where they are still on the screen, verdict, next step, warnings."""
    out = results()
    columns = {**_ranking(found.rows), **_COLUMNS, **(_MORE if out.width >= _WIDE else {})}
    shown = table("experiment", *columns, right=tuple(columns))
    for row in found.rows:
        shown.add_row(Text(row.experiment), *(each(row) for each in columns.values()))
    out.print(shown)
    _print_notes(found.rows)
    out.print()
    for order, sentence in enumerate(found.headline):
        tell(out, sentence, style="" if order else "bold")
    if found.next_steps:
        tell(out, f"To try next: {found.next_steps}")
    for each in found.warnings:
        tell(out, f"Warning: {each}", style="yellow")


def _print_notes(rows: Sequence[SummaryRow]) -> None:
    for row in rows:
        for note in row.notes:
            tell(results(), f"{row.experiment}: {note}", style="yellow")


def _train_time(row: SummaryRow) -> str:
    spreads = list(row.train_seconds.values())
    return "mixed" if len(spreads) > 1 else duration_spread(spreads[0] if spreads else None)


def _test(row: SummaryRow, spread: Spread | None) -> str:
    return "sealed" if row.test == "sealed" else percent_spread(spread)


def _ranking(rows: Sequence[SummaryRow]) -> Mapping[str, Callable[[SummaryRow], str]]:
    """Return the column of what ranks, where the others have it not."""
    metric = rows[0].metric if rows else TEST_ACCURACY
    if metric == TEST_ACCURACY:
        return {}
    return {metric_heading(metric): lambda row: _figure(row, metric)}


def _figure(row: SummaryRow, metric: str) -> str:
    return "sealed" if row.test == "sealed" else metric_spread(metric, row.test_figure, unit=False)


_COLUMNS: Final[Mapping[str, Callable[[SummaryRow], str]]] = {
    "letters": lambda row: row.letters or NOTHING,
    "test %": lambda row: _test(row, row.test_accuracy),
    "val %": lambda row: percent_spread(row.val_accuracy),
    "parameters": lambda row: whole(row.parameters),
    "train": _train_time,
}
_MORE: Final[Mapping[str, Callable[[SummaryRow], str]]] = {
    "macro F1 %": lambda row: _test(row, row.test_macro_f1),
    "finished": lambda row: f"{row.cells_finished}/{row.cells_planned}",
}
