"""The rows of one or several calls as a JSON file, rewritten after each row."""

from __future__ import annotations

from pathlib import Path

from benchmarks.on_gpu.rows import Call, Row
from harness.contracts import Frozen


class Results(Frozen):
    """Rows, each with the call that it was measured in."""

    calls: tuple[Call, ...] = ()
    rows: tuple[Row, ...] = ()

    def of(self, gpu: str) -> Results:
        """Return the rows of one kind of GPU, with their calls."""
        rows = tuple(row for row in self.rows if row.gpu == gpu)
        started = {row.call for row in rows}
        return Results(calls=tuple(call for call in self.calls if call.started in started), rows=rows)


class Record:
    """Results so far, of this call and of those before it that wrote to the same file."""

    def __init__(self, path: Path | None, call: Call) -> None:
        """Go on with the file at `path` where there is one; None keeps rows in memory alone."""
        self.call = call
        self._path = path
        before = read(path) if path and path.exists() else Results()
        self._calls = [each for each in before.calls if each.started != call.started]
        self._rows = {row.key: row for row in before.rows}

    @property
    def results(self) -> Results:
        """All rows, in the order in which they were first measured; calls that no row is of are left out."""
        rows = tuple(self._rows.values())
        used = {row.call for row in rows}
        return Results(calls=tuple(each for each in (*self._calls, self.call) if each.started in used), rows=rows)

    def put(self, row: Row) -> None:
        """Add a row, or replace the one of the same thing; nothing measured is replaced by a row without figures."""
        before = self._rows.get(row.key)
        if before is not None and row.state == "skipped" and before.call != row.call:
            return
        self._rows[row.key] = row
        if self._path is not None:
            write(self._path, self.results)


def read(path: Path) -> Results:
    """Return what `write` wrote.

    Raises:
        OSError: there is no such file.
        ValueError: it is of another kind.
    """
    return Results.model_validate_json(path.read_text())


def write(path: Path, results: Results) -> None:
    """Write beside the file and rename, so that it is whole whenever the call is cut off."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.partial")
    beside.write_text(results.model_dump_json(indent=1) + "\n")
    beside.replace(path)
