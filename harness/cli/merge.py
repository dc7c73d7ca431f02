"""`harness merge HOME...`: the runs of other machines, in this store."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from harness.cli.console import print_json, results, say, shown_path, table
from harness.cli.options import Merge
from harness.track.merge import Merged, merge
from harness.words import amount, listed

INCOMPLETE: Final = 3


def perform(asked: Merge) -> int:
    """Copy what the store lacks, and say what came of each home; 3 if something was left out that is not its own.

    Raises:
        InputError: a home has no store, or is the store itself.
        SealError: two of the stores opened the test set of one cell with different models.
    """
    merged = merge(asked.home, asked.homes, say)
    if asked.json:
        print_json([{**asdict(each), "home": str(each.home)} for each in merged])
        return INCOMPLETE if any(each.refused for each in merged) else 0
    columns = ("copied", "known", "openings")
    shown = table("home", *columns, right=columns)
    for each in merged:
        shown.add_row(shown_path(each.home), str(each.copied), str(each.known), str(each.openings))
    results().print(shown)
    _say_rest(merged)
    return INCOMPLETE if any(each.refused for each in merged) else 0


def _say_rest(merged: tuple[Merged, ...]) -> None:
    for each in merged:
        if each.refused:
            places = amount(len(each.refused), "place")
            say(f"{shown_path(each.home)}: left out, not files of this home ({places}):\n{listed(each.refused)}")
    running = [name for each in merged for name in each.running]
    if running:
        say(f"left out, not ended: {', '.join(running)}; merge again when they have")
    copied = sum(each.copied for each in merged)
    say(
        f"{amount(copied, 'run')} copied; harness report M.yaml writes the report with them"
        if copied
        else "nothing new"
    )
