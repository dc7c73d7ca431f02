from __future__ import annotations

from io import StringIO
from threading import Event, Thread

from rich.console import Console

from harness.cli.phases import live
from harness.cli.progress import LiveWatcher, Unharmed, watching
from harness.cli.run_progress import RunProgress
from harness.contracts import Outcome, PlannedCell
from harness.execute.estimate import Rates
from tests.cli.conftest import Clock, planned

MESSAGE = "the loss is not finite (epoch 2, step 7)"
METRICS = {"val/accuracy": 0.9123, "train/loss": 0.25, "images_per_second": 1234.0}


def plain_run(cells: list[PlannedCell], verbosity: int) -> list[str]:
    """Return the lines of a run whose first cell fails and whose second one finishes."""
    console = Console(file=StringIO(), width=200)
    progress = RunProgress(cells, Rates(), now=Clock())
    with watching(progress, console, verbosity) as watcher:
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
    progress = RunProgress([cell, planned("mlp")], Rates(), now=Clock())
    watcher = LiveWatcher(progress, console)
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
    progress = RunProgress([planned("mlp")], Rates(), now=Clock())
    with watching(progress, console, 0) as watcher:
        watcher.ended(Outcome(planned("mlp", seed=9), "skipped"))
    assert isinstance(console.file, StringIO)
    assert console.file.getvalue() == ""


def test_the_live_display_survives_cells_that_start_and_end_while_it_draws() -> None:
    """The driver's thread and the one that draws at once, as fast as both can."""
    console = Console(file=StringIO(), width=80, force_terminal=True)
    cells = [planned("mlp", seed) for seed in range(300)]
    progress = RunProgress(cells, Rates())
    pictures, faults = 0, []
    over = Event()
    with watching(progress, console, 0) as watcher:
        assert isinstance(watcher, Unharmed) and isinstance(watcher.watcher, LiveWatcher)
        picture = watcher.watcher.picture

        def draw() -> None:
            nonlocal pictures
            while not over.is_set():
                try:
                    picture()
                    pictures += 1
                except Exception as error:
                    faults.append(error)

        drawing = Thread(target=draw)
        drawing.start()
        for cell in cells:
            watcher.watcher.started(cell, "cpu")
            watcher.watcher.epoch(cell, 1, METRICS)
            watcher.watcher.ended(Outcome(cell, "finished", seconds=1.0, metrics={"val/accuracy": 0.9}))
        over.set()
        drawing.join()
    assert not faults and pictures > 10
    assert progress.snapshot().ended == {"finished": 300}


def test_a_picture_that_fails_leaves_the_last_one_and_the_display_goes_on() -> None:
    console = Console(file=StringIO(), width=80, force_terminal=True, highlight=False)
    drawn: list[str] = []

    def picture() -> str:
        drawn.append(f"picture {len(drawn)}")
        if len(drawn) == 3:
            raise KeyError("a cell that has just ended")
        return drawn[-1]

    with live(picture, console) as display:
        for _ in range(3):
            display.refresh()
    assert isinstance(console.file, StringIO)
    assert len(drawn) >= 4
    assert f"picture {len(drawn) - 1}" in console.file.getvalue()


def test_a_console_that_fails_does_not_end_the_run() -> None:
    class Gone(StringIO):
        def write(self, _text: str) -> int:
            raise OSError("no space left on device")

    cell = planned("mlp")
    progress = RunProgress([cell], Rates())
    with watching(progress, Console(file=Gone(), width=80), 1) as watcher:
        watcher.started(cell, "cpu")
        watcher.epoch(cell, 1, METRICS)
        watcher.ended(Outcome(cell, "finished"))
    assert progress.snapshot().ended == {"finished": 1}


def test_more_running_cells_than_lines_leave_room_for_the_whole() -> None:
    console = Console(file=StringIO(), width=80, height=10, force_terminal=True, color_system=None)
    cells = [planned("mlp", seed) for seed in range(30)]
    progress = RunProgress(cells, Rates())
    for cell in cells:
        progress.started(cell, "cpu")
    console.print(LiveWatcher(progress, console).picture())
    assert isinstance(console.file, StringIO)
    lines = console.file.getvalue().splitlines()
    assert len(lines) < 10
    assert "0/30 done, 30 running (23 not shown)" in lines[-1]


def test_the_live_picture_fits_80_columns_and_keeps_the_seed() -> None:
    row, whole = live_picture(80)
    assert len(row.rstrip()) <= 80
    assert " s0 " in row
    assert "2/4" in row
    assert "val 0.9123" in row
    assert "0/2 done, 1 running" in whole
