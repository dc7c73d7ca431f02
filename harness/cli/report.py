"""`harness report`: the report again, from what the store holds; no data set is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from rich.text import Text

from harness.cli.console import print_json, results, say, table, tell
from harness.cli.options import Report
from harness.cli.stores import existing_store
from harness.cli.studies import study_name
from harness.errors import InputError
from harness.report import SummaryRow, write_report
from harness.track import Store
from harness.words import NOTHING, Spread, duration_spread, percent_spread, whole

_WIDE: Final = 110
"""From this many columns on the table has all its columns."""


def perform(asked: Report) -> int:
    """Write the report of a study and print its results table.

    Raises:
        InputError: the matrix file names no study, or nothing of it was run.
    """
    study = study_name(asked.matrix)
    store = existing_store(asked.home)
    if store is None:
        raise InputError(f"nothing was run in {asked.home} yet, so there is nothing to report")
    folder = report_folder(store, study)
    rows = write_report(store, study, folder).rows
    if asked.json:
        print_json({"study": study, "report": str(folder), "results": [asdict(row) for row in rows]})
        return 0
    print_results(rows)
    say(f"report:  {shown_path(folder / 'index.html')}")
    return 0


def report_folder(store: Store, study: str) -> Path:
    """Return where a study's report is written."""
    return store.home / "reports" / study


def print_results(rows: Sequence[SummaryRow]) -> None:
    """Print the results table on stdout, with what is wrong with a row below it."""
    out = results()
    columns = [*_COLUMNS, *(_MORE if out.width >= _WIDE else {})]
    shown = table("experiment", *columns, right=tuple(columns))
    for row in rows:
        shown.add_row(Text(row.experiment), *({**_COLUMNS, **_MORE}[column](row) for column in columns))
    out.print(shown)
    for row in rows:
        for note in row.notes:
            tell(out, f"{row.experiment}: {note}", style="yellow")


def _train_time(row: SummaryRow) -> str:
    spreads = list(row.train_seconds.values())
    return "mixed" if len(spreads) > 1 else duration_spread(spreads[0] if spreads else None)


def _test(row: SummaryRow, spread: Spread | None) -> str:
    return "sealed" if row.test == "sealed" else percent_spread(spread)


_COLUMNS: Final[Mapping[str, Callable[[SummaryRow], str]]] = {
    "tier": lambda row: NOTHING if row.tier is None else str(row.tier),
    "test %": lambda row: _test(row, row.test_accuracy),
    "val %": lambda row: percent_spread(row.val_accuracy),
    "parameters": lambda row: whole(row.parameters),
    "train": _train_time,
}
_MORE: Final[Mapping[str, Callable[[SummaryRow], str]]] = {
    "macro F1 %": lambda row: _test(row, row.test_macro_f1),
    "finished": lambda row: f"{row.cells_finished}/{row.cells_planned}",
}


def shown_path(path: Path) -> str:
    """Return a path as a person would write it: relative to the working folder where it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
