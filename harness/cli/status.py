"""`harness status`: what runs now, what failed and why, and how far each study is; with --runs, every run by name."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from rich.padding import Padding
from rich.text import Text

from harness.cli.console import print_json, results, say, table
from harness.cli.options import Status
from harness.contracts import PlannedCell
from harness.contracts.metrics import TEST_ACCURACY, VAL_ACCURACY
from harness.execute.locks import is_alive
from harness.matrix import study_name
from harness.track import Record, Store, existing_store
from harness.track.runs import is_of_other_test_set, standing
from harness.words import clock, metric_text


@dataclass(frozen=True, slots=True)
class CellStatus:
    """A cell by its newest run; `seconds` since it began, for a running one."""

    name: str
    key: str
    state: str
    """finished, running, failed or interrupted."""
    run_id: str
    where: str
    seconds: float | None
    validation_accuracy: float | None
    test_accuracy: float | None
    error: str


@dataclass(frozen=True, slots=True)
class StudyStatus:
    """All cells of a study that were ever begun, in whichever study, and how many its newest plan has beyond those."""

    study: str
    cells: tuple[CellStatus, ...]
    missing: int


def perform(asked: Status) -> int:
    """Print the status of one study or of all.

    Raises:
        StoreError: the store cannot be reached or read.
    """
    store = existing_store(asked.home)
    names = () if store is None else (study_name(asked.matrix),) if asked.matrix else sorted(store.studies().values())
    found = [] if store is None else [status_of(store, name) for name in names]
    if asked.json:
        print_json([asdict(each) for each in found])
    elif not any(each.cells for each in found):
        say(f"nothing was run in {asked.home} yet" if not asked.matrix else f"nothing of {asked.matrix} was run yet")
    elif asked.runs:
        _print_runs(found)
    else:
        _print(found)
    return 0


def status_of(store: Store, study: str) -> StudyStatus:
    """Return where the cells of a study stand, whatever the sources that ran them; other studies may have run some.

    Of a search's trials those are shown that run now; how the others ended is the search's own affair.
    """
    runs: dict[tuple[str, str], list[Record]] = {}
    for record in store.records(study):
        if record.kind == "cell" or (record.kind == "trial" and record.status == "RUNNING"):
            runs.setdefault((record.key, record.tags.get("harness.test_files", "")), []).append(record)
    plan = store.plan(study)
    absent = [each for each in plan.cells if not _is_begun(each, runs.values())] if plan else []
    others = store.cell_records(each.key for each in absent) if absent else {}
    elsewhere = [mine for each in absent if (mine := [run for run in others[each.key] if _is_of(run, each)])]
    cells = tuple(map(_cell, [*runs.values(), *elsewhere]))
    return StudyStatus(study, cells, len(absent) - len(elsewhere))


def _is_begun(planned: PlannedCell, begun: Iterable[Sequence[Record]]) -> bool:
    return any(_is_of(runs[-1], planned) for runs in begun)


def _is_of(run: Record, planned: PlannedCell) -> bool:
    return run.key == planned.key and not is_of_other_test_set(run, planned)


def _cell(runs: Sequence[Record]) -> CellStatus:
    """Return where a cell stands that was run at least once: a process at work on it comes before how others ended."""
    alive = [record for record in runs if record.status == "RUNNING" and is_alive(record)]
    record = alive[-1] if alive else standing(runs).run or runs[-1]
    states = {"FINISHED": "finished", "FAILED": "failed"}
    return CellStatus(
        name=record.name,
        key=record.key,
        state="running" if alive else states.get(record.status, "interrupted"),
        run_id=record.run_id,
        where=f"{record.tags.get('harness.host', '?')}, process {record.tags.get('harness.pid', '?')}",
        seconds=time.time() - record.start if alive else None,
        validation_accuracy=record.metrics.get(VAL_ACCURACY),
        test_accuracy=record.metrics.get(TEST_ACCURACY),
        error=record.tags.get("harness.error", "") if record.status == "FAILED" else "",
    )


def _print(found: Iterable[StudyStatus]) -> None:
    shown = table("study", "finished", "running", "failed", "interrupted", "missing", right=_COUNTED)
    for each in found:
        counts = [sum(cell.state == state for cell in each.cells) for state in _STATES]
        shown.add_row(each.study, *(str(number or "-") for number in (*counts, each.missing)))
    results().print(shown)
    cells = [cell for each in found for cell in each.cells]
    _print_running([cell for cell in cells if cell.state == "running"])
    _print_failed([cell for cell in cells if cell.state == "failed"])


def _print_runs(found: Sequence[StudyStatus]) -> None:
    """Print the run that stands for each cell, by the id and the name that `compare`, `predict` and `export` take."""
    shown = table("run", "name", "state", "val %", "test %", right=("val %", "test %"))
    for each in found:
        if len(found) > 1:
            shown.add_section()
            shown.add_row("", Text(each.study, style="bold"))
        for cell in each.cells:
            figures = ((VAL_ACCURACY, cell.validation_accuracy), (TEST_ACCURACY, cell.test_accuracy))
            texts = [metric_text(name, value, unit=False) for name, value in figures]
            shown.add_row(cell.run_id[:8], Text(cell.name), Text(cell.state, _STYLES.get(cell.state, "")), *texts)
    results().print(shown)


_STYLES: Final = {"running": "cyan", "failed": "red", "interrupted": "yellow"}
_STATES = ("finished", "running", "failed", "interrupted")
_COUNTED = (*_STATES, "missing")


def _print_running(cells: list[CellStatus]) -> None:
    if not cells:
        return
    shown = table("running", "for", "val accuracy", "where", right=("for", "val accuracy"))
    for cell in cells:
        accuracy = metric_text(VAL_ACCURACY, cell.validation_accuracy)
        shown.add_row(Text(cell.name), clock(cell.seconds or 0), accuracy, cell.where)
    results().print("", shown)


def _print_failed(cells: list[CellStatus]) -> None:
    out = results()
    for cell in cells:
        out.print(Text("\nfailed ", style="red").append(cell.name, style="none"))
        out.print(Padding.indent(Text(cell.error or "no reason is on record"), 2))
        out.print(Padding.indent(Text(f"run {cell.run_id}, its traceback.txt says where", style="dim"), 2))
