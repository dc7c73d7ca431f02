from __future__ import annotations

from io import StringIO

from rich.console import Console

from harness.cli.board import Board
from harness.cli.progress import LiveWatcher, watching
from harness.cli.rates import Rates
from harness.contracts import Outcome, PlannedCell
from tests.cli.conftest import Clock, planned

MESSAGE = "the loss is not finite (epoch 2, step 7)"
METRICS = {"val/accuracy": 0.9123, "train/loss": 0.25, "images_per_second": 1234.0}


def plain_run(cells: list[PlannedCell], verbosity: int) -> list[str]:
    """Return the lines of a run whose first cell fails and whose second one finishes."""
    console = Console(file=StringIO(), width=200)
    board = Board(cells, Rates(), now=Clock())
    with watching(board, console, verbosity) as watcher:
        for cell in cells[:2]:
            watcher.started(cell, "cpu")
            watcher.epoch(cell, 1, METRICS)
        watcher.ended(Outcome(cells[0], "failed", message=f"{MESSAGE}\nTraceback"))
        watcher.ended(Outcome(cells[1], "finished", seconds=12.0, metrics={"val/accuracy": 0.9, "test/accuracy": 0.8}))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def live_picture(width: int) -> list[str]:
    """Return the moving part of a run with one cell in its second epoch of four."""
    console = Console(file=StringIO(), width=width, force_terminal=True, color_system=None)
    cell = planned("a_model_with_quite_a_long_name", width=123456)
    board = Board([cell, planned("mlp")], Rates(), now=Clock())
    watcher = LiveWatcher(board, console)
    watcher.started(cell, "cpu")
    watcher.epoch(cell, 2, METRICS)
    console.print(watcher.picture())
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def test_without_a_terminal_each_start_and_end_is_one_plain_line() -> None:
    lines = plain_run([planned("mlp"), planned("small_cnn"), planned("mlp", 1)], verbosity=0)
    assert len(lines) == 4
    assert lines[0] == "[0/3] start mlp width=8 s0 (cpu)"
    assert lines[2].startswith(f"[1/3] FAILED mlp width=8 s0  {MESSAGE}")
    assert lines[3].startswith("[2/3] done small_cnn width=8 s0  val 0.9000  test 0.8000  12 s")
    assert "\x1b" not in "".join(lines)


def test_epochs_are_told_where_asked_for() -> None:
    lines = plain_run([planned("mlp"), planned("small_cnn")], verbosity=1)
    assert "[0/2] epoch mlp width=8 s0  1/4 val 0.9123 loss 0.250 1.23k images/s" in lines


def test_quiet_runs_tell_failures_alone() -> None:
    (line,) = plain_run([planned("mlp"), planned("small_cnn")], verbosity=-1)
    assert MESSAGE in line


def test_cells_done_before_are_passed_over() -> None:
    console = Console(file=StringIO(), width=200)
    board = Board([planned("mlp")], Rates(), now=Clock())
    with watching(board, console, 0) as watcher:
        watcher.ended(Outcome(planned("mlp", seed=9), "skipped"))
    assert isinstance(console.file, StringIO)
    assert console.file.getvalue() == ""


def test_the_live_picture_fits_80_columns_and_keeps_the_seed() -> None:
    row, whole = live_picture(80)
    assert len(row.rstrip()) <= 80
    assert " s0 " in row
    assert "2/4" in row
    assert "val 0.9123" in row
    assert "0/2 done, 1 running" in whole
